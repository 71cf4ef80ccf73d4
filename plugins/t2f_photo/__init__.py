"""Properties of the photo itself: is it black and white, is it blurred?

Calibrated on 186 sharp colour portraits, real and synthetic. The palest has a chroma of 7.2, their grey copies have 0.1
at most. The softest has a sharpness of 15; blurred by a Gaussian of 2 px, of a face 256 px high, all have less than 12.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field

from text2face_core import Component, Extractor, Finding, Options, Portrait, Runtime, hookimpl
from text2face_core.images import BoxCrop
from text2face_core.records import Pixels

FACE = BoxCrop(0.7, 180, border=None)
"""The middle of the face, at the size at which all of it would be 256 px high: skin, eyes and mouth, no background."""

SAMPLED_SIDE = 256
"""Pixels. Of a larger photo, colour is measured on every k-th pixel: enough for a mean, at one cost for any size."""

ROUNDING = 20 / 12
"""Variance of the Laplacian (its squared weights sum to 20) of nothing but rounding to whole grey levels (1/12)."""


class PhotoOptions(Options):
    """Where the lines are drawn."""

    chroma: float = Field(4.0, gt=0, description="mean CIELAB chroma below which a photo counts as black and white")
    sharpness: float = Field(
        13.0,
        gt=0,
        description="thousandths; variance of the Laplacian over variance of the grey levels, of a face 256 px high, "
        "below which a photo counts as blurred",
    )


class PhotoProperties(Extractor):
    """Monochrome and blur, from pixels alone.

    A photo is black and white if it has next to no colour, as a whole and on the face: a portrait in the snow is not,
    nor is a sepia print; a grey photo with a coloured stamp in its corner is.

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


def chroma(pixels: Pixels) -> float:
    """Mean CIELAB chroma, 0 (grey) to about 100, of (H, W, 3) uint8 RGB.

    >>> chroma(np.full((9, 9, 3), 128, np.uint8)) < 0.1
    True
    """
    import cv2

    k = max(1, max(pixels.shape[:2]) // SAMPLED_SIDE)
    sampled = _resized(pixels, k, cv2.INTER_NEAREST)
    # Grain and compression colour single pixels of a grey photo: means over 4 x 4 do not see that.
    small = _resized(sampled, 4, cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def _resized(pixels: Pixels, k: int, how: int) -> Pixels:
    import cv2

    size = (max(1, pixels.shape[1] // k), max(1, pixels.shape[0] // k))
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def sharpness(pixels: Pixels) -> float:
    """Variance of the Laplacian over variance of the grey levels, in thousandths, of (H, W, 3) uint8 RGB.

    >>> sharpness(np.full((9, 9, 3), 128, np.uint8))
    0.0
    """
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    detail = max(0.0, float(cv2.Laplacian(grey, cv2.CV_32F).var()) - ROUNDING)
    return 1000 * detail / max(1.0, float(grey.var()))


def build(options: PhotoOptions, runtime: Runtime) -> PhotoProperties:  # noqa: ARG001  every build takes both
    """The extractor; it needs no model."""
    return PhotoProperties(options)


@hookimpl
def t2f_extractors() -> Iterable[Component]:
    """One extractor for both."""
    yield Component("photo", build, PhotoOptions, provides=("monochrome", "blurry"), summary="black and white, blur")
