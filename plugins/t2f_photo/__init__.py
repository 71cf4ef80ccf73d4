"""Properties of the photo itself: is it black and white, is it blurred, is the face sharp enough at all?

Calibrated on 186 sharp colour portraits, real and synthetic. The palest has a chroma of 7.2, their grey copies have at
most 0.1; the same holds for copies with a fiftieth of the light. The softest has a sharpness of 15; blurred by a
Gaussian of 2 px, of a face 256 px high, all have less than 12. The detail of the twelve example photos is 430 to 1720,
and 190 for the one that is out of focus; blurred by a Gaussian of 7 px, it is below 120. Their blocks are at most 0.74,
also when blurred, and at least 0.93 when pixelated with blocks of 4 px or more.
"""

from collections.abc import Iterable, Sequence

from pydantic import Field

from text2face_core import Component, Extractor, Finding, Options, Portrait, Runtime, hookimpl

from ._measures import FACE, chroma, sharpness
from ._sharp import SharpFaces


class PhotoOptions(Options):
    """Where the lines are drawn."""

    chroma: float = Field(4.0, gt=0, description="mean CIELAB chroma below which a photo counts as black and white")
    sharpness: float = Field(
        13.0,
        gt=0,
        description="thousandths; variance of the Laplacian over variance of the grey levels, of a face 256 px high, "
        "below which a photo counts as blurred",
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

    Blur is measured on the face at one size, so that a sharp face before a soft background is sharp and a large photo
    is not judged sharper than a small one; a face of less than about 70 px has no more detail than a blurred one and
    counts as such. It is measured against the face's contrast, so that dark and flatly lit faces do not count as
    blurred.
    Variance of the Laplacian: Pech-Pacheco et al., ICPR 2000.

    Scores follow the distance from the line: the odds are the square of measure over threshold, even on the line.
    """

    def __init__(self, options: PhotoOptions) -> None:
        self._options = options

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Both findings of each portrait, present or absent."""
        return [[self._monochrome(portrait), self._blurry(portrait)] for portrait in portraits]

    def _monochrome(self, portrait: Portrait) -> Finding:
        colour = max(chroma(portrait.photo.pixels), chroma(portrait.crop(FACE)))
        return _below("monochrome", colour, self._options.chroma, "chroma")

    def _blurry(self, portrait: Portrait) -> Finding:
        return _below("blurry", sharpness(portrait.crop(FACE)), self._options.sharpness, "sharpness")


def _below(name: str, measure: float, line: float, what: str) -> Finding:
    probability = 1 / (1 + (measure / line) ** 2)
    value = measure < line
    return Finding(name, value, round(max(probability, 1 - probability), 4), detail={what: round(measure, 2)})


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
