"""The network: from squares around the face to age, gender and a descriptor of identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from text2face_core.images import BoxCrop
from text2face_core.models import CONVERSION, convert_tfjs, converted, session

from . import GRAPH, WEIGHTS

if TYPE_CHECKING:
    from text2face_core import Runtime
    from text2face_core.records import Pixels

CROP = BoxCrop(scale=1.3, size=224, border=None)
"""Sides of 1.2 to 1.4 boxes do alike; a crop of the bare box costs some points of gender."""
MEAN_COLOUR = np.array([103.939, 116.779, 123.68], np.float32)
"""Blue, green, red: what Caffe's VGG networks subtract. The package in whose files the network comes feeds it RGB
without this, which costs eleven points of gender on FairFace."""
OUTPUTS = {"age": "age_pred/Softmax", "male": "gender_pred/Sigmoid", "descriptor": "global_pooling/Mean"}
LARGEST_BATCH = 32

Values = npt.NDArray[np.float32]


class Figures(NamedTuple):
    """What the network gives for N faces.

    Attributes:
        years: (N, 100) probabilities of 1 to 100 years.
        male: (N,) probability.
        descriptor: (N, 1024), 0 or more; similar for the same person.
    """

    years: Values
    male: Values
    descriptor: Values


class Network:
    """faceres on crops of `CROP`."""

    def __init__(self, loaded: Any) -> None:
        self._session = loaded

    @classmethod
    def load(cls, runtime: Runtime) -> Network:
        """Convert the published files, once, and open the result."""
        graph, weights = (runtime.models.path(artifact) for artifact in (GRAPH, WEIGHTS))
        content = converted(
            runtime.models,
            f"faceres {CONVERSION}",
            [graph, weights],
            lambda: convert_tfjs(graph, weights, OUTPUTS),
        )
        return cls(session(content, runtime.threads))

    def __call__(self, squares: Pixels) -> Figures:
        """Run on (N, 224, 224, 3) uint8 RGB."""
        parts = [
            self._batch(squares[start : start + LARGEST_BATCH])
            for start in range(0, max(1, len(squares)), LARGEST_BATCH)
        ]
        return Figures(*(np.concatenate(rows) for rows in zip(*parts, strict=True)))

    def _batch(self, squares: Pixels) -> Figures:
        colours = squares[..., ::-1].astype(np.float32) - MEAN_COLOUR
        years, male, descriptor = self._session.run(list(OUTPUTS), {"input_1": colours})
        return Figures(years, male[:, 0], descriptor)
