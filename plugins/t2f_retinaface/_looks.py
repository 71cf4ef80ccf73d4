"""What the network is shown of a photo, and the way back to photo pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from text2face_core.records import Pixels

    from . import Order

MEANS = np.array([104, 117, 123], np.float32)
"""Subtracted from the first, second and third channel that the network sees: blue, green and red in its training."""

STEP = 64
"""Sides of canvases are multiples of this: of the network's coarsest cells, and few different sizes for a GPU."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a photo of a given size is shown to the network: shrunk, at the top left of a canvas or framed.

    photo, size, canvas: width and height in pixels, of the photo, of the photo as shown, of the whole.
    frame: pixels left empty above and to the left, and at least as many below and to the right.
    """

    photo: tuple[int, int]
    size: tuple[int, int]
    canvas: tuple[int, int]
    frame: int

    @classmethod
    def at(cls, image: Pixels, longest_side: int, *, framed: bool = False) -> Look:
        """The look that shrinks the photo's longer side to `longest_side`, if it is longer.

        framed: leave half of what the longer side is shown with empty all around.
        The canvas follows from the photo alone, so that what is found does not depend on the rest of a batch.
        """
        height, width = image.shape[:2]
        zoom = min(1.0, longest_side / max(height, width))
        size = max(1, round(width * zoom)), max(1, round(height * zoom))
        frame = -(-max(size) // 2) if framed else 0
        across, down = (-(-(side + 2 * frame) // STEP) * STEP for side in size)
        return cls((width, height), size, (across, down), frame)

    def show(self, image: Pixels, order: Order) -> npt.NDArray[np.float32]:
        """(3, H, W) float32 of the canvas: the photo's colours less the means, zero where no photo is."""
        colours = resized(image, self.size)
        if order == "bgr":
            colours = colours[..., ::-1]
        canvas = np.zeros((3, self.canvas[1], self.canvas[0]), np.float32)
        (width, height), start = self.size, self.frame
        place = canvas[:, start : start + height, start : start + width]
        np.subtract(colours.transpose(2, 0, 1), MEANS[:, None, None], out=place)
        return canvas

    def to_photo(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Points of the canvas, (..., 2) float32, in photo pixels.

        As in every implementation the network's pixels are multiplied, without regard to where in a pixel it counts
        from; on photos shrunk to as little as a quarter no such shift was to be seen (-0.14 ± 0.19 network pixels).
        """
        zooms = np.array(self.size, np.float32) / np.array(self.photo, np.float32)
        return np.asarray((points - np.float32(self.frame)) / zooms, np.float32)


def resized(image: Pixels, size: tuple[int, int]) -> Pixels:
    """The photo in that width and height; first halved as often as it can be, for speed."""
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
