"""The VAE's encoder: from pictures to mean and standard deviation of their latents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from text2face_core.records import Pixels

if TYPE_CHECKING:
    import torch


def encode_pictures(vae: Any, pictures: Sequence[Pixels]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of the latents, not yet scaled: two of (N, C, H / 8, W / 8), float32, on the CPU.

    pictures: (H, W, 3) uint8 RGB, all of the same size.
    """
    import torch

    with torch.no_grad():
        batch = to_tensor(pictures).to(vae.device, vae.dtype)
        found = vae.encode(batch).latent_dist
        return found.mean.float().cpu(), torch.exp(0.5 * found.logvar.float()).cpu()


def hash_encoder(vae: Any) -> str:
    """A hash of the encoder's weights and their precision, 32 hexadecimal digits."""
    import torch

    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(vae.state_dict().items()):
        if not name.startswith(("decoder.", "post_quant_conv.")):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def latent_stride(vae: Any) -> int:
    """Pixels per latent, along each side."""
    return 1 << (len(vae.config.block_out_channels) - 1)


def to_tensor(pictures: Sequence[Pixels]) -> torch.Tensor:
    """Pictures of the same size -> (N, 3, H, W) float32 from -1 to 1, the VAE's input."""
    import torch

    stacked = torch.from_numpy(np.stack(pictures))
    return stacked.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format) / 127.5 - 1
