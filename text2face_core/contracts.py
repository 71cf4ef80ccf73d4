"""The roles that plugins play, and how a plugin declares what it offers.

Every role works on batches: one result per input, in order. A component that cannot handle one input of a batch raises;
the pipeline then asks again one by one and records the reason for the input that fails.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from .errors import PluginError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from .language import Vocabulary
    from .models import Artifact, ModelStore
    from .records import Bag, Face, Finding, Pixels, Portrait

Kind = Literal["detector", "filter", "extractor", "fuser", "trainer"]


class Options(BaseModel):
    """Base of a component's options: unknown names are refused, so that a typing error is not silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how a component computes.

    device: "cpu", "cuda", "cuda:1", "mps". dtype: "float32", "bfloat16" or "float16".
    threads: how many threads one component may use. seed: the run's seed. models: where model files come from.
    vocabulary: the words for findings, plugins' included; None means our own alone.
    """

    models: ModelStore
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    seed: int = 0
    vocabulary: Vocabulary | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a filter turns a portrait away; `reason` is recorded, in plain words."""

    reason: str


@dataclass(frozen=True, slots=True)
class FusionRequest:
    """Asks for `count` captions that say what the bag holds.

    number: which of the photo's captions this is (from 0). style: a name such as "short" or "long".
    seed: 64 bits from (run seed, photo id, number, try); all of a fuser's random choices come from it.
    missed: names that an earlier try left out.
    """

    photo_id: str
    uri: str
    number: int
    bag: Bag
    style: str
    seed: int
    count: int = 1
    missed: tuple[str, ...] = ()


class Detector(ABC):
    """Finds faces."""

    @abstractmethod
    def detect(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """The faces on each image, (H, W, 3) uint8 RGB of any size; boxes and landmarks in that image's pixels."""


class Filter(ABC):
    """Turns portraits away."""

    @abstractmethod
    def judge(self, portraits: Sequence[Portrait]) -> list[Rejection | None]:
        """A rejection for each portrait that should not be used, None for each that should."""


class Extractor(ABC):
    """Reads characteristics off portraits."""

    @abstractmethod
    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """What is seen on each portrait; nothing is said where the model is unsure."""


class Fuser(ABC):
    """Writes captions."""

    @abstractmethod
    def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
        """`count` texts for each request; equal requests give equal texts, whatever else is in the batch."""


@dataclass(frozen=True, slots=True)
class CaptionedDataset:
    """Photos with captions, as the user named them: a run directory, an imagefolder or web-dataset shards."""

    path: Path

    @property
    def imagefolder(self) -> Path:
        """The folder with metadata.jsonl, which has a `file_name` and a `text` (a list of captions) for each image.

        Raises UsageError where there is none.
        """
        for folder in (self.path / "dataset", self.path):
            if (folder / "metadata.jsonl").is_file():
                return folder
        raise UsageError(
            f"{self.path} holds no metadata.jsonl: name a run directory, or what t2f export --format imagefolder wrote"
        )


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a trainer leaves behind: a folder, and the figures it ended with."""

    path: Path
    metrics: dict[str, float]


class Progress(Protocol):
    """Is told how far long work has come."""

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Work of `total` units begins, `done` of which were done before."""
        ...

    def advance(self, count: int, **counts: int) -> None:
        """`count` more units are done; `counts` (rejected=1, failed=2) are added to what is shown."""
        ...

    def say(self, message: str) -> None:
        """One line for the user."""
        ...

    def finish(self) -> None:
        """The work begun last has ended."""
        ...


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """Asks for one picture.

    prompt, negative: what it shall show and what not. seed: of all its noise. width, height: in pixels.
    steps: of denoising. guidance: how much words count, from 1. scale: strength of what was trained, 0 for the base
    model alone.
    """

    prompt: str
    seed: int
    width: int
    height: int
    negative: str = ""
    steps: int = 50
    guidance: float = 7.5
    scale: float = 1.0


class Drawer(ABC):
    """Draws what prompts say, with a base model and what was trained on it.

    size: width and height, in pixels, where nobody asks for others. notes: what the user should know before drawing.
    """

    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @abstractmethod
    def draw(
        self, requests: Sequence[DrawRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """A picture (height, width, 3) for each request, or why there is none.

        Equal requests give equal pictures, but for rounding, whatever else is in the batch. on_step: called after each
        step of denoising, as on a CPU one takes long.
        """

    @abstractmethod
    def identity(self, request: DrawRequest) -> dict[str, str]:
        """All that the picture depends on besides the request: "base", "revision", "lora", "lora_sha256", "sampler", ….

        Kept in the picture; where it is the same, the picture is not drawn again.
        """

    def unread(self, prompts: Sequence[str]) -> list[str]:
        """The end of each prompt that is beyond what the model reads; empty where it reads the whole."""
        return [""] * len(prompts)


class Trainer(ABC):
    """Teaches a model what captions say."""

    @abstractmethod
    def train(self, dataset: CaptionedDataset, out: Path, progress: Progress) -> TrainedModel:
        """Train on the data set, leaving the model in `out`."""

    def drawer(self, model: str | None) -> Drawer:
        """What draws with a model that was trained: its folder or file, or a hub's id; None for the base model alone.

        Raises ArtifactError where the model cannot be had or does not fit the base.
        """
        raise PluginError(f"{type(self).__name__} trains, but cannot draw (model: {model})")


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that a plugin offers: how to build it, its options, what it needs and what it provides.

    name: the plugin's name, or "plugin.part" where a plugin offers several.
    build: called with (options, runtime); the only place for heavy imports.
    artifacts: model files it may need. needs: which of them it needs with some options; unless given, all.
    extra: the extra of text2face (or of `distribution`) that installs its packages.
    provides: names of the findings that it can yield.
    prompt: of a fuser that asks a language model, called with (options, request): exactly what its model would be told,
    with the chat format where the fuser itself applies one. Loads nothing heavy; None for a fuser that asks no model.
    """

    name: str
    build: Callable[[Any, Runtime], Any]
    options: type[BaseModel] = Options
    artifacts: tuple[Artifact, ...] = ()
    extra: str | None = None
    provides: tuple[str, ...] = ()
    summary: str = ""
    needs: Callable[[Any], Collection[Artifact]] | None = None
    prompt: Callable[[Any, FusionRequest], str] | None = None

    def files(self, options: Any) -> tuple[Artifact, ...]:
        """The model files that it needs with these options."""
        return self.artifacts if self.needs is None else tuple(self.needs(options))
