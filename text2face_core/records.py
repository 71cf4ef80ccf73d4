"""Records that travel through a run: photo, face, portrait, finding, bag, caption, and the rows that store them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from typing import Any

    from .dataset import ImageRef

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) uint8 RGB, EXIF-upright."""

Status = Literal["ok", "rejected", "failed"]
Level = Literal["F1", "F2", "photo"]
Value = str | float | bool
Captions = tuple[tuple[str, str], ...]
"""Texts, each with its style ("short", "long"; empty if unknown)."""


@dataclass(frozen=True, slots=True)
class PhotoRef:
    """Reference to a photo of a run.

    Attributes:
        photo_id: 16 hexadecimal digits; the same wherever and in whatever order the photo is listed.
        uri: Its address, see `text2face_core.sources`.
        chunk: Number of the chunk that it belongs to.
        size: Bytes of its file when it was listed; -1 if unknown.
        modified: Modification time of its file when it was listed, in nanoseconds; -1 if unknown.
        gone: Whether it is no longer listed.
    """

    photo_id: str
    uri: str
    chunk: int = -1
    size: int = -1
    modified: int = -1
    gone: bool = False

    @property
    def stamp(self) -> tuple[int, int]:
        """Size and modification time, which identify a version of the file."""
        return self.size, self.modified


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo.

    Attributes:
        photo_id: 16 hexadecimal digits.
        uri: The address that it was read from.
            pixels: (H, W, 3) uint8 RGB, EXIF-upright.
    """

    photo_id: str
    uri: str
    pixels: Pixels

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A detected face, in photo pixels.

    Attributes:
        box: (4,) float32, x0 y0 x1 y1; may reach past the photo's edge.
        landmarks: (5, 2) float32, (x, y) of the image-left eye, image-right eye, nose tip, image-left mouth corner and
            image-right mouth corner.
        score: 0 to 1.
    """

    box: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    score: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Face) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[bytes, bytes, float]:
        return self.box.tobytes(), self.landmarks.tobytes(), self.score

    @property
    def size(self) -> float:
        """Longer side of the box, in pixels."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


class Crop(Protocol):
    """A way to cut an aligned square out of a portrait; equal crops are cut only once (see `Portrait.crop`)."""

    @property
    def size(self) -> int:
        """Side of the square, in pixels."""
        ...

    def matrix(self, face: Face) -> npt.NDArray[np.float32]:
        """Matrix (2, 3) float32 that maps photo pixels (x, y, 1) to pixels of the square."""
        ...

    def cut(self, pixels: Pixels, matrix: npt.NDArray[np.float32]) -> Pixels:
        """Cut the square, (size, size, 3) uint8 RGB."""
        ...

    def __hash__(self) -> int: ...


class Portrait:
    """A photo with its accepted face; caches aligned crops, so that extractors with equal crops share them.

    Attributes:
        photo: The photo; `portrait.photo.pixels` is (H, W, 3) uint8 RGB.
        face: The face, in photo pixels.

    Example:
        >>> portrait.crop(LandmarkCrop("mine", POINTS, size=256)).shape  # doctest: +SKIP
        (256, 256, 3)
    """

    def __init__(self, photo: Photo, face: Face) -> None:
        self.photo = photo
        self.face = face
        self._kept: dict[Hashable, Pixels] = {}

    def crop(self, how: Crop) -> Pixels:
        """Cut an aligned square, or return it from the cache.

        Args:
            how: The crop, usually a LandmarkCrop or a BoxCrop.

        Returns:
            (size, size, 3) uint8 RGB, read-only because it is shared.

        Raises:
            DegenerateFace: No transform fits the landmarks.
        """
        kept = self._kept.get(how)
        if kept is None:
            kept = how.cut(self.photo.pixels, how.matrix(self.face))
            kept.flags.writeable = False
            self._kept[how] = kept
        return kept


@dataclass(frozen=True, slots=True)
class Finding:
    """An observed characteristic of a portrait.

    Attributes:
        name: Canonical, lower snake case; the contract between extractors, vocabulary and evaluation.
        value: True or False for what is present or absent, a number (age in years), or a named value of the
        finding. NumPy scalars are converted by the pipeline.
        score: 0 to 1, how sure the model is of this value.
        source: The component that saw it; filled in by the pipeline.
        detail: Further figures of the model, such as the probabilities of all values or a standard deviation.

    Example:
        >>> Finding("hair_length", "short", 0.93)
        Finding(name='hair_length', value='short', score=0.93, source='', detail=None)
    """

    name: str
    value: Value
    score: float
    source: str = ""
    detail: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class BagItem:
    """A finding in words; a caption should contain `phrase`."""

    name: str
    value: Value
    phrase: str
    level: Level


@dataclass(frozen=True, slots=True)
class Bag:
    """Bag of words: the findings in words, in random order for a caption.

    Items of level F1 (age, gender, ethnicity) come first, then F2 (everything else about the person), then "photo"
    (properties of the image itself).
    """

    items: tuple[BagItem, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order; a finding with two values (two emotions) appears twice."""
        return tuple(item.name for item in self.items)

    def at(self, level: Level) -> tuple[BagItem, ...]:
        """Return the items of a level, in order."""
        return tuple(item for item in self.items if item.level == level)


@dataclass(frozen=True, slots=True)
class Caption:
    """A text with what it mentions, misses and invents against its bag.

    Attributes:
        text: The caption.
        fuser: Name of the component that wrote it.
        style: Style in which it is written, such as "short".
        tries: Number of times that a fuser was asked.
            bag: What the caption should mention.
        mentioned: Names of the bag's findings that the text mentions.
        missed: Names of the bag's findings that it does not mention.
        invented: Names of findings that it mentions although the bag does not hold them.
        tokens: Number of tokens for CLIP's text encoder, with start and end; 0 if they were not counted.
        refusals: Why each earlier try was refused, such as "missed age" or "over 77 tokens (83)".
    """

    text: str
    fuser: str
    style: str
    tries: int
    bag: Bag
    mentioned: tuple[str, ...]
    missed: tuple[str, ...]
    invented: tuple[str, ...]
    tokens: int = 0
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What a source knows about a photo besides its pixels.

    Attributes:
        alt_text: The text that a web page shows in place of the photo; never used as a caption unless asked for.
        captions: Captions that people wrote.
        findings: Labels that people gave; their source becomes "truth:" and the name of the photo's source.
    """

    alt_text: str = ""
    captions: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


NOTHING_KNOWN = Known()


@dataclass(frozen=True, slots=True)
class AnalysisRow:
    """Result of analysing a photo; a row of analysis/NNNNN.parquet.

    Attributes:
        photo_id: 16 hexadecimal digits.
        uri: The address that the photo was read from.
        chunk: Number of its chunk.
        status: "ok", "rejected" or "failed".
        reason: Why it was rejected or failed; empty if status is "ok".
        width: In pixels; 0 if the photo could not be decoded.
        height: In pixels; likewise.
        face: The face that was chosen, if any.
        findings: In the order of the extractors.
        faces: All detected faces, if there were several.
        content: Digest of the file, 32 hexadecimal digits; empty if it could not be read.
        look: Difference hash of the pixels, 64 hexadecimal digits; empty if they could not be decoded.
        alt_text: The photo's alternative text on a web page, if its source knows it.
        human_captions: Captions by people, if its source knows them.
        truth: Labels by people, if its source knows them; kept apart from `findings`, which are what models say.
    """

    photo_id: str
    uri: str
    chunk: int
    status: Status
    reason: str = ""
    width: int = 0
    height: int = 0
    face: Face | None = None
    findings: tuple[Finding, ...] = ()
    faces: tuple[Face, ...] = ()
    content: str = ""
    look: str = ""
    alt_text: str = ""
    human_captions: tuple[str, ...] = ()
    truth: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """The captions of a photo; a row of captions/NNNNN.parquet. Photos that are not "ok" have none.

    Attributes:
        photo_id: 16 hexadecimal digits.
        captions: In the order of their numbers.
        numbers: The number of each caption, if a person removed or added captions; else empty: 0, 1, ….
    """

    photo_id: str
    captions: tuple[Caption, ...] = field(default=())
    numbers: tuple[int, ...] = ()

    @property
    def numbered(self) -> tuple[tuple[int, Caption], ...]:
        """The captions with their numbers."""
        return tuple(zip(self.numbers or range(len(self.captions)), self.captions, strict=True))


@dataclass(frozen=True, slots=True)
class CaptionedPhoto:
    """A photo of a data set with its captions.

    Attributes:
        key: Its name in messages, unique within the data set.
        captions: Texts with their styles, at least one.
        image: Reference to its image.
    """

    key: str
    captions: Captions
    image: ImageRef

    def read(self) -> Pixels:
        """Decode the image.

        Returns:
            (H, W, 3) uint8 RGB, upright.

        Raises:
            BadPhoto: The image is missing or cannot be decoded.
        """
        return self.image.pixels(self.image.content())


if TYPE_CHECKING:
    JsonObject = dict[str, Any]
