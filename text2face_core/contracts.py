"""The roles that plugins play: a base class for each, and what goes in and out.

Every role works on batches: a result per input, in order. A component that cannot handle an input of a batch raises
an exception; the pipeline then calls it for each input alone and records the reason for the input that fails.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .components import Component, Options, Role, Runtime
from .errors import PluginError, UsageError
from .generators import Drawer as _Drawer, GenerationRequest, ImageGenerator, Renderer
from .metrics import Embedder, Metric
from .records import NOTHING_KNOWN, CaptionedPhoto
from .utils import new_name, warn_renamed

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from .dataset import ImageRef
    from .records import Bag, Captions, Face, Finding, Known, PhotoRef, Pixels, Portrait

__all__ = [
    "MAX_PHOTO_BYTES", "CaptionedDataset", "Component", "Detector", "Embedder", "Extractor", "Filter", "Fuser",
    "FusionRequest", "GenerationRequest", "ImageGenerator", "Metric", "Options", "Progress", "Rejection",
    "Renderer", "Role", "Runtime", "Source", "TrainedModel", "Trainer",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a portrait or a generated image cannot be used.

    Attributes:
        reason: Recorded and shown, in plain words: "the head is tilted".
    """

    reason: str


@dataclass(frozen=True, slots=True)
class FusionRequest:
    """Request to a fuser for captions that mention what the bag holds.

    Attributes:
        photo_id: The photo's id, 16 hexadecimal digits.
        uri: The photo's address, for fusers that look at it (see `text2face_core.sources`).
        number: Which of the photo's captions this is, from 0.
        bag: What the caption should mention.
        style: A name such as "short" or "long".
        seed: 64 bits derived from (run seed, photo id, number, try); the source of all of a fuser's random choices.
        count: Number of texts wanted.
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
    """Lists references to photos, and reads each photo as bytes.

    A source is chosen by the scheme of a URI ("zip" in `zip:/data/photos.zip`), which its component names in
    `provides`. Several threads call its methods at the same time.
    """

    @abstractmethod
    def list(self, place: str) -> Iterator[PhotoRef]:
        """List the photos at an address.

        Args:
            place: The address as the user gave it, with the scheme: `zip:/data/photos.zip`.

        Yields:
            A reference for each photo, in a fixed order. Its `photo_id` comes from `text2face_core.utils.photo_id_of`
            and must be the same each time; its `uri` begins with the scheme and is all that `open` needs.

        Raises:
            SourceError: The address does not exist or cannot be read.
        """

    @abstractmethod
    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """Read a photo's encoded bytes: JPEG, PNG, ….

        Args:
            uri: The `uri` of a reference from `list`.
            max_bytes: A larger photo is refused before it is read.

        Returns:
            The photo's file, unchanged.

        Raises:
            BadPhoto: The photo cannot be read; the text is the reason recorded for it.
        """

    def known(self, uri: str) -> Known:  # noqa: ARG002  for sources that know something
        """Return what the source knows about a photo besides its pixels: alternative text, captions, labels.

        Args:
            uri: The `uri` of a reference from `list`.

        Raises:
            BadPhoto: It cannot be read; the photo is then used without it.
        """
        return NOTHING_KNOWN

    def stamp(self, place: str) -> str:  # noqa: ARG002  for sources that can tell
        """Return a short text that changes whenever the listing of an address may change; empty if it is not known.

        A run whose addresses have the stamps of its last start is not listed again. Called often; must be quick.
        """
        return ""


class Detector(ABC):
    """Finds faces.

    Attributes:
        upright_score: Score that hardly any but upright faces reach. A face found upright with a lower score is looked
            at again in other orientations, since it may lie on its side or head; by default every face is.
    """

    upright_score: float = math.inf

    @abstractmethod
    def detect(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """Find the faces in each image.

        Args:
            images: Each (H, W, 3) uint8 RGB, of any size.

        Returns:
            The faces of each image, in any order; boxes and landmarks in pixels of that image.
        """


class Filter(ABC):
    """Rejects portraits that should not be captioned."""

    @abstractmethod
    def judge(self, portraits: Sequence[Portrait]) -> list[Rejection | None]:
        """Decide which portraits are used.

        Args:
            portraits: Photos, each with its accepted face.

        Returns:
            For each portrait a `Rejection`, or None if it is used.
        """


class Extractor(ABC):
    """Observes characteristics of portraits."""

    @abstractmethod
    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Observe what each portrait shows.

        Args:
            portraits: Photos, each with its accepted face; `Portrait.crop` cuts aligned squares out of them.

        Returns:
            The findings of each portrait, without those that the model is unsure of.
        """


class Fuser(ABC):
    """Writes captions."""

    @abstractmethod
    def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
        """Write captions.

        Args:
            requests: What each caption should mention, and in which style.

        Returns:
            `count` texts for each request. Equal requests give equal texts, whatever else is in the batch.
        """


class CaptionedDataset(ABC):
    """Photos with captions, by index; what trainers read. `text2face_core.dataset.open_dataset` opens every format.

    An implementation keeps a few hundred bytes per photo, reads captions and images on demand, and can be pickled.

    Attributes:
        path: The run directory, folder or file that was opened.
        fingerprint: 32 hexadecimal digits that change with the names and captions.
        without_captions: Number of images left out because they have no caption.
    """

    path: Path
    fingerprint: str
    without_captions: int = 0

    @abstractmethod
    def __len__(self) -> int:
        """Number of photos with captions."""

    @abstractmethod
    def key(self, index: int) -> str:
        """Return the photo's name for messages, unique within the data set."""

    @abstractmethod
    def captions(self, index: int) -> Captions:
        """Return the photo's captions, never empty, as (text, style) pairs."""

    @abstractmethod
    def image(self, index: int) -> ImageRef:
        """Return a reference to the photo's image, which reads and decodes it."""

    def __getitem__(self, index: int) -> CaptionedPhoto:
        """Return a photo with its captions.

        Args:
            index: From 0; negative numbers count from the end.

        Raises:
            IndexError: The index is out of range.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"photo {index} of {len(self)}")
        index %= len(self)
        return CaptionedPhoto(self.key(index), self.captions(index), self.image(index))

    def __iter__(self) -> Iterator[CaptionedPhoto]:
        return (self[index] for index in range(len(self)))

    def latent(self, index: int) -> npt.NDArray[np.float32] | None:  # noqa: ARG002
        """Return the vector from which a renderer made the photo; None for a photo of a person, or if unknown."""
        return None

    @property
    def fusers(self) -> tuple[str, ...]:
        """Names of the fusers that wrote the captions; empty if unknown."""
        return ()

    def remedy(self) -> str:
        """Return the advice for a data set without captioned images, for an error message."""
        return 'Each image needs a caption: "text": "…" or ["…", "…"]'

    @property
    def imagefolder(self) -> Path:
        """The folder with metadata.jsonl, which has a `file_name` and a `text` (a list of captions) for each image.

        For trainers that read files themselves.

        Raises:
            UsageError: The data set has no such folder.
        """
        for folder in (self.path / "dataset", self.path):
            if (folder / "metadata.jsonl").is_file():
                return folder
        raise UsageError(
            f"{self.path} holds no metadata.jsonl: name a run directory, or what t2f export --format imagefolder wrote"
        )


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """Result of a training.

    Attributes:
        path: The folder that holds the model.
        metrics: The last values, such as {"loss": 0.12}.
    """

    path: Path
    metrics: dict[str, float]


class Progress(Protocol):
    """Receiver of progress reports about long work."""

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Begin work of `total` units, of which `done` were done earlier."""
        ...

    def advance(self, count: int, **counts: int) -> None:
        """Report `count` more finished units; `counts` (rejected=1, failed=2) add to the figures shown."""
        ...

    def say(self, message: str) -> None:
        """Show a line of text to the user."""
        ...

    def finish(self) -> None:
        """End the work that was started last."""
        ...


class Trainer(ABC):
    """Trains a text-to-image model on captioned photos."""

    @abstractmethod
    def train(self, dataset: CaptionedDataset, out: Path, progress: Progress) -> TrainedModel:
        """Train on the data set and save the model in `out`.

        Args:
            dataset: The captioned photos.
            out: The folder for the model; it may hold an earlier, unfinished training to resume.
            progress: Receives progress reports.

        Returns:
            The model's folder and its last metrics.
        """

    def generator(self, model: str | None) -> ImageGenerator:
        """Open a trained model for generating images.

        Args:
            model: The model's folder or file, or its id on the Hugging Face hub; None for the base model alone.

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


_OF_0_1 = {"Drawer": _Drawer, "DrawRequest": GenerationRequest, "Kind": Role}


def of_0_1(name: str) -> Any:
    """Return what a name of text2face 0.1 stands for now."""
    return _OF_0_1[name]


def __getattr__(name: str) -> Any:
    new_name(__name__, name, {"Drawer": "ImageGenerator", "DrawRequest": "GenerationRequest", "Kind": "Role"})
    return of_0_1(name)
