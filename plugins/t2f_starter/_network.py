"""The network in ONNX Runtime: from crops to regions and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from text2face_core.images import crops
from text2face_core.models import session

from .signature import FIGURES, framing

if TYPE_CHECKING:
    from text2face_core.records import Pixels, Portrait

BATCH = 8
"""Crops per batch: more do not fit into a core's cache and take longer each."""


class Network:
    """Regions and figures of aligned crops."""

    def __init__(self, weights: Path, threads: int) -> None:
        self._session: Any = session(weights, threads)
        self.crop = framing()

    def __call__(self, portraits: Sequence[Portrait]) -> list[tuple[npt.NDArray[np.uint8], dict[str, float]]]:
        """Regions (S, S) uint8 of `Region` and figures by name, of each portrait."""
        rows = []
        for start in range(0, len(portraits), BATCH):
            regions, figures = self.read(crops(portraits[start : start + BATCH], self.crop))
            rows += [
                (mask, dict(zip(FIGURES, (float(figure) for figure in row), strict=True)))
                for mask, row in zip(regions, figures, strict=True)
            ]
        return rows

    def read(self, pixels: Pixels) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Regions (N, S, S) uint8 and figures (N, len(FIGURES)) float32, 0 to 1, of (N, S, S, 3) uint8 RGB crops."""
        regions, figures = self._session.run(["regions", "figures"], {"pixels": np.ascontiguousarray(pixels)})
        return regions, figures
