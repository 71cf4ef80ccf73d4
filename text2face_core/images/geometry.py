"""Alignment: from landmarks to matrices to warped crops.

Points are (x, y) with (0, 0) at the centre of the top-left pixel, as in OpenCV, so that published landmark templates
can be used unchanged. Boxes are x0 y0 x1 y1 as in a slice, `pixels[y0:y1, x0:x1]`: they run along the outer edges of
their pixels, half a pixel outside the pixels' centres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import DegenerateFace

if TYPE_CHECKING:
    from ..records import Crop, Face, Pixels, Portrait

Matrix = npt.NDArray[np.float32]
"""(2, 3) float32, takes column vectors (x, y, 1) to (x, y)."""

Colour = tuple[int, int, int]
Point = tuple[float, float]

SMALLEST_SPREAD = 1e-3
"""Root mean square distance from the mean, in pixels, below which landmarks count as one point."""


def similarity(source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Least-squares similarity (rotation, one scale, shift; no reflection) that maps source points to target points.

    Args:
        source: (N, P, 2) float, pixels, P >= 2; the points of N faces.
        target: (N, P, 2) float, pixels; the wanted positions of these points.

    Returns:
        (N, 2, 3) float32 matrices, to be applied to column vectors (x, y, 1).

    Raises:
        DegenerateFace: The source points of a face coincide or are not finite.
        ValueError: The arrays do not have these shapes.

    Example:
        >>> similarity(np.array([[[0., 0.], [2., 0.]]]), np.array([[[0., 0.], [4., 0.]]]))[0].tolist()
        [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """
    source = np.asarray(source, np.float64)
    target = np.asarray(target, np.float64)
    if source.ndim != 3 or source.shape != target.shape or source.shape[1] < 2 or source.shape[2] != 2:
        raise ValueError(f"expected two arrays (N, P, 2) with P >= 2, found {source.shape} and {target.shape}")
    finite = np.isfinite(source).all(axis=(1, 2))
    source_mean = np.where(finite[:, None, None], source, 0).mean(axis=1, keepdims=True)
    target_mean = target.mean(axis=1, keepdims=True)
    p = source - source_mean
    q = target - target_mean
    spread = (p * p).sum(axis=(1, 2))
    usable = finite & (spread > source.shape[1] * SMALLEST_SPREAD**2)
    if not usable.all():
        raise DegenerateFace(f"the landmarks of a face coincide or are not numbers: {source[~usable][0].tolist()}")
    # With points as complex numbers this is the factor a + bi that best turns p into q.
    a = (p * q).sum(axis=(1, 2)) / spread
    b = (p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]).sum(axis=1) / spread
    turn = np.stack([np.stack([a, 0 - b], axis=-1), np.stack([b, a], axis=-1)], axis=1)
    shift = target_mean[:, 0] - np.einsum("nij,nj->ni", turn, source_mean[:, 0])
    return np.concatenate([turn, shift[..., None]], axis=2).astype(np.float32)


def warp(
    pixels: Pixels,
    matrix: npt.NDArray[np.floating],
    size: int,
    *,
    antialias: bool = True,
    border: Colour | None = (0, 0, 0),
) -> Pixels:
    """Warp a photo into a square, bilinearly; only the part of the photo that the square shows is read.

    Args:
        pixels: (H, W, 3) uint8 RGB, the photo.
        matrix: (2, 3) float, maps photo points to points of the square.
        size: Side of the square, in pixels.
        antialias: When the square shows the photo at less than half its size, first average the photo over k x k
            pixels, k being the largest integer that leaves it at least as large as the square. Without it, each pixel
            of the square reads only four photo pixels, as models trained on plain `cv2.warpAffine` crops expect.
        border: RGB colour outside the photo; None repeats the photo's edge.

    Returns:
        (size, size, 3) uint8 RGB.

    Raises:
        DegenerateFace: The matrix cannot be inverted.

    Example:
        >>> photo = np.zeros((40, 60, 3), np.uint8)
        >>> warp(photo, np.array([[0.5, 0, 0], [0, 0.5, 0]]), 16).shape
        (16, 16, 3)
    """
    import cv2

    forward = np.vstack([np.asarray(matrix, np.float64), [0.0, 0.0, 1.0]])
    area = abs(forward[0, 0] * forward[1, 1] - forward[0, 1] * forward[1, 0])
    if not (np.isfinite(forward).all() and area > 1e-12):
        raise DegenerateFace("the face's landmarks give a transform that shrinks it to nothing")
    k = max(1, math.floor(1 / math.sqrt(area) + 1e-6)) if antialias else 1
    x0, y0, x1, y1 = _region(pixels, forward, size, margin=k + 1)
    region = pixels[y0:y1, x0:x1]
    if k > 1:
        region = _shrink(region, k, border)
    # A pixel of the shrunken region has its centre in the middle of its k x k photo pixels.
    place = np.array([[k, 0, x0 + (k - 1) / 2], [0, k, y0 + (k - 1) / 2], [0, 0, 1]])
    return np.asarray(
        cv2.warpAffine(
            region,
            (forward @ place)[:2],
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT,
            borderValue=border or (0, 0, 0),
        ),
        np.uint8,
    )


def _region(pixels: Pixels, forward: npt.NDArray[np.float64], size: int, margin: int) -> tuple[int, int, int, int]:
    """Slice box of what the square shows plus `margin` pixels on each side; inside the photo and never empty."""
    ends = (-0.5, size - 0.5)
    corners = np.array([[x, y, 1.0] for y in ends for x in ends]).T
    seen = (np.linalg.inv(forward) @ corners)[:2]
    limits = np.array([[pixels.shape[1]], [pixels.shape[0]]])
    low = np.clip(np.floor(seen.min(axis=1, keepdims=True)) - margin, 0, limits - 1)
    high = np.clip(np.ceil(seen.max(axis=1, keepdims=True)) + 1 + margin, low + 1, limits)
    return int(low[0, 0]), int(low[1, 0]), int(high[0, 0]), int(high[1, 0])


def _shrink(region: Pixels, k: int, border: Colour | None) -> Pixels:
    """Average over k x k pixels; the right and bottom are padded to a multiple of k like the border."""
    import cv2

    height, width = region.shape[:2]
    missing_x, missing_y = -width % k, -height % k
    if missing_x or missing_y:
        mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
        region = np.asarray(
            cv2.copyMakeBorder(region, 0, missing_y, 0, missing_x, mode, value=border or (0, 0, 0)), np.uint8
        )
    shrunken = cv2.resize(region, (region.shape[1] // k, region.shape[0] // k), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunken, np.uint8)


@dataclass(frozen=True)
class LandmarkCrop:
    """An aligned square: a similarity maps the five landmarks as near to `points` as it can.

    Crops with equal points, sizes and settings are equal whatever their names, so each portrait is warped only once.

    Attributes:
        name: For messages; not compared.
        points: (x, y) of each landmark in pixels of the square, in the order of `Face.landmarks`.
        size: Side of the square, in pixels.
        antialias: See `warp`.
        border: See `warp`.

    Example:
        >>> EYES_AND_MOUTH = LandmarkCrop("mine", ((30, 40), (66, 40), (48, 58), (34, 76), (62, 76)), size=96)
        >>> EYES_AND_MOUTH == LandmarkCrop("other name", EYES_AND_MOUTH.points, size=96)
        True
    """

    name: str = field(compare=False)
    points: tuple[Point, ...]
    size: int
    antialias: bool = True
    border: Colour | None = (0, 0, 0)

    def matrix(self, face: Face) -> Matrix:
        """Matrix from photo points to points of the square.

        Args:
            face: The face; its landmarks are (5, 2) float32 in photo pixels.

        Returns:
            (2, 3) float32.

        Raises:
            DegenerateFace: The landmarks coincide or are not finite.
        """
        fitted: Matrix = similarity(face.landmarks[None], np.array([self.points]))[0]
        return fitted

    def cut(self, pixels: Pixels, matrix: Matrix) -> Pixels:
        """Cut the square.

        Args:
            pixels: (H, W, 3) uint8 RGB, the photo.
            matrix: (2, 3) float, from photo points to points of the square.

        Returns:
            (size, size, 3) uint8 RGB.
        """
        return warp(pixels, matrix, self.size, antialias=self.antialias, border=self.border)


@dataclass(frozen=True)
class BoxCrop:
    """An upright square around the middle of the face's box.

    Attributes:
        scale: Side of the square in units of the box's longer side.
        size: Side of the square, in pixels.
        antialias: See `warp`.
        border: See `warp`.

    Example:
        >>> from text2face_core.records import Face
        >>> face = Face(np.array([10, 20, 18, 28], np.float32), np.zeros((5, 2), np.float32), 1.0)
        >>> BoxCrop(scale=1.0, size=8).matrix(face).tolist()  # a slice: pixels[20:28, 10:18]
        [[1.0, 0.0, -10.0], [0.0, 1.0, -20.0]]
    """

    scale: float
    size: int
    antialias: bool = True
    border: Colour | None = (0, 0, 0)

    def matrix(self, face: Face) -> Matrix:
        """Matrix from photo points to points of the square.

        Args:
            face: The face; its box is (4,) float32 x0 y0 x1 y1 in photo pixels.

        Returns:
            (2, 3) float32.

        Raises:
            DegenerateFace: The box has no extent.
        """
        if not (face.size * self.scale > SMALLEST_SPREAD and np.isfinite(face.box).all()):
            raise DegenerateFace(f"the face's box has no extent: {face.box.tolist()}")
        zoom = self.size / (face.size * self.scale)
        x = (float(face.box[0]) + float(face.box[2])) / 2 - 0.5
        y = (float(face.box[1]) + float(face.box[3])) / 2 - 0.5
        middle = (self.size - 1) / 2
        return np.array([[zoom, 0, middle - zoom * x], [0, zoom, middle - zoom * y]], np.float32)

    def cut(self, pixels: Pixels, matrix: Matrix) -> Pixels:
        """Cut the square.

        Args:
            pixels: (H, W, 3) uint8 RGB, the photo.
            matrix: (2, 3) float, from photo points to points of the square.

        Returns:
            (size, size, 3) uint8 RGB.
        """
        return warp(pixels, matrix, self.size, antialias=self.antialias, border=self.border)


def crops(portraits: Sequence[Portrait], how: Crop) -> Pixels:
    """Cut the same crop out of each portrait.

    Args:
        portraits: N portraits.
        how: The crop, such as a LandmarkCrop.

    Returns:
        (N, size, size, 3) uint8 RGB.

    Raises:
        DegenerateFace: One of the portraits cannot be aligned.
    """
    stack = np.empty((len(portraits), how.size, how.size, 3), np.uint8)
    for place, portrait in zip(stack, portraits, strict=True):
        place[:] = portrait.crop(how)
    return stack
