"""The roles that plugins play, and how a plugin declares what it offers.

Every role works on batches: one result per input, in order. A component that cannot handle one input of a batch raises
an exception; the pipeline then asks again one by one and records the reason for the input that fails.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from .errors import PluginError, UsageError
from .records import CaptionedPhoto
from .utils import new_name, warn_renamed

if TYPE_CHECKING:
    from pathlib import Path

    from .dataset import ImageRef
    from .language import Vocabulary
    from .models import Artifact, ModelStore
    from .records import Bag, Captions, Face, Finding, PhotoRef, Pixels, Portrait

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault  # typing's own has defaults from Python 3.13 on

    OptionsT = TypeVarWithDefault("OptionsT", bound=BaseModel, default=Any)
    RoleT_co = TypeVarWithDefault("RoleT_co", covariant=True, default=Any)
else:
    OptionsT = TypeVar("OptionsT", bound=BaseModel)
    RoleT_co = TypeVar("RoleT_co", covariant=True)

Role = Literal["source", "detector", "filter", "extractor", "fuser", "trainer"]
"""What a component does in a run; each role has its hook in `hookspecs` and its base class here."""


class Options(BaseModel):
    """Base class of a component's options: unknown names are refused, so that a typing error is not silently ignored.

    Example:
        >>> from pydantic import Field
        >>> class BlurOptions(Options):
        ...     threshold: float = Field(60.0, ge=0, description="photos with less variance are blurred")
        >>> BlurOptions(threshold=80).threshold
        80.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how a component computes.

    Attributes:
        models: Where model files come from.
        device: "cpu", "cuda", "cuda:1" or "mps".
        dtype: "float32", "bfloat16" or "float16".
        threads: How many threads one component may use.
        seed: The run's seed.
        vocabulary: The words for findings, including those of plugins; None for the built-in ones alone.
    """

    models: ModelStore
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    seed: int = 0
    vocabulary: Vocabulary | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a portrait, or an image that was generated, cannot be used.

    Attributes:
        reason: Is recorded and shown, in plain words: "the head is tilted".
    """

    reason: str


@dataclass(frozen=True, slots=True)
class FusionRequest:
    """Asks a fuser for captions that say what the bag holds.

    Attributes:
        photo_id: The photo's id, 16 hexadecimal digits.
        uri: Where the photo is, for fusers that look at it (see `text2face_core.sources`).
        number: Which of the photo's captions this is, from 0.
        bag: What the caption should mention.
        style: A name such as "short" or "long".
        seed: 64 bits from (run seed, photo id, number, try); all of a fuser's random choices come from it.
        count: How many texts are wanted.
        missed: Names of findings that an earlier try left out.
    """

    photo_id: str
    uri: str
    number: int
    bag: Bag
    style: str
    seed: int
    count: int = 1
    missed: tuple[str, ...] = ()


MAX_PHOTO_BYTES = 512_000_000
"""Larger files are refused before they are read."""


class Source(ABC):
    """Where photos come from: lists references to photos, and opens each as bytes.

    A source is chosen by the scheme of a URI ("zip" in `zip:/data/photos.zip`), which its component names in
    `provides`. Its methods are called by several threads at once.
    """

    @abstractmethod
    def list(self, place: str) -> Iterator[PhotoRef]:
        """List the photos at a place.

        Args:
            place: What the user named, with the scheme: `zip:/data/photos.zip`.

        Yields:
            A reference for each photo, in a fixed order. Its `photo_id` comes from `text2face_core.utils.photo_id_of`
            and must be the same each time; its `uri` begins with the scheme and is all that `open` needs.

        Raises:
            SourceError: There is no such place, or it cannot be read.
        """

    @abstractmethod
    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """Read one photo, as it is encoded: JPEG, PNG, ….

        Args:
            uri: From `list`.
            max_bytes: A larger photo is refused before it is read.

        Raises:
            BadPhoto: The photo cannot be read; the text is the reason recorded for it.
        """


class Detector(ABC):
    """Finds faces."""

    @abstractmethod
    def detect(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """Find the faces in each image.

        Args:
            images: (H, W, 3) uint8 RGB each, of any size.

        Returns:
            For each image its faces, in any order; boxes and landmarks in that image's pixels.
        """


class Filter(ABC):
    """Rejects portraits that should not be captioned."""

    @abstractmethod
    def judge(self, portraits: Sequence[Portrait]) -> list[Rejection | None]:
        """Decide which portraits are used.

        Args:
            portraits: Photos with their one face.

        Returns:
            For each portrait a rejection, or None if it is used.
        """


class Extractor(ABC):
    """Observes characteristics of portraits."""

    @abstractmethod
    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Observe what each portrait shows.

        Args:
            portraits: Photos with their one face; `Portrait.crop` cuts aligned squares out of them.

        Returns:
            For each portrait its findings. A finding that the model is unsure of is left out.
        """


class Fuser(ABC):
    """Writes captions."""

    @abstractmethod
    def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
        """Write captions.

        Args:
            requests: What each caption should say, and how.

        Returns:
            `count` texts for each request. Equal requests give equal texts, whatever else is in the batch.
        """


class CaptionedDataset(ABC):
    """Photos with captions, by number; what trainers read. `text2face_core.dataset.open_dataset` opens every format.

    An implementation keeps some hundred bytes per photo, reads captions and images when asked, and can be pickled.

    Attributes:
        path: What the user named: a run directory, a folder or a file.
        fingerprint: 32 hexadecimal digits that change with the names and captions.
        without_captions: How many images were left out because they have no caption.
    """

    path: Path
    fingerprint: str
    without_captions: int = 0

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def key(self, index: int) -> str:
        """The photo's name in messages, unique within the data set."""

    @abstractmethod
    def captions(self, index: int) -> Captions:
        """The photo's captions, at least one, each with its style."""

    @abstractmethod
    def image(self, index: int) -> ImageRef:
        """Where the photo's image is stored."""

    def __getitem__(self, index: int) -> CaptionedPhoto:
        """One photo; negative numbers count from the end. Raises IndexError beyond it."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"photo {index} of {len(self)}")
        index %= len(self)
        return CaptionedPhoto(self.key(index), self.captions(index), self.image(index))

    def __iter__(self) -> Iterator[CaptionedPhoto]:
        return (self[index] for index in range(len(self)))

    @property
    def fusers(self) -> tuple[str, ...]:
        """The fusers that wrote the captions, if known."""
        return ()

    def remedy(self) -> str:
        """What to do when the data set holds no captioned image."""
        return 'Each image needs a caption: "text": "…" or ["…", "…"]'

    @property
    def imagefolder(self) -> Path:
        """The folder with metadata.jsonl, which has a `file_name` and a `text` (a list of captions) for each image.

        For trainers that read files themselves.

        Raises:
            UsageError: There is no such folder.
        """
        for folder in (self.path / "dataset", self.path):
            if (folder / "metadata.jsonl").is_file():
                return folder
        raise UsageError(
            f"{self.path} holds no metadata.jsonl: name a run directory, or what t2f export --format imagefolder wrote"
        )


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The result of a training.

    Attributes:
        path: The folder that holds the model.
        metrics: The last figures, such as {"loss": 0.12}.
    """

    path: Path
    metrics: dict[str, float]


class Progress(Protocol):
    """Receives how far long work has come."""

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Work of `total` units begins, of which `done` were done before."""
        ...

    def advance(self, count: int, **counts: int) -> None:
        """`count` more units are done; `counts` (rejected=1, failed=2) are added to what is shown."""
        ...

    def say(self, message: str) -> None:
        """Show one line to the user."""
        ...

    def finish(self) -> None:
        """The work that began last has ended."""
        ...


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Asks for one image.

    Attributes:
        prompt: What the image should show.
        seed: Determines all of the image's noise.
        width: In pixels.
        height: In pixels.
        negative: Negative prompt: what the image should not show.
        steps: Denoising steps.
        guidance: Classifier-free guidance scale, at least 1: how strongly the prompt steers the image.
        scale: Strength of the trained model (LoRA); 0 for the base model alone.
    """

    prompt: str
    seed: int
    width: int
    height: int
    negative: str = ""
    steps: int = 50
    guidance: float = 7.5
    scale: float = 1.0


class ImageGenerator(ABC):
    """Generates images from prompts, with a base model and what was trained on it.

    Attributes:
        size: Default (width, height) of an image, in pixels.
        notes: What the user should know before images are generated.
    """

    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @abstractmethod
    def generate(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """Generate an image for each request.

        Args:
            requests: One for each image. Equal requests give equal images, except for rounding, whatever else is in
                the batch.
            on_step: Called after each denoising step, since a step is slow on a CPU.

        Returns:
            For each request (height, width, 3) uint8 RGB, or why there is no image.
        """

    @abstractmethod
    def identity(self, request: GenerationRequest) -> dict[str, str]:
        """Everything else that the image depends on: "base", "revision", "lora", "lora_sha256", "sampler", ….

        Is kept in the image's file; an image whose request and identity are the same is not generated again.
        """

    def unread(self, prompts: Sequence[str]) -> list[str]:
        """The end of each prompt that is beyond what the model reads; empty if it reads the whole prompt."""
        return [""] * len(prompts)

    def draw(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """Deprecated name of `generate`."""
        warn_renamed("Drawer.draw", "ImageGenerator.generate")
        return self.generate(requests, on_step)


class Trainer(ABC):
    """Trains a text-to-image model on captioned photos."""

    @abstractmethod
    def train(self, dataset: CaptionedDataset, out: Path, progress: Progress) -> TrainedModel:
        """Train on the data set and leave the model in `out`.

        Args:
            dataset: The captioned photos.
            out: The folder for the model; it may hold an earlier, unfinished training to resume.
            progress: Receives how far the training has come.

        Returns:
            Where the model is, and its last figures.
        """

    def generator(self, model: str | None) -> ImageGenerator:
        """Open a trained model to generate images with.

        Args:
            model: The model's folder or file, or an id on the Hugging Face hub; None for the base model alone.

        Returns:
            The generator, ready to use.

        Raises:
            ArtifactError: The model is not available or does not fit the base model.
            PluginError: This trainer has no image generator.
        """
        if type(self).drawer is Trainer.drawer:
            raise self._no_generator(model)
        warn_renamed(f"{type(self).__name__}.drawer", "generator")  # a plugin written for 0.1
        return self.drawer(model)

    def drawer(self, model: str | None) -> ImageGenerator:
        """Deprecated name of `generator`."""
        warn_renamed("Trainer.drawer", "Trainer.generator")
        if type(self).generator is Trainer.generator:
            raise self._no_generator(model)
        return self.generator(model)

    def _no_generator(self, model: str | None) -> PluginError:
        return PluginError(f"{type(self).__name__} trains, but cannot generate images (model: {model})")


@dataclass(frozen=True)
class Component(Generic[OptionsT, RoleT_co]):
    """One thing that a plugin offers: how to build it, its options, what it needs and what it provides.

    Generic over the options and the role, so that a type checker compares `build`, `options`, `needs` and `prompt` with
    each other, and what `build` returns with the hook: `Iterable[Component[BlurOptions, Extractor]]`. A plain
    `Component` is `Component[Any, Any]`.

    Attributes:
        name: The plugin's name, or "plugin.part" if the plugin offers several components.
        build: Called with (options, runtime); the only place for heavy imports.
        options: The model of its options.
        artifacts: Model files that it may need.
        extra: The extra of text2face (or of the plugin's distribution) that installs its packages.
        provides: Names of the findings that it can yield; of a source, the URI schemes that it opens.
        summary: One line for listings.
        needs: Called with its options; returns which of the artifacts it then needs. None for all of them.
        needed_extra: Called with its options; returns the extra that it then needs. None for `extra`.
        prompt: For a fuser that asks a language model: called with (options, request), returns exactly the prompt that
            the model gets, with the chat format if the fuser itself applies one. Must load nothing heavy. None for a
            fuser that does not ask a model.
        gpu: The GPU without which it cannot be used, in words: "28 GB of memory". Empty if a CPU will do.
        unreachable: Called with its options before a run begins; returns why a server that it needs cannot be used and
            what to do, or "". Must load nothing heavy and take seconds at most.

    Example:
        >>> class Nothing(Extractor):
        ...     def extract(self, portraits):
        ...         return [[] for _ in portraits]
        >>> Component("nothing", lambda options, runtime: Nothing(), summary="observes nothing").files(Options())
        ()
    """

    name: str
    build: Callable[[OptionsT, Runtime], RoleT_co]
    options: type[OptionsT] = Options  # type: ignore[assignment]  # fits every build that takes plain Options
    artifacts: tuple[Artifact, ...] = ()
    extra: str | None = None
    provides: tuple[str, ...] = ()
    summary: str = ""
    needs: Callable[[OptionsT], Collection[Artifact]] | None = None
    needed_extra: Callable[[OptionsT], str | None] | None = None
    prompt: Callable[[OptionsT, FusionRequest], str] | None = None
    gpu: str = ""
    unreachable: Callable[[OptionsT], str] | None = None

    def files(self, options: OptionsT) -> tuple[Artifact, ...]:
        """The model files that the component needs with these options."""
        return self.artifacts if self.needs is None else tuple(self.needs(options))

    def extra_for(self, options: OptionsT) -> str | None:
        """The extra that the component needs with these options."""
        return self.extra if self.needed_extra is None else self.needed_extra(options)


class _Drawer(ImageGenerator):
    """The image generator of 0.1, whose method is called `draw`; here so that plugins written for it work until 0.3."""

    @abstractmethod
    def draw(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """As `ImageGenerator.generate`."""

    def generate(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """What `draw` returns."""
        return self.draw(requests, on_step)


_OF_0_1 = {"Drawer": _Drawer, "DrawRequest": GenerationRequest, "Kind": Role}


def of_0_1(name: str) -> Any:
    """What a name of text2face 0.1 stands for now."""
    return _OF_0_1[name]


def __getattr__(name: str) -> Any:
    new_name(__name__, name, {"Drawer": "ImageGenerator", "DrawRequest": "GenerationRequest", "Kind": "Role"})
    return of_0_1(name)
