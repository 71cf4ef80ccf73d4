"""The model that is trained: which weights, and the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from text2face_core.training import GroupedOptimizer, ParameterGroup, WeightAverage

from ..model.lora import PARTS, Adapter, attach_lora

if TYPE_CHECKING:
    from ..model.files import StyleModel
    from ..model.network import StyleFlow
    from ..options import StyleFlowOptions
    from .prepare import Batch


@dataclass(frozen=True, slots=True)
class TrainableFlow:
    """A model and its optimizer. adapter: its LoRA; None when all weights are trained."""

    model: StyleModel
    network: StyleFlow
    adapter: Adapter | None
    optimizer: GroupedOptimizer
    average: WeightAverage | None

    def compute_loss(self, network: Any, batch: Batch) -> torch.Tensor:
        """Mean squared error in the velocity, a scalar."""
        times = batch.times[:, None]
        mixed = (1 - times) * batch.noise + times * batch.styles
        with torch.random.fork_rng(devices=[]):  # so that a resumed training drops what an undisturbed one does
            torch.manual_seed(batch.seed % (1 << 63))
            answer = network(mixed, batch.times, batch.pieces, batch.said)
        return torch.nn.functional.mse_loss(answer, batch.styles - batch.noise)


def build_trainable(model: StyleModel, options: StyleFlowOptions, seed: int) -> TrainableFlow:
    """Choose what is trained, and attach a LoRA if that is asked for."""
    network = model.network
    rates = {"text_encoder": options.text_learning_rate, "flow": options.learning_rate}
    parts = tuple(part for part in PARTS if getattr(options, part) and rates[part])
    if options.train == "lora":
        adapter = attach_lora(network, parts, options.rank, options.alpha or float(options.rank), seed)
        named = {part: dict(adapter.named(part)) for part in parts}
    else:
        adapter = None
        network.requires_grad_(requires_grad=False)
        named = {part: dict(network.get_submodule(part).named_parameters()) for part in parts}
        if "text_encoder" in named:
            named["text_encoder"]["unsaid"] = network.unsaid
        for group in named.values():
            for one in group.values():
                one.requires_grad_(requires_grad=True)
    optimizer = GroupedOptimizer([ParameterGroup(part, named[part], rates[part]) for part in parts], options)
    average = WeightAverage(optimizer.named, options.ema) if options.ema else None
    network.train()
    return TrainableFlow(model, network, adapter, optimizer, average)
