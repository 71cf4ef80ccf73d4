"""Batches for the training step: latents, noise, timesteps and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from text2face_core.training import SampleRandom

from .loss import add_noise_offset

if TYPE_CHECKING:
    from text2face_core.training import SampleRef

    from ..cache.tokens import TokenCache
    from ..options import SdLoraOptions


class LatentSource(Protocol):
    """A source of latents: a cache, or the VAE itself."""

    def moments(self, indices: Sequence[int], flips: Sequence[bool]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each sample's latents, (N, 4, h, w) float32 each."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """latents, noise: (N, 4, h, w) float32. timesteps: (N,) int64. tokens: (N, 77) int64."""

    latents: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor
    tokens: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """Copy to another device, without waiting for it."""
        if device.type == "cpu":
            return self
        tensors = (self.latents, self.noise, self.timesteps, self.tokens)
        if device.type == "cuda":
            tensors = tuple(one.pin_memory() for one in tensors)
        return Batch(*(one.to(device, non_blocking=True) for one in tensors))


@dataclass(frozen=True, slots=True)
class BatchLoader:
    """Makes batches from samples and the random choices for each.

    seed: of these choices. scale: the VAE's scaling factor of latents. timesteps: how many the noise schedule has.
    """

    source: LatentSource
    tokens: TokenCache
    options: SdLoraOptions
    seed: int
    scale: float
    timesteps: int

    def load_batch(self, samples: Sequence[SampleRef]) -> Batch:
        """Load samples for training."""
        randoms = [SampleRandom(self.seed, sample.epoch, sample.index) for sample in samples]
        flips = [self.options.flip and one.flips() for one in randoms]
        timesteps = [one.choose_timestep(self.timesteps) for one in randoms]
        tokens = [self._caption(one) for one in randoms]
        return self._make(randoms, flips, timesteps, tokens)

    def load_validation_batch(self, indices: Sequence[int], timesteps: Sequence[int], round_: int) -> Batch:
        """Load samples for validation, always in the same way: first caption, not mirrored, at these timesteps."""
        randoms = [SampleRandom(self.seed, -1 - round_, index) for index in indices]
        tokens = [self.tokens.ids(index, 0) for index in indices]
        return self._make(randoms, [False] * len(randoms), timesteps, tokens)

    def _caption(self, random: SampleRandom) -> torch.Tensor:
        if random.drops_caption(self.options.caption_dropout):
            return self.tokens.empty
        number = random.choose_caption(self.tokens.styles(random.index), self.options.styles or None)
        return self.tokens.ids(random.index, number)

    def _make(
        self,
        randoms: Sequence[SampleRandom],
        flips: Sequence[bool],
        timesteps: Sequence[int],
        tokens: Sequence[torch.Tensor],
    ) -> Batch:
        mean, deviation = self.source.moments([one.index for one in randoms], flips)
        shape = mean.shape[1:]
        latents = (mean + deviation * torch.stack([one.latent_noise(shape) for one in randoms])) * self.scale
        noise = torch.stack([one.noise(shape) for one in randoms])
        offsets = [one.noise_offset(shape[0]) for one in randoms] if self.options.noise_offset else []
        noise = add_noise_offset(noise, offsets, self.options.noise_offset)
        return Batch(latents, noise, torch.tensor(list(timesteps)), torch.stack(list(tokens)))
