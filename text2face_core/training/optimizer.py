"""AdamW with a learning rate for each group of parameters, learning rate schedules, and averaged weights (EMA)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

    from .options import TrainingOptions


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters by name that share a learning rate."""

    name: str
    parameters: Mapping[str, nn.Parameter]
    rate: float


class GroupedOptimizer:
    """AdamW with a learning rate for each group, and gradient clipping over all of them.

    Attributes:
        named: Every parameter by "group.name".
        parameters: The same, as a list.
        inner: The torch optimizer.
    """

    def __init__(self, groups: Sequence[ParameterGroup], options: TrainingOptions) -> None:
        self._options = options
        self.named = {f"{group.name}.{name}": one for group in groups for name, one in group.parameters.items()}
        self.parameters: list[nn.Parameter] = list(self.named.values())
        self.inner = self.build(
            [{"params": [*group.parameters.values()], "name": group.name, "rate": group.rate} for group in groups],
            {"lr": 0.0, "betas": options.betas, "weight_decay": options.weight_decay, "eps": options.epsilon},
        )

    def build(self, groups: list[dict[str, object]], common: dict[str, object]) -> torch.optim.Optimizer:
        """Make the torch optimizer. common: settings of all groups."""
        kernel = self._options.fused and self.parameters[0].device.type in {"cpu", "cuda"}
        return torch.optim.AdamW(groups, fused=kernel, **common)

    def rates(self, step: int) -> dict[str, float]:
        """The learning rate of each group at `step`, counted from 0."""
        share = rate_factor(step, self._options)
        return {group["name"]: group["rate"] * share for group in self.inner.param_groups}

    def rates_at_peak(self) -> list[float]:
        """The learning rate of each group before its schedule."""
        return [float(group["rate"]) for group in self.inner.param_groups]

    def set_rates(self, step: int) -> dict[str, float]:
        """Set the learning rate of each group for `step`."""
        rates = self.rates(step)
        for group in self.inner.param_groups:
            group["lr"] = rates[group["name"]]
        return rates

    def clip(self) -> torch.Tensor:
        """Clip the norm of all gradients together; returns the norm before clipping."""
        return torch.nn.utils.clip_grad_norm_(self.parameters, self._options.clip or math.inf)


def rate_factor(step: int, options: TrainingOptions) -> float:
    """The factor by which learning rates are multiplied at `step`, counted from 0.

    >>> rate_factor(0, TrainingOptions(schedule="cosine", steps=10))  # doctest: +SKIP
    1.0
    """
    if step < options.warmup:
        return (step + 1) / (options.warmup + 1)
    if options.schedule == "constant":
        return 1.0
    done = min(1.0, (step - options.warmup) / max(1, options.steps - options.warmup))
    return (1 + math.cos(math.pi * done)) / 2 if options.schedule == "cosine" else 1 - done


class WeightAverage:
    """Exponential moving average of the trained weights, in float32.

    The first steps count more, as in Polyak averaging with warm-up: decay min(decay, (1 + step) / (10 + step)).
    """

    def __init__(self, named: dict[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self._live = list(named.values())
        self.named = {name: one.detach().clone() for name, one in named.items()}

    @torch.no_grad()  # type: ignore[untyped-decorator]  # torch is Any here
    def update(self, step: int) -> None:
        """Add the weights after `step`, counted from 1, to the average."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.named.values()), [one.detach() for one in self._live], weight)


@contextlib.contextmanager
def averaged_weights(optimizer: GroupedOptimizer, average: WeightAverage | None) -> Iterator[None]:
    """Replace the weights by their average inside the `with` block; do nothing without an average."""
    if average is None:
        yield
        return
    with torch.no_grad():
        before = {name: one.detach().clone() for name, one in optimizer.named.items()}
        for name, one in optimizer.named.items():
            one.copy_(average.named[name])
    try:
        yield
    finally:
        with torch.no_grad():
            for name, one in optimizer.named.items():
                one.copy_(before[name])
