"""Latents without a cache: read, crop and encode a picture each time it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..model.vae import encode_pictures
from .crops import Size, crop_picture

if TYPE_CHECKING:
    import torch

    from text2face_core.contracts import CaptionedDataset


class UncachedLatents:
    """The same interface as `LatentCache`, and the same numbers up to its rounding."""

    def __init__(self, dataset: CaptionedDataset, vae: Any, size: Size) -> None:
        self._dataset = dataset
        self._vae = vae
        self._size = size

    def moments(self, indices: Sequence[int], flips: Sequence[bool]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation, (N, 4, h, w) float32 each."""
        chosen = zip(indices, flips, strict=True)
        pictures = [crop_picture(self._dataset[index].read(), self._size, flip=flip) for index, flip in chosen]
        return encode_pictures(self._vae, pictures)
