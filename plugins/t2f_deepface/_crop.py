"""The crop that DeepFace's networks expect: the detector's box, eyes level, on black."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from text2face_core.errors import DegenerateFace
from text2face_core.images import Matrix, crops, warp

if TYPE_CHECKING:
    from text2face_core import Face, Portrait
    from text2face_core.records import Pixels


@dataclass(frozen=True)
class LevelBox:
    """A square as large as the longer side of the face's box, turned about its middle until the eyes are level."""

    size: int = 224

    def matrix(self, face: Face) -> Matrix:
        """(2, 3) float32, photo points to points of the square.

        Raises DegenerateFace where the box has no extent or the eyes coincide.
        """
        x, y = (float(one) for one in face.landmarks[1] - face.landmarks[0])
        distance, longest = math.hypot(x, y), face.size
        if not (distance > 1e-3 and longest > 1e-3 and math.isfinite(distance * longest)):
            raise DegenerateFace(f"the eyes coincide or the box has no extent: {face.landmarks[:2]}, {face.box}")
        zoom = self.size / longest
        a, b = zoom * x / distance, zoom * y / distance
        turn = np.array([[a, b], [-b, a]])
        # Boxes run along the edges of pixels, half a pixel outside their centres.
        middle = (face.box[:2].astype(np.float64) + face.box[2:]) / 2 - 0.5
        shift = (self.size - 1) / 2 - turn @ middle
        return np.column_stack([turn, shift]).astype(np.float32)

    def cut(self, pixels: Pixels, matrix: Matrix) -> Pixels:
        """The square, (size, size, 3) uint8 RGB."""
        return warp(pixels, matrix, self.size)


CROP = LevelBox()


def inputs(portraits: Sequence[Portrait]) -> np.ndarray:
    """What the networks see: (N, 224, 224, 3) float32, BGR in [0, 1], black outside the box."""
    stack = crops(portraits, CROP)
    for one, portrait in zip(stack, portraits, strict=True):
        width, height = (float(side) for side in portrait.face.box[2:] - portrait.face.box[:2])
        across = _bars(width / portrait.face.size)
        down = _bars(height / portrait.face.size)
        one[:, : across.start] = one[:, across.stop :] = 0
        one[: down.start] = one[down.stop :] = 0
    return stack[..., ::-1].astype(np.float32) / np.float32(255)


def _bars(share: float) -> slice:
    """Position, along a side of the square, of the box that takes up `share` of it, as DeepFace counts.

    >>> _bars(0.75)
    slice(28, 196, None)
    """
    inside = int(share * CROP.size + 1e-3)
    before = (CROP.size - inside) // 2
    return slice(before, before + inside)
