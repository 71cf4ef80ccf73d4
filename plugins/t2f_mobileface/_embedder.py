"""The network on aligned faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from text2face_core import Embedder, LandmarkCrop
from text2face_core.models import CONVERSION, convert_tfjs, converted, session

from . import GRAPH, WEIGHTS

if TYPE_CHECKING:
    from text2face_core import Runtime
    from text2face_core.records import Pixels

POINTS = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
"""ArcFace's alignment of the five landmarks, 112 px (Deng et al., CVPR 2019)."""
LARGEST_BATCH = 64


class MobileFace(Embedder):
    """256 numbers; the network itself subtracts 127.5 and divides by 128."""

    space = "mobileface 256-d"
    purpose: Literal["identity"] = "identity"
    crop = LandmarkCrop("arcface_112", POINTS, 112)

    def __init__(self, runtime: Runtime) -> None:
        graph, weights = (runtime.models.path(artifact) for artifact in (GRAPH, WEIGHTS))
        content = converted(
            runtime.models,
            f"mobileface {CONVERSION}",
            [graph, weights],
            lambda: convert_tfjs(graph, weights, {"vectors": "batchnorm0/add_1"}),
        )
        self._session = session(content, runtime.threads)

    def embed(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Embed squares of 112 px."""
        squares = np.stack(images).astype(np.float32)
        starts = range(0, len(squares), LARGEST_BATCH)
        parts = [self._session.run(None, {"data": squares[at : at + LARGEST_BATCH]})[0] for at in starts]
        return np.concatenate(parts)
