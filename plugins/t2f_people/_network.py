"""The network in ONNX Runtime: from portraits to raw figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from text2face_core.models import session

from .signature import framing

if TYPE_CHECKING:
    from text2face_core.records import Pixels, Portrait

BATCH = 8
"""Crops per batch, not counting mirror images: more do not fit into a core's cache and take longer each."""

Values = npt.NDArray[np.float64]


class Figures(NamedTuple):
    """The network's outputs for N faces, before calibration.

    bands: (N, 9) logits of FairFace's age bands. years: (N, 2) centre and scale of a logistic distribution of the age.
    gender: (N,) logit of "male". race: (N, 7) logits in the order of RACES. looks: (N, 7) logits in the order of LOOKS.
    """

    bands: Values
    years: Values
    gender: Values
    race: Values
    looks: Values


class Network:
    """Raw figures of aligned crops, optionally averaged with those of their mirror images."""

    def __init__(self, weights: Path, threads: int, *, mirror: bool) -> None:
        self._session: Any = session(weights, threads)
        self._mirror = mirror
        self.crop = framing()

    def __call__(self, portraits: Sequence[Portrait]) -> Figures:
        """Figures of each portrait. Raises DegenerateFace for unusable landmarks."""
        parts = [
            self.read(np.stack([portrait.crop(self.crop) for portrait in portraits[start : start + BATCH]]))
            for start in range(0, len(portraits), BATCH)
        ]
        return Figures(*(np.concatenate(rows) for rows in zip(*parts, strict=True)))

    def read(self, pixels: Pixels) -> Figures:
        """Figures of (N, SIDE, SIDE, 3) uint8 RGB crops, N at least 1."""
        images = np.concatenate([pixels, pixels[:, :, ::-1]]) if self._mirror else pixels
        rows = self._session.run(list(Figures._fields), {"pixels": np.ascontiguousarray(images)})
        # Whether a face or its mirror image comes first makes no difference to the mean.
        return Figures(*(row.astype(np.float64).reshape(-1, len(pixels), *row.shape[1:]).mean(axis=0) for row in rows))
