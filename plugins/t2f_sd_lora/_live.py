"""Latents without a cache: each picture is read, cut and encoded whenever it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._crops import Size, cut
from ._vae import encode

if TYPE_CHECKING:
    import torch

    from text2face_core.contracts import CaptionedDataset


class LiveMoments:
    """The same numbers as `LatentCache` gives, up to the rounding of what it keeps."""

    def __init__(self, dataset: CaptionedDataset, vae: Any, size: Size) -> None:
        self._dataset = dataset
        self._vae = vae
        self._size = size

    def moments(self, indices: Sequence[int], flips: Sequence[bool]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation, (N, 4, h, w) float32 each."""
        chosen = zip(indices, flips, strict=True)
        pictures = [cut(self._dataset[index].read(), self._size, flip=flip) for index, flip in chosen]
        return encode(self._vae, pictures)
