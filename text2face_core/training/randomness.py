"""Random choices of training, each a function of its purpose.

A choice depends only on (seed, epoch, number of the sample in the data set): not on the batch, the number of
processes, the device, or how often training was stopped. So a resumed training has no random state to restore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..utils import stream_seed

if TYPE_CHECKING:
    import torch

Indices = npt.NDArray[np.int64]


def shuffle_epoch(seed: int, epoch: int, n: int) -> Indices:
    """The samples of an epoch, (n,) int64: every number below n once, all orders equally likely."""
    return _shuffled(stream_seed(seed, "order", epoch), n)


def choose_held_out(seed: int, n: int, count: int, among: Indices | None = None) -> Indices:
    """(count,) int64, ascending: samples that validation keeps from training; the same in every epoch.

    among: the samples of all n that may be chosen. When a sample is lost, the others are chosen as before, so that a
    resumed training never learns from the photos that it was validated on.
    """
    shuffled = _shuffled(stream_seed(seed, "held out"), n)
    return np.sort((shuffled if among is None else shuffled[np.isin(shuffled, among)])[:count])


def _shuffled(seed: int, n: int) -> Indices:
    return np.random.Generator(np.random.Philox(key=seed)).permutation(n)


@dataclass(frozen=True, slots=True)
class SampleRandom:
    """The random choices for sample `index` in `epoch`; each method gives the same result at every call."""

    seed: int
    epoch: int
    index: int

    def choose_caption(self, styles: Sequence[str], shares: Mapping[str, float] | None = None) -> int:
        """Which of the sample's captions to use, given their styles; without `shares` each is equally likely.

        shares: how often each style is to be used (RECAP, arXiv 2310.16656: short and long half and half), as weights
        that need not add up to 1. The style is drawn first, among those that the sample has, then a caption of it.
        Styles without a share count only when the sample has no other.

        >>> SampleRandom(0, 0, 5).choose_caption(["short", "long", "long"], {"short": 1.0})
        0
        """
        if not styles:
            raise ValueError(f"sample {self.index} has no caption to choose from")
        weights = {style: max((shares or {}).get(style, 0.0), 0.0) for style in dict.fromkeys(styles)}
        total = sum(weights.values())
        if total <= 0:
            return int(self._uniform("caption") * len(styles))
        # The last style with a weight is taken even when rounding leaves `reached` a little short of 1.
        wanted, reached, chosen = self._uniform("style") * total, 0.0, ""
        for style, weight in weights.items():
            if weight > 0:
                chosen, reached = style, reached + weight
                if wanted < reached:
                    break
        numbers = [number for number, style in enumerate(styles) if style == chosen]
        return numbers[int(self._uniform("caption") * len(numbers))]

    def drops_caption(self, probability: float) -> bool:
        """Whether the empty caption replaces the caption, for classifier-free guidance."""
        return self._uniform("dropout") < probability

    def flips(self, probability: float = 0.5) -> bool:
        """Whether the picture is mirrored."""
        return self._uniform("flip") < probability

    def choose_timestep(self, count: int) -> int:
        """One of `count` diffusion timesteps, all equally likely."""
        return int(self._uniform("timestep") * count)

    def latent_noise(self, shape: Sequence[int]) -> torch.Tensor:
        """Standard normal, float32 on the CPU, with which a latent is sampled from its mean and standard deviation."""
        return self._normal("latent", shape)

    def noise(self, shape: Sequence[int]) -> torch.Tensor:
        """Standard normal, float32 on the CPU: the noise of diffusion."""
        return self._normal("noise", shape)

    def noise_offset(self, channels: int) -> torch.Tensor:
        """(channels, 1, 1) standard normal, float32 on the CPU: what noise offset adds to each channel as a whole."""
        return self._normal("offset", (channels, 1, 1))

    def _uniform(self, purpose: str) -> float:
        # 53 bits, so that the largest is still below 1.
        return (stream_seed(self.seed, "draw", self.epoch, self.index, purpose) >> 11) / (1 << 53)

    def _normal(self, purpose: str, shape: Sequence[int]) -> torch.Tensor:
        # Torch's generator is three times as fast as NumPy's and takes 2 µs to seed. It uses 32 bits of the seed, so
        # about one in a billion pairs of samples shares its noise.
        import torch

        seed = stream_seed(self.seed, "draw", self.epoch, self.index, purpose)
        return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed))
