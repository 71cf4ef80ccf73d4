"""Pixels of any size -> pixels of a training size: the largest centred part of its shape, resized, mirrored or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from text2face_core.records import Pixels


class Size(NamedTuple):
    """Width and height, in pixels."""

    width: int
    height: int


def buckets(resolution: int, aspect: float = 1.0, step: int = 64) -> tuple[Size, ...]:
    """The sizes that pictures are cut to: the square of `resolution` first, then wider and taller ones.

    aspect: the longest side in units of the shortest; 1 gives the square alone. Sides are multiples of `step`, and no
    size has more pixels than the square, so that memory for it is memory for all.

    >>> buckets(256, aspect=1.5)
    (Size(width=256, height=256), Size(width=192, height=256), Size(width=256, height=192))
    """
    square = Size(resolution, resolution)
    sizes = set()
    for side in range(step, resolution + 1, step):
        other = min(resolution**2 // side, int(side * aspect)) // step * step
        if other > side or (other == side and side == resolution):
            sizes |= {Size(side, other), Size(other, side)}
    # A size that another covers with the same shape, or nearly so, only wastes pixels.
    kept = [one for one in sizes if one.width * one.height > 0.7 * resolution**2 and one != square]
    return square, *sorted(kept)


def nearest(width: int, height: int, sizes: Sequence[Size]) -> int:
    """The number of the size whose shape comes nearest to the picture's; of equals the first."""
    shape = math.log(width / height)
    return min(range(len(sizes)), key=lambda number: abs(shape - math.log(sizes[number].width / sizes[number].height)))


def cut(pixels: Pixels, size: Size, *, flip: bool = False) -> Pixels:
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


def batches(
    order: npt.NDArray[np.int64], count: int, bucket: Callable[[int], int] | None = None
) -> Iterator[npt.NDArray[np.int64]]:
    """An epoch's samples in batches of `count`, each of one size; what does not fill a batch is left out.

    order: the samples in the order drawn. bucket: the number of a sample's size. A batch comes when it is full, so the
    order of batches depends on `order` alone.
    """
    waiting: dict[int, list[int]] = {}
    for index in order.tolist():
        group = waiting.setdefault(bucket(index) if bucket else 0, [])
        group.append(index)
        if len(group) == count:
            yield np.array(group, np.int64)
            group.clear()
