"""What a step computes on: latents, noise, steps of noise and tokens, made ahead while the device is busy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from . import randomness as _draws
from .loss import with_offset

if TYPE_CHECKING:
    from ..cache.tokens import TokenCache
    from ..options import SdLoraOptions
    from .randomness import Draws
    from .sampler import Seen


class Moments(Protocol):
    """Where latents come from: a cache, or the VAE itself."""

    def moments(self, indices: Sequence[int], flips: Sequence[bool]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and spread of each sample's latents, (N, 4, h, w) float32 each."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """latents, noise: (N, 4, h, w) float32. steps: (N,) int64. tokens: (N, 77) int64."""

    latents: torch.Tensor
    noise: torch.Tensor
    steps: torch.Tensor
    tokens: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on another device, without waiting for it."""
        if device.type == "cpu":
            return self
        tensors = (self.latents, self.noise, self.steps, self.tokens)
        if device.type == "cuda":
            tensors = tuple(one.pin_memory() for one in tensors)  # type: ignore[assignment]
        return Batch(*(one.to(device, non_blocking=True) for one in tensors))


class Feed:
    """Makes batches of what is drawn for each sample."""

    def __init__(
        self, moments: Moments, tokens: TokenCache, options: SdLoraOptions, seed: int, *, scale: float, noise_steps: int
    ) -> None:
        self._moments = moments
        self._tokens = tokens
        self._options = options
        self._seed = seed
        self._scale = scale
        self._noise_steps = noise_steps

    def batch(self, seen: Sequence[Seen]) -> Batch:
        """The samples as training sees them."""
        options = self._options
        draws = [_draws.of(self._seed, one.epoch, one.index) for one in seen]
        flips = [options.flip and one.flip() for one in draws]
        steps = [one.timestep(self._noise_steps) for one in draws]
        tokens = [self._caption(one) for one in draws]
        return self._make(draws, flips, steps, tokens)

    def exam(self, indices: Sequence[int], steps: Sequence[int], round_: int) -> Batch:
        """Samples as validation sees them, always alike: first caption, not mirrored, at these steps of noise."""
        draws = [_draws.of(self._seed, -1 - round_, index) for index in indices]
        tokens = [self._tokens.ids(index, 0) for index in indices]
        return self._make(draws, [False] * len(draws), steps, tokens)

    def _caption(self, draws: Draws) -> torch.Tensor:
        if draws.dropped(self._options.caption_dropout):
            return self._tokens.empty
        number = draws.caption(self._tokens.styles(draws.index), self._options.styles or None)
        return self._tokens.ids(draws.index, number)

    def _make(
        self, draws: Sequence[Draws], flips: Sequence[bool], steps: Sequence[int], tokens: Sequence[torch.Tensor]
    ) -> Batch:
        mean, spread = self._moments.moments([one.index for one in draws], flips)
        shape = mean.shape[1:]
        latents = (mean + spread * torch.stack([one.latent(shape) for one in draws])) * self._scale
        noise = torch.stack([one.noise(shape) for one in draws])
        offsets = [one.offset(shape[0]) for one in draws] if self._options.noise_offset else []
        noise = with_offset(noise, offsets, self._options.noise_offset)
        return Batch(latents, noise, torch.tensor(list(steps)), torch.stack(list(tokens)))


def ahead(feed: Feed, parts: Iterable[list[list[Seen]]], count: int = 2) -> Iterator[list[Batch]]:
    """The batches of each step, `count` steps ahead of who takes them, in a thread of their own."""
    source = iter(parts)
    with ThreadPoolExecutor(1, "t2f-feed") as pool:
        waiting = [pool.submit(_all, feed, part) for _, part in zip(range(count), source, strict=False)]
        try:
            while waiting:
                yield waiting.pop(0).result()
                if (part := next(source, None)) is not None:
                    waiting.append(pool.submit(_all, feed, part))
        finally:
            for one in waiting:
                one.cancel()


def _all(feed: Feed, part: list[list[Seen]]) -> list[Batch]:
    return [feed.batch(one) for one in part]
