"""AdamW with a learning rate for each of two groups, learning rate schedules, and averaged weights (EMA)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from text2face_core.errors import MissingExtra, PluginError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from ..model.adapters import Adapter
    from ..options import SdLoraOptions


class LoraOptimizer:
    """AdamW: a parameter group for each adapter, gradient clipping over both."""

    def __init__(self, unet: Adapter, text_encoder: Adapter | None, options: SdLoraOptions) -> None:
        self._options = options
        parts = [("unet", unet, options.learning_rate)]
        if text_encoder:
            parts.append(("text_encoder", text_encoder, options.text_learning_rate))
        # Lists: a generator would be exhausted by the first reader, and leave nothing to clip.
        self.named = {f"{label}.{name}": one for label, part, _ in parts for name, one in part.named()}
        self.parameters: list[nn.Parameter] = list(self.named.values())
        groups = [
            {"params": [one for _, one in part.named()], "name": label, "rate": rate} for label, part, rate in parts
        ]
        self.inner = _adamw(groups, options)

    def rates(self, step: int) -> dict[str, float]:
        """The learning rate of each group at `step`, counted from 0."""
        share = rate_factor(step, self._options)
        return {group["name"]: group["rate"] * share for group in self.inner.param_groups}

    def set_rates(self, step: int) -> dict[str, float]:
        """Set the learning rate of each group for `step`."""
        rates = self.rates(step)
        for group in self.inner.param_groups:
            group["lr"] = rates[group["name"]]
        return rates

    def clip(self) -> torch.Tensor:
        """Clip the norm of all gradients together; returns the norm before clipping."""
        return torch.nn.utils.clip_grad_norm_(self.parameters, self._options.clip or math.inf)


def rate_factor(step: int, options: SdLoraOptions) -> float:
    """The factor by which learning rates are multiplied at `step`, counted from 0.

    >>> rate_factor(0, SdLoraOptions(schedule="cosine", steps=10))  # doctest: +SKIP
    1.0
    """
    if step < options.warmup:
        return (step + 1) / (options.warmup + 1)
    if options.schedule == "constant":
        return 1.0
    done = min(1.0, (step - options.warmup) / max(1, options.steps - options.warmup))
    return (1 + math.cos(math.pi * done)) / 2 if options.schedule == "cosine" else 1 - done


def _adamw(groups: Sequence[dict[str, object]], options: SdLoraOptions) -> torch.optim.Optimizer:
    common = {"lr": 0.0, "betas": options.betas, "weight_decay": options.weight_decay, "eps": options.epsilon}
    if options.optimizer == "adamw":
        first = groups[0]["params"][0]  # type: ignore[index]
        return torch.optim.AdamW(groups, fused=options.fused and first.device.type in {"cpu", "cuda"}, **common)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise MissingExtra(
            "sd_lora.optimizer = adamw8bit needs bitsandbytes, which is not installed: pip install bitsandbytes, or "
            "set sd_lora.optimizer=adamw"
        ) from error
    if not torch.cuda.is_available():
        raise PluginError(
            "sd_lora.optimizer = adamw8bit needs a GPU, and torch finds none: set sd_lora.optimizer=adamw"
        )
    return AdamW8bit(groups, **common)


class WeightAverage:
    """Exponential moving average of the trained weights, in float32.

    The first steps count more, as in Polyak averaging with warm-up: decay min(decay, (1 + step) / (10 + step)).
    """

    def __init__(self, named: dict[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self._live = list(named.values())
        self.named = {name: one.detach().clone() for name, one in named.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after `step`, counted from 1, to the average."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.named.values()), [one.detach() for one in self._live], weight)


@contextlib.contextmanager
def averaged_weights(optimizer: LoraOptimizer, average: WeightAverage | None) -> Iterator[None]:
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
            for name, one in optimizer.named.items():
                one.copy_(before[name])
