"""The descriptor as a space of identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from text2face_core import Embedder

from ._network import CROP, Network

if TYPE_CHECKING:
    from text2face_core.records import Pixels


class Identity(Embedder):
    """faceres' descriptor, 1,024 numbers that are 0 or more.

    On 100 synthetic portraits, cosines of strangers are 0.44 ± 0.11 (99.9 %: 0.80), and of the same picture after
    damage 0.963 (lowest 0.92): strangers are far from 0, so that only differences of cosines mean something.
    """

    space = "faceres 1024-d"
    purpose: Literal["identity"] = "identity"
    crop = CROP

    def __init__(self, network: Network) -> None:
        self._network = network

    def embed(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Embed squares of 224 px."""
        return self._network(np.stack(images)).descriptor
