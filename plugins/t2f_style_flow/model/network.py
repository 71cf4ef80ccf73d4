"""The networks: a text encoder, and a velocity field over whitened styles that the text steers.

Flow matching (Lipman et al., ICLR 2023; Liu et al., ICLR 2023): on the straight path
z(t) = (1 - t) noise + t style, the network predicts the velocity style - noise. Classifier-free guidance: Ho and
Salimans 2022.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from .words import PAD


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the networks.

    Attributes:
        vocabulary: Word pieces.
        pairs: Buckets into which pairs of neighbouring pieces are hashed.
        words: Width of an embedding.
        axes: Principal axes of the style space.
        width: Width of the residual blocks.
        blocks: How many there are.
    """

    vocabulary: int
    pairs: int = 8192
    words: int = 192
    axes: int = 256
    width: int = 384
    blocks: int = 4

    def plain(self) -> dict[str, int]:
        """As JSON."""
        return asdict(self)


class TextEncoder(nn.Module):
    """Sums of the embeddings of pieces and of pairs of neighbours, through two layers.

    Much cheaper than a transformer, and enough for captions of this kind: pairs bind "gray" to "hair" or to "beard".
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.pairs = sizes.pairs
        self.piece = nn.EmbeddingBag(sizes.vocabulary, sizes.words, mode="sum", padding_idx=PAD)
        self.pair = nn.EmbeddingBag(sizes.pairs, sizes.words, mode="sum", padding_idx=PAD)
        self.inner = nn.Linear(2 * sizes.words, sizes.width)
        self.outer = nn.Linear(sizes.width, sizes.width)
        for bag in (self.piece, self.pair):
            nn.init.normal_(bag.weight, std=0.5 / math.sqrt(8))
            with torch.no_grad():
                bag.weight[PAD] = 0

    def forward(self, pieces: torch.Tensor) -> torch.Tensor:
        """(N, L) int64, padded with 0 -> (N, width)."""
        left, right = pieces[:, :-1], pieces[:, 1:]
        hashed = (left * 1_000_003 + right * 8_191) % (self.pairs - 1) + 1
        hashed = torch.where((left == PAD) | (right == PAD), torch.zeros_like(hashed), hashed)
        bags = torch.cat([self.piece(pieces), self.pair(hashed)], dim=1)
        return self.outer(nn.functional.silu(self.inner(bags)))


class Block(nn.Module):
    """A residual block, scaled, shifted and gated by the condition (adaptive normalisation; Peebles and Xie 2023)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.adapt = nn.Linear(width, 2 * width)
        self.inner = nn.Linear(width, width)
        self.drop = nn.Dropout(0.1)
        self.outer = nn.Linear(width, width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """(N, width) each."""
        scale, shift = self.adapt(condition).chunk(2, dim=1)
        inner = self.norm(x) * (1 + scale) + shift
        return x + self.outer(self.drop(nn.functional.silu(self.inner(inner))))


def gaussian_velocity(styles: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """(N, axes): the best prediction of the velocity if styles were normally distributed and no text was known.

    E[style - noise | z(t)] = (2t - 1) / (t² + (1 - t)²) z(t), for independent standard normal style and noise.
    """
    return ((2 * times - 1) / (times**2 + (1 - times) ** 2))[:, None] * styles


class VelocityField(nn.Module):
    """Velocities of whitened styles, given their time and a condition.

    The network learns how the velocity differs from `gaussian_velocity`: what texts say, and how styles are not normal.
    So an untrained network draws faces already.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.time = nn.Linear(64, sizes.width)
        self.enter = nn.Linear(sizes.axes, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes.width) for _ in range(sizes.blocks))
        self.leave = nn.Linear(sizes.width, sizes.axes)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("frequencies", torch.exp(torch.linspace(0, math.log(400.0), 32)), persistent=False)

    def forward(self, styles: torch.Tensor, times: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """(N, axes), (N,), (N, width) -> (N, axes)."""
        angles = times[:, None] * self.frequencies
        steer = nn.functional.silu(self.time(torch.cat([angles.sin(), angles.cos()], dim=1)) + condition)
        x = self.enter(styles)
        for block in self.blocks:
            x = block(x, steer)
        return gaussian_velocity(styles, times) + self.leave(nn.functional.layer_norm(x, x.shape[1:]))


class StyleFlow(nn.Module):
    """Text encoder and velocity field in a single module."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.text_encoder = TextEncoder(sizes)
        self.flow = VelocityField(sizes)
        self.unsaid = nn.Parameter(torch.zeros(sizes.width))

    def condition(self, pieces: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        """(N, width): of texts, (N, L) int64; where `said`, (N,) bool, is false, that of no text."""
        return torch.where(said[:, None], self.text_encoder(pieces), self.unsaid)

    def forward(
        self, styles: torch.Tensor, times: torch.Tensor, pieces: torch.Tensor, said: torch.Tensor
    ) -> torch.Tensor:
        """Velocities, (N, axes), of whitened styles (N, axes) at times (N,) in 0 to 1."""
        answer: torch.Tensor = self.flow(styles, times, self.condition(pieces, said))
        return answer


def count_parameters(network: Any) -> int:
    """How many numbers are learned."""
    return sum(one.numel() for one in network.parameters())
