"""Sample styles: integrate the velocity field from noise at time 0 to styles at time 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .network import StyleFlow

LIMIT = 3.5
"""Largest whitened coordinate: standard deviations of the generator's styles."""
RADIUS = 0.9
"""Largest length of a whitened style, in multiples of the typical length (the root of the number of axes)."""


@torch.no_grad()
def sample_styles(
    network: StyleFlow,
    noise: torch.Tensor,
    pieces: torch.Tensor,
    negative: torch.Tensor | None,
    *,
    steps: int,
    guidance: float,
    radius: float = RADIUS,
    on_step: Callable[[], None] | None = None,
) -> torch.Tensor:
    """Whitened styles, (N, axes), of texts.

    noise: (N, axes) standard normal. pieces: (N, L). negative: (N, L) of negative prompts; None for no text.
    steps: of Euler's method. guidance: 1 for what texts say as it is, more to stress it.

    At each step the style that the velocity leads to is kept within the generator's own styles: guidance changes its
    direction and not its length (Lin et al., WACV 2024, rescale images likewise), and coordinates and length are
    limited. Strong guidance towards rare words would leave the space, and the generator would then draw no face.
    """
    said = torch.ones(len(noise), dtype=torch.bool)
    with_text = network.condition(pieces, said)
    if guidance == 1:
        without = with_text
    elif negative is None:
        without = network.unsaid.expand_as(with_text)
    else:
        without = network.condition(negative, (negative != 0).any(dim=1))
    longest = radius * math.sqrt(noise.shape[1])
    z = noise
    for step in range(steps):
        time = torch.full((len(z),), step / steps)
        left = 1 - step / steps
        aim = z + left * network.flow(z, time, with_text)
        if guidance != 1:
            plain = z + left * network.flow(z, time, without)
            length = aim.norm(dim=1, keepdim=True)
            aim = plain + guidance * (aim - plain)
            aim = aim * (length / aim.norm(dim=1, keepdim=True))
        aim = aim.clamp(-LIMIT, LIMIT)
        aim = aim * (longest / aim.norm(dim=1, keepdim=True)).clamp(max=1)
        z = z + (aim - z) / (steps - step)
        if on_step:
            on_step()
    return z
