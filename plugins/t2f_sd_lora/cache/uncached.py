"""Latents without a cache: each picture is read, cut and encoded whenever it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..model.vae import encode
from .crops import Size, cut

if TYPE_CHECKING:
    import torch

    from .._data import Dataset


class LiveMoments:
    """The same numbers as `LatentCache` gives, up to the rounding of what it keeps."""

    def __init__(self, dataset: Dataset, vae: Any, size: Size) -> None:
        self._dataset = dataset
        self._vae = vae
        self._size = size

    def moments(self, indices: Sequence[int], flips: Sequence[bool]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation, (N, 4, h, w) float32 each."""
        chosen = zip(indices, flips, strict=True)
        pictures = [cut(self._dataset[index].read(), self._size, flip=flip) for index, flip in chosen]
        return encode(self._vae, pictures)
