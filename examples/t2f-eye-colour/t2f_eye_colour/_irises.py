"""Find both irises on an aligned crop, and name their colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from text2face_core import Extractor, Finding, LandmarkCrop, Portrait

if TYPE_CHECKING:
    from . import EyeColourOptions

Floats = npt.NDArray[np.floating]

# The eyes come to lie 128 pixels apart. Irises differ little between people: 11.7 mm, where eyes are 63 mm apart.
EYES = LandmarkCrop("eyes", points=((64, 80), (192, 80), (128, 157), (73, 220), (183, 220)), size=256)
RADII = (10.5, 11.5, 12.5)
REACH_X, REACH_Y = 16, 9  # how far from the landmark an iris is looked for: gaze moves it more than the detector errs

COLOURS = {"brown": (0.40, 9, 9), "blue": (0.58, 2, -2), "green": (0.60, 1, 12), "gray": (0.68, 3, 4)}
"""Typical irises: lightness as a share of the white's, a*, b*."""
WHITE = (7.0, 8.0)  # a*, b* of the whites beside them, in daylight
SHARE = 30.0  # units of a* or b* that are as telling as a lightness of 1


@dataclass(frozen=True)
class Iris:
    """Where an iris was found, in pixels from the landmark; how much darker it is than the white; its colour."""

    shift: tuple[float, float]
    contrast: float
    lightness: float
    colour: Floats


class EyeColour(Extractor):
    """Says eye_colour where both irises are found, look the same way and have the same, plain colour."""

    def __init__(self, options: EyeColourOptions) -> None:
        self.options = options

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """At most one finding for each portrait, in order."""
        return [self._read(portrait) for portrait in portraits]

    def _read(self, portrait: Portrait) -> list[Finding]:
        matrix = EYES.matrix(portrait.face)
        zoom = float(np.hypot(matrix[0, 0], matrix[0, 1]))
        if 2 * RADII[1] / zoom < self.options.min_iris:
            return []
        lab = np.asarray(cv2.cvtColor(portrait.crop(EYES).astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
        if np.hypot(lab[..., 1], lab[..., 2]).mean() < self.options.monochrome:
            return []
        eyes = portrait.face.landmarks[:2] @ matrix[:, :2].T + matrix[:, 2]
        left, right = (find_iris(lab, (float(x), float(y))) for x, y in eyes)
        apart = np.hypot(*np.subtract(left.shift, right.shift)), np.hypot(*(left.colour - right.colour))
        if apart[0] > 17 or apart[1] > 9 or min(left.contrast, right.contrast) < self.options.contrast:
            return []
        name, score = name_colour((left.lightness + right.lightness) / 2, (left.colour + right.colour) / 2)
        return [Finding("eye_colour", name, score)] if score >= self.options.score else []


def find_iris(lab: Floats, eye: tuple[float, float]) -> Iris:
    """The disc within reach of the landmark that is darkest against both its sides.

    lab: (256, 256, 3) CIELAB crop. eye: x, y of the landmark on it.
    """
    x, y = round(eye[0]), round(eye[1])
    top, side = y - 40, x - 48
    patch = lab[max(top, 0) : y + 41, max(side, 0) : x + 49]
    found = []
    for radius in RADII:
        inside, left, right = (cv2.filter2D(patch[..., 0], -1, part) for part in _parts(radius))
        contrast = np.minimum(left, right) - inside
        row, column = y - max(top, 0), x - max(side, 0)
        window = contrast[row - REACH_Y : row + REACH_Y + 1, column - REACH_X : column + REACH_X + 1]
        j, i = np.unravel_index(window.argmax(), window.shape)
        found.append((float(window[j, i]), int(i) - REACH_X, int(j) - REACH_Y, radius))
    darker, dx, dy, radius = max(found)
    ys, xs = np.mgrid[: lab.shape[0], : lab.shape[1]] - np.array([y + dy, x + dx])[:, None, None]
    distance = np.hypot(xs, ys)
    # Between pupil and rim, below the lid's shadow; without the brightest fifth, where lamps are mirrored.
    ring = lab[(distance > 0.45 * radius) & (distance < 0.88 * radius) & (ys > -0.35 * radius)]
    ring = ring[ring[:, 0] <= np.percentile(ring[:, 0], 80)]
    white = lab[(distance > 1.2 * radius) & (distance < 1.6 * radius) & (abs(ys) < 0.4 * abs(xs))]
    iris_colour, white_colour = np.median(ring, axis=0), np.median(white, axis=0)
    # Half of the tint only: whites are tinted by veins and lids too, not by the light alone.
    colour = iris_colour[1:] - 0.5 * (white_colour[1:] - WHITE)
    return Iris((dx, dy), darker, float(iris_colour[0] / max(white_colour[0], 1)), colour)


def _parts(radius: float) -> list[Floats]:
    """Averages over the iris, and over the white to its left and right."""
    ys, xs = np.mgrid[-20:21, -20:21]
    distance = np.hypot(xs, ys)
    beside = (distance > 1.15 * radius) & (distance < 1.6 * radius) & (abs(ys) < 0.5 * abs(xs))
    parts = (distance < 0.95 * radius, beside & (xs < 0), beside & (xs > 0))
    return [(part / part.sum()).astype(np.float32) for part in parts]


def name_colour(lightness: float, colour: Floats) -> tuple[str, float]:
    """The nearest colour, and how sure: 1 where all others are much farther away, 0.5 half-way between two.

    lightness: of the iris, as a share of the white's. colour: a*, b*. Very dark irises are brown, whatever their tint.
    """
    if lightness < 0.3:
        return "brown", 0.9
    place = np.array([SHARE * lightness, *colour])
    away = {name: float(np.linalg.norm(place - (SHARE * share, a, b))) for name, (share, a, b) in COLOURS.items()}
    nearest, second = sorted(away, key=away.__getitem__)[:2]
    return nearest, 1 / (1 + float(np.exp((away[nearest] - away[second]) / 4)))
