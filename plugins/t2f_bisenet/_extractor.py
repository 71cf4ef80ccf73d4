"""From photos to a class per pixel, and from classes to findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from text2face_core import Extractor, Finding
from text2face_core.images import LandmarkCrop, ParsedFace, Threshold, Thresholds, crops, derive, worn
from text2face_core.models import BATCH, network

from ._classes import NUMBERS, TABLE
from ._network import load

if TYPE_CHECKING:
    from pathlib import Path

    from text2face_core import Portrait, Runtime

    from . import BiSeNetOptions

Classes = npt.NDArray[np.uint8]

SIDE = 512

POINTS = ((0.385, 0.47), (0.615, 0.47), (0.5, 0.61), (0.398, 0.715), (0.602, 0.715))
"""Landmarks in the squares of FFHQ and CelebA-HQ, on which the network was trained, in units of their side.

facexlib's template, made for face restoration, is 7 % tighter. On 86 hand masks of CelebAMask-HQ, the template here
finds hair with an overlap of 0.88 instead of 0.84, hats with 0.87 instead of 0.83, and the face itself equally well.
"""

# A pixel's centre lies half a pixel inside; the crop is gray outside the photo.
CROP = LandmarkCrop(
    "bisenet_512", tuple((x * SIDE - 0.5, y * SIDE - 0.5) for x, y in POINTS), SIDE, border=(128, 128, 128)
)

NECK = 0.3
"""Least visible area of the neck, in squared inter-ocular distances, to report that there is no necklace."""


class Regions(Extractor):
    """Findings of `text2face_core.images.regions`, and jewellery, from the class of each pixel of a square crop.

    On the CPU, faces go through the network singly, which costs no more time and makes results independent of the batch
    to the last bit.
    """

    def __init__(self, weights: Path, options: BiSeNetOptions, runtime: Runtime) -> None:
        self._options = options
        self._limits = Thresholds(said_from=options.certainty)
        self._batch = 1 if runtime.device == "cpu" else 16
        usual = runtime.device == "cpu" and runtime.dtype == "float32"
        self._network = network(
            load(weights, labels=not usual),
            [(BATCH, 3, SIDE, SIDE)],
            runtime,
            key=f"bisenet {'1' if usual else '1 labels'}",
            outputs=("seen",),
            batch=self._batch,
        )

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Derive findings from each portrait's regions. Raises DegenerateFace for unusable landmarks."""
        return [self.findings(*one) for one in self._seen(portraits)]

    def parse(self, portraits: Sequence[Portrait]) -> list[tuple[ParsedFace, Classes]]:
        """The regions of each portrait, and its classes (SIDE, SIDE) uint8, for inspection."""
        return list(self._seen(portraits))

    def _seen(self, portraits: Sequence[Portrait]) -> Iterator[tuple[ParsedFace, Classes]]:
        for start in range(0, len(portraits), self._batch):
            some = portraits[start : start + self._batch]
            images = np.divide(crops(some, CROP).transpose(0, 3, 1, 2), 255, dtype=np.float32)
            (seen,) = self._network(images)
            labels = seen.argmax(axis=1) if seen.shape[1] > 1 else seen[:, 0]
            for portrait, classes in zip(some, labels.astype(np.uint8), strict=True):
                yield parsed(portrait, classes), classes

    def findings(self, face: ParsedFace, classes: Classes) -> list[Finding]:
        """Findings of a parsed portrait."""
        found = derive(face, self._limits) + worn(face, self._limits)
        bald = [one for one in found if one.name == "bald" and one.value is True]
        found += [Finding("hair_length", "bald", one.score) for one in bald]
        jewellery = [*self._earrings(face, classes), *self._necklace(face, classes)]
        return found + [one for one in jewellery if one.score >= self._options.certainty]

    def _earrings(self, face: ParsedFace, classes: Classes) -> Iterator[Finding]:
        """Earrings, only as present: the network misses most earrings in front of hair."""
        worn = _limit(self._options.earrings).above(_area(face, classes, "ear_r"))
        if worn >= 0.5:
            yield Finding("wearing_earrings", True, round(worn, 3))

    def _necklace(self, face: ParsedFace, classes: Classes) -> Iterator[Finding]:
        """A necklace as present; as absent only if enough of the neck is visible."""
        worn = _limit(self._options.necklace).above(_area(face, classes, "neck_l"))
        if worn >= 0.5 or _area(face, classes, "neck") > NECK:
            yield Finding("wearing_necklace", worn >= 0.5, round(max(worn, 1 - worn), 3))


def _limit(at: float) -> Threshold:
    return Threshold(at, at / 4)


def _area(face: ParsedFace, classes: Classes, name: str) -> float:
    return face.area((classes == NUMBERS[name]) & face.inside)


def parsed(portrait: Portrait, classes: Classes) -> ParsedFace:
    """The classes of a portrait's square, (SIDE, SIDE) uint8, as regions. Raises DegenerateFace."""
    return ParsedFace.of(portrait, CROP, TABLE[classes])
