"""From photos to emotions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from text2face_core import Extractor, Finding
from text2face_core.images import BoxCrop, Matrix, crops
from text2face_core.models import BATCH, load_weights, network

from ._network import ResidualMaskingNetwork

if TYPE_CHECKING:
    from pathlib import Path

    from text2face_core import Face, Portrait, Runtime
    from text2face_core.records import Pixels

    from . import EmotionOptions

Floats = npt.NDArray[np.float32]

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""In the order of the network's outputs."""

SIDE = 224
LARGEST_BATCH = 8


@dataclass(frozen=True)
class MeanBoxCrop(BoxCrop):
    """An upright square around the middle of the face's box, `scale` times as wide as the mean of the box's sides."""

    def matrix(self, face: Face) -> Matrix:
        """(2, 3) float32, photo points to points of the square. Raises DegenerateFace where the box has no extent."""
        mean = float(face.box[2] - face.box[0] + face.box[3] - face.box[1]) / 2
        share = mean / face.size if face.size > 0 else 1.0
        return BoxCrop(self.scale * share, self.size).matrix(face)


# rmn's square, but where it reaches past the photo the edge is repeated, so that the face keeps its proportions, and
# large faces are averaged as they shrink: those of the training were 48 pixels wide, and held no fine grain.
CROP = MeanBoxCrop(1.1, SIDE, border=None)


class Emotions(Extractor):
    """One emotion, or two where none dominates; the probabilities of all seven in the detail of each.

    Figures are rounded to 0.0001, above the last bits in which sums differ between batches of different size.
    """

    def __init__(self, weights: Path, options: EmotionOptions, runtime: Runtime) -> None:
        self._options = options
        module = load_weights(ResidualMaskingNetwork, weights, what="the residual masking network", key="net")
        self._network = network(
            module, [(BATCH, 3, SIDE, SIDE)], runtime, key="resmasknet 1", outputs=("logits",), batch=LARGEST_BATCH
        )

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """The emotion of each portrait, or its two. Raises DegenerateFace for a face without extent."""
        return [self._findings(row) for row in self.probabilities(portraits)]

    def probabilities(self, portraits: Sequence[Portrait]) -> Floats:
        """(N, 7) float32, in the order of `EMOTIONS`."""
        rows = np.empty((len(portraits), len(EMOTIONS)), np.float32)
        for start in range(0, len(portraits), LARGEST_BATCH):
            some = portraits[start : start + LARGEST_BATCH]
            (logits,) = self._network(inputs(crops(some, CROP)))
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            rows[start : start + len(some)] = powers / powers.sum(axis=1, keepdims=True)
        return rows

    def _findings(self, probabilities: Floats) -> list[Finding]:
        detail = {name: round(p, 4) for name, p in zip(EMOTIONS, probabilities.tolist(), strict=True)}
        first, second = sorted(detail, key=detail.__getitem__, reverse=True)[:2]
        alone = detail[first] >= self._options.dominant or detail[first] - detail[second] >= self._options.margin
        said = [first] if alone else [first, second]
        return [Finding("emotion", name, detail[name], detail=detail) for name in said]


def inputs(chips: Pixels) -> Floats:
    """Gray three times, (N, 3, side, side) float32, 0 to 1, of (N, side, side, 3) uint8 RGB; no mean is taken off."""
    import cv2

    gray = np.stack([cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY) for chip in chips]).astype(np.float32) / np.float32(255)
    return np.repeat(gray[:, None], 3, axis=1)
