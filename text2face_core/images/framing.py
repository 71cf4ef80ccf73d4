"""Framing of data set images: a square around the face, a free rectangle, or the whole photo; padding past edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..records import Face, Pixels

Shape = Literal["square", "free", "whole"]
Frame = tuple[int, int, int, int]
"""x0 y0 x1 y1 in the photo's pixels, for slicing; may reach past the photo."""

DOWN = 0.1
"""The centre lies this part of the way from the eyes to the mouth, as in FFHQ's alignment (Karras et al. 2019)."""
FADE = 0.1
"""Parts of the frame's side over which padding fades from a mirror image to a blurred one."""
SMALL = 128
"""Longer side, in pixels, of the copy that is blurred."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How much of a photo goes into a data set.

    shape: "square" is a square around the face; "free" is the part of the square that the photo holds, of any aspect
    ratio; "whole" is the whole photo. scale: the square's side in units of the face box's longer side.
    """

    shape: Shape = "square"
    scale: float = 2.0

    def frame(self, width: int, height: int, face: Face) -> Frame:
        """The frame in a photo of width x height pixels.

        The face is in the centre of a square, which may reach past the photo, see `cut_frame`. A square that is
        larger than the photo's shorter side is shrunk to that side. Raises ValueError if no frame is possible.

        >>> face = Face(np.array([10, 20, 30, 40], np.float32), np.zeros((5, 2), np.float32), 1.0)
        >>> Framing("square", 2.0).frame(100, 80, face), Framing("free", 2.0).frame(100, 45, face)
        ((0, 10, 40, 50), (0, 10, 40, 45))
        >>> Framing("square", 3.0).frame(100, 50, face)
        (-5, 0, 45, 50)
        """
        if not (self.scale > 0 and width > 0 and height > 0 and np.isfinite(face.box).all()):
            raise ValueError(
                f"no square of {self.scale} faces can be cut from {width} x {height} pixels around {face.box.tolist()}"
            )
        if self.shape == "whole":
            return 0, 0, width, height
        wanted = max(1, round(face.size * self.scale))
        side = min(wanted, width, height) if self.shape == "square" else wanted
        x0, y0 = (
            0 if side == extent else round(min(max(middle, 0.5), extent - 0.5) - side / 2)
            for middle, extent in zip(face_centre(face), (width, height), strict=True)
        )
        if self.shape == "square":
            return x0, y0, x0 + side, y0 + side
        x0, x1, y0, y1 = max(x0, 0), min(x0 + side, width), max(y0, 0), min(y0 + side, height)
        return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def face_centre(face: Face) -> tuple[float, float]:
    """(x, y) of a face's centre, from its eyes and mouth; that of its box if landmarks are missing or outside of it."""
    eyes, mouth = (points.mean(axis=0, dtype=np.float64) for points in (face.landmarks[:2], face.landmarks[3:]))
    centre = eyes + DOWN * (mouth - eyes)
    low, high = face.box[:2].astype(np.float64), face.box[2:].astype(np.float64)
    usable = np.isfinite(centre).all() and (centre > low).all() and (centre < high).all() and (mouth != eyes).any()
    x, y = centre if usable else (low + high) / 2
    return float(x), float(y)


def cut_frame(pixels: Pixels, frame: Frame) -> Pixels:
    """Cut a frame out of a photo; outside the photo it shows the mirror image, fading to a blurred mirror image.

    pixels: (H, W, 3) uint8 RGB.  Returns (y1 - y0, x1 - x0, 3) uint8.

    This centres a face at the edge without a black bar, and a mirrored eye is not sharp enough to be learned.
    """
    import cv2

    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = frame
    left, top, right, bottom = max(-x0, 0), max(-y0, 0), max(x1 - width, 0), max(y1 - height, 0)
    inside = pixels[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    if not (left or top or right or bottom):
        return inside
    padded = np.asarray(cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REFLECT), np.uint8)
    rows, columns = padded.shape[:2]
    side = max(rows, columns)
    past = np.maximum(_distance(rows, top, bottom)[:, None], _distance(columns, left, right)[None, :])
    blurred = _blurred(padded)
    inner = slice(top, rows - bottom)
    for strip in (
        (slice(0, top), slice(None)),
        (slice(rows - bottom, rows), slice(None)),
        (inner, slice(0, left)),
        (inner, slice(columns - right, columns)),
    ):
        weight = np.clip(past[strip] / (side * FADE), 0, 1)[..., None].astype(np.float32)
        padded[strip] = np.rint(padded[strip] + weight * (blurred[strip].astype(np.float32) - padded[strip]))
    return padded


def _blurred(pixels: Pixels) -> Pixels:
    """The image with a strong blur, computed on a small copy, since nothing of it is sharp."""
    import cv2

    height, width = pixels.shape[:2]
    shrink = min(1.0, SMALL / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(max(size) * FADE / 2, 1.0), borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _distance(length: int, before: int, after: int) -> npt.NDArray[np.int64]:
    """How far each of `length` places lies past the photo, in pixels."""
    places = np.arange(length)
    past: npt.NDArray[np.int64] = np.maximum(np.maximum(before - places, places - (length - 1 - after)), 0)
    return past
