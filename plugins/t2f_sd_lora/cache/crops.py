"""Crop and resize pictures to a training size: the largest centred part of its shape, mirrored if wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from text2face_core.records import Pixels


class Size(NamedTuple):
    """Width and height, in pixels."""

    width: int
    height: int


def buckets(resolution: int, aspect: float = 1.0, step: int = 64) -> tuple[Size, ...]:
    """The sizes that pictures are cropped to: the square of `resolution` first, then wider and taller ones.

    aspect: the largest ratio of the longer side to the shorter; 1 gives the square alone. Sides are multiples of
    `step`, and no size has more pixels than the square, so that memory for the square is enough for all.

    >>> buckets(256, aspect=1.5)
    (Size(width=256, height=256), Size(width=192, height=256), Size(width=256, height=192))
    """
    square = Size(resolution, resolution)
    sizes = set()
    for side in range(step, resolution + 1, step):
        other = min(resolution**2 // side, int(side * aspect)) // step * step
        if other > side or (other == side and side == resolution):
            sizes |= {Size(side, other), Size(other, side)}
    # A smaller size of the same shape as another would only waste pixels.
    kept = [one for one in sizes if one.width * one.height > 0.7 * resolution**2 and one != square]
    return square, *sorted(kept)


def nearest(width: int, height: int, sizes: Sequence[Size]) -> int:
    """The index of the size whose shape is nearest to the picture's; if several are, the first."""
    shape = math.log(width / height)
    return min(range(len(sizes)), key=lambda number: abs(shape - math.log(sizes[number].width / sizes[number].height)))


def crop_picture(pixels: Pixels, size: Size, *, flip: bool = False) -> Pixels:
    """The largest centred part of the wanted shape, at the wanted size: (height, width, 3) uint8 RGB.

    Smaller: the mean of the area under each pixel; larger: cubic. OpenCV does either in a third of
    the time of a Lanczos filter.
    """
    import cv2

    height, width = pixels.shape[:2]
    scale = min(width / size.width, height / size.height)
    part_width, part_height = (
        max(1, min(round(side * scale), all_)) for side, all_ in zip(size, (width, height), strict=True)
    )
    x0, y0 = (width - part_width) // 2, (height - part_height) // 2
    part = pixels[y0 : y0 + part_height, x0 : x0 + part_width]
    if (part_width, part_height) != size:
        how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
        part = np.asarray(cv2.resize(np.ascontiguousarray(part), size, interpolation=how), np.uint8)
    return np.ascontiguousarray(part[:, ::-1] if flip else part)
