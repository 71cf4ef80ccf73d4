"""The input squares of FaRL's models: landmarks lie at fixed places, and a tanh compresses the periphery.

Points are in FaRL's convention, (0, 0) at the outer corner of the top-left pixel, and landmarks are used without
conversion, as its authors do. The squares are sampled bilinearly in full precision, without averaging first: the
networks were trained this way, and rounding to bytes would change their outputs more than batches or devices do.
No other plugin uses these squares, and each is used once, so they are not kept with the portrait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from text2face_core.images import Matrix, similarity

if TYPE_CHECKING:
    from text2face_core.records import Face, Photo, Pixels

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Point = tuple[float, float]

STEEPEST = 0.999
"""Limit of the tanh's inverse: the square's outermost thousandth shows no more than this."""


@dataclass(frozen=True)
class Frame:
    """A square crop, optionally with a compressed periphery.

    size: side of the square, pixels. points: target positions of the five landmarks, reached as closely as a similarity
    allows; None for the quad of FFHQ's own alignment, drawn around eyes and mouth. bend: 0 leaves the square unchanged;
    otherwise everything further from its middle than 1 - bend, in half sides, is compressed by a tanh along each axis,
    so that the square's edges show what is far outside.
    """

    size: int
    points: tuple[Point, ...] | None = None
    bend: float = 0.0

    def matrix(self, face: Face) -> Matrix:
        """(2, 3) float32 matrix from photo points to points of the square before bending.

        Raises DegenerateFace if the landmarks coincide.
        """
        if self.points is None:
            ends = float(self.size)
            source, target = quad(face.landmarks), np.array([(0, 0), (ends, 0), (ends, ends), (0, ends)])
        else:
            source, target = np.asarray(face.landmarks, np.float64), np.array(self.points)
        fitted: Matrix = similarity(source[None], target[None])[0]
        return fitted

    @cached_property
    def places(self) -> Doubles:
        """(size,): positions of the centres of the square's columns, or rows, in the square before bending."""
        return self.unbent(np.arange(self.size) + 0.5)

    def bent(self, places: Floats) -> Doubles:
        """Map positions along an axis of the square before bending to positions after it."""
        return self._along(np.asarray(places, np.float64), np.tanh)

    def unbent(self, places: Floats) -> Doubles:
        """The inverse of `bent`, as far as `STEEPEST` allows."""
        return self._along(np.asarray(places, np.float64), lambda far: np.arctanh(np.minimum(far, STEEPEST)))

    def _along(self, places: Doubles, curve: Callable[[Doubles], Doubles]) -> Doubles:
        if not self.bend:
            return places
        middle = places / self.size * 2 - 1
        straight = 1 - self.bend
        far = np.maximum(np.abs(middle) - straight, 0) / self.bend
        bent = np.sign(middle) * (straight + self.bend * curve(far))
        return np.where(far > 0, bent, middle) / 2 * self.size + self.size / 2

    def photo_points(self, matrix: Matrix) -> tuple[Doubles, Doubles]:
        """(size, size) each: x and y in the photo of the middle of each pixel of the square."""
        (a, b, c), (d, e, f), _ = np.linalg.inv(np.vstack([matrix.astype(np.float64), [0, 0, 1]]))
        across, down = self.places[None], self.places[:, None]
        return a * across + b * down + c, d * across + e * down + f

    def cut(self, photo: Photo, face: Face) -> npt.NDArray[np.float32]:
        """The square, (size, size, 3) float32 RGB, 0 to 255; black outside the photo. Raises DegenerateFace."""
        return sample(photo.pixels, *self.photo_points(self.matrix(face)))


def quad(landmarks: Floats) -> Doubles:
    """(4, 2): the corners top-left, top-right, bottom-right, bottom-left of FFHQ's crop, from five landmarks (5, 2).

    As in FaRL, half a pixel is added to the middles of eyes and mouth.
    """
    points = np.asarray(landmarks, np.float64)
    eyes, mouth = points[:2].mean(axis=0) + 0.5, points[3:].mean(axis=0) + 0.5
    along, down = points[1] - points[0], mouth - eyes
    x = along - np.array([-down[1], down[0]])
    x *= max(2.0 * np.hypot(*along), 1.8 * np.hypot(*down)) / max(float(np.hypot(*x)), 1e-9)
    y = np.array([-x[1], x[0]])
    middle = eyes + 0.1 * down
    return np.stack([middle - x - y, middle + x - y, middle + x + y, middle - x + y])


def sample(pixels: Pixels, x: Floats, y: Floats) -> npt.NDArray[np.float32]:
    """Colours at points of a photo, bilinear, black outside: (..., 3) float32, 0 to 255.

    pixels: (H, W, 3) uint8. x, y: (...) float, (0, 0) at the outer corner of the top-left pixel.

    >>> sample(np.full((2, 2, 3), 100, np.uint8), np.array([0.5, 0.0, 9.0]), np.array([0.5, 1.0, 1.0]))[:, 0].tolist()
    [100.0, 50.0, 0.0]
    """
    height, width = pixels.shape[:2]
    # More than a pixel outside the photo, everything is black: clipping keeps indices small.
    x, y = np.clip(x - 0.5, -1, width), np.clip(y - 0.5, -1, height)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right_share, bottom_share = (x - left).astype(np.float32), (y - top).astype(np.float32)
    flat = pixels.reshape(-1, 3)
    colours = np.zeros((*x.shape, 3), np.float32)
    for row, row_share in ((top, 1 - bottom_share), (top + 1, bottom_share)):
        start = np.clip(row, 0, height - 1) * width
        row_weight = np.where((row >= 0) & (row < height), row_share, 0)
        for column, column_share in ((left, 1 - right_share), (left + 1, right_share)):
            weight = np.where((column >= 0) & (column < width), column_share, 0) * row_weight
            colours += flat[start + np.clip(column, 0, width - 1)] * weight[..., None]
    return colours
