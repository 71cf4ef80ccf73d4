"""Properties of the photo itself: is it black and white, is it blurred, is the face sharp enough at all?

Colour was calibrated on 186 sharp portraits, real and synthetic: the palest has a chroma of 7.2, their grey copies have
at most 0.1, and the same holds for copies with a fiftieth of the light. Blur: of 500 real photos with faces 100 to 230
px high, the 20 above 0.73 all look soft, and of 100 sharp small portraits none is above 0.6; blurred by a Gaussian of
3 px, of a face 256 px high, nearly all are. The detail of the twelve example photos is 430 to 1720, and 190 for the one
that is out of focus; blurred by a Gaussian of 7 px, it is below 120. Their blocks are at most 0.74, also when blurred,
and at least 0.93 when pixelated with blocks of 4 px or more.
"""

import math
from collections.abc import Iterable, Sequence

from pydantic import Field

from text2face_core import Component, Extractor, Finding, Options, Portrait, Runtime, hookimpl

from ._measures import FACE, blur, chroma, face_at_its_size
from ._sharp import SharpFaces

SOFT = 0.02
"""Scale of the logistic function by which blur becomes a score."""


class PhotoOptions(Options):
    """Where the lines are drawn."""

    chroma: float = Field(4.0, gt=0, description="mean CIELAB chroma below which a photo counts as black and white")
    blur: float = Field(
        0.73,
        gt=0,
        le=1,
        description="perceptual blur of the face, 0 sharp to 1, at its own size or 256 px high, above which a photo "
        "counts as blurred",
    )


class SharpOptions(Options):
    """Where the lines are drawn between faces that can be recognised and others."""

    detail: float = Field(
        140.0,
        ge=0,
        description="thousandths; variance of the Laplacian over variance of the grey levels, of a face 64 px high, "
        "below which a face is rejected as blurred; 0: never",
    )
    blocks: float = Field(
        0.85,
        gt=0,
        le=1,
        description="share of the change between neighbouring pixels in a quarter of the rows and columns, above which "
        "a face is rejected as pixelated; 1: never",
    )


class PhotoProperties(Extractor):
    """Monochrome and blur, from pixels alone.

    A photo is black and white if it has next to no colour for its brightness, as a whole and on the face: a portrait in
    the snow is not, nor is a sepia print or an underexposed photo; a grey photo with a coloured stamp in its corner is.

    Blur is measured on the face, so that a sharp face before a soft background is sharp; at the size that the face has,
    256 px at most, so that a small sharp face is sharp, and a large photo is not judged sharper than a medium one. The
    measure is a ratio of gradients before and after a further blur: dark, flatly lit and smooth faces do not count as
    blurred. Perceptual blur: Crete et al., SPIE 2007.

    Scores follow the distance from the line and are even on it: for colour, the odds are the square of measure over
    threshold; for blur, a logistic function of their difference.
    """

    def __init__(self, options: PhotoOptions) -> None:
        self._options = options

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Both findings of each portrait, present or absent."""
        return [[self._monochrome(portrait), self._blurry(portrait)] for portrait in portraits]

    def _monochrome(self, portrait: Portrait) -> Finding:
        colour = max(chroma(portrait.photo.pixels), chroma(portrait.crop(FACE)))
        probability = 1 / (1 + (colour / self._options.chroma) ** 2)
        return _finding("monochrome", colour < self._options.chroma, probability, {"chroma": round(colour, 2)})

    def _blurry(self, portrait: Portrait) -> Finding:
        found = blur(face_at_its_size(portrait))
        probability = 1 / (1 + math.exp((self._options.blur - found) / SOFT))
        return _finding("blurry", found > self._options.blur, probability, {"blur": round(found, 3)})


def _finding(name: str, value: bool, probability: float, detail: dict[str, float]) -> Finding:
    return Finding(name, value, round(max(probability, 1 - probability), 4), detail=detail)


def build(options: PhotoOptions, runtime: Runtime) -> PhotoProperties:  # noqa: ARG001  every build takes both
    """The extractor; it needs no model."""
    return PhotoProperties(options)


def build_sharp(options: SharpOptions, runtime: Runtime) -> SharpFaces:  # noqa: ARG001  every build takes both
    """The filter; it needs no model."""
    return SharpFaces(options)


@hookimpl
def t2f_filters() -> Iterable[Component]:
    """A filter for faces without detail."""
    yield Component("photo.sharp", build_sharp, SharpOptions, summary="rejects pixelated and blurred faces")


@hookimpl
def t2f_extractors() -> Iterable[Component]:
    """One extractor for both."""
    yield Component("photo", build, PhotoOptions, provides=("monochrome", "blurry"), summary="black and white, blur")
