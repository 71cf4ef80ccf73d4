"""LoRA (Hu et al., ICLR 2022): small matrices next to the layers of text encoder and flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn

from text2face_core.errors import ArtifactError
from text2face_core.utils import stream_seed

if TYPE_CHECKING:
    from .network import StyleFlow

PARTS = ("text_encoder", "flow")


@dataclass(slots=True)
class LoraScale:
    """The scale of a LoRA, shared by all its layers; at 0 they do nothing."""

    value: float = 1.0


class LoraLayer(nn.Module):
    """A layer, and what a LoRA adds to its output: `up` of `down` of its input."""

    def __init__(self, layer: nn.Module, rank: int, factor: float, scale: LoraScale) -> None:
        super().__init__()
        self.layer = layer
        self.factor, self.scale = factor, scale
        if isinstance(layer, nn.EmbeddingBag):
            size, width = layer.weight.shape
            self.lora_A: nn.Module = nn.EmbeddingBag(size, rank, mode="sum", padding_idx=layer.padding_idx)
        else:
            width, size = layer.weight.shape
            self.lora_A = nn.Linear(size, rank, bias=False)
        self.lora_B = nn.Linear(rank, width, bias=False)
        nn.init.normal_(self.lora_A.weight, std=1 / rank)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As the layer."""
        answer: torch.Tensor = self.layer(x)
        if not self.scale.value:
            return answer
        return answer + self.scale.value * self.factor * self.lora_B(self.lora_A(x))


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA attached to a network."""

    layers: Mapping[str, LoraLayer]
    scale: LoraScale = field(default_factory=LoraScale)

    def named(self, part: str) -> Iterator[tuple[str, nn.Parameter]]:
        """The trained matrices of a part: ("inner.lora_A.weight", …)."""
        for name, layer in self.layers.items():
            if name.startswith(f"{part}."):
                inner = name.removeprefix(f"{part}.")
                yield f"{inner}.lora_A.weight", layer.lora_A.weight
                yield f"{inner}.lora_B.weight", layer.lora_B.weight


def attach_lora(network: StyleFlow, parts: tuple[str, ...], rank: int, alpha: float, seed: int = 0) -> Adapter:
    """Attach a new LoRA to every layer of these parts, which changes nothing yet; all other weights are frozen."""
    network.requires_grad_(requires_grad=False)
    scale = LoraScale()
    layers = {}
    found = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, (nn.Linear, nn.EmbeddingBag)) and name.partition(".")[0] in parts
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "lora", *parts) % (1 << 63))
        for name, module in found:
            parent, _, own = name.rpartition(".")
            layers[name] = LoraLayer(module, rank, alpha / rank, scale)
            network.get_submodule(parent).register_module(own, layers[name])
    return Adapter(layers, scale)


def load_into(adapter: Adapter, tensors: Mapping[str, torch.Tensor], source: str) -> None:
    """Copy the matrices of a file. Raises ArtifactError if they do not fit. source: its name, for messages."""
    wanted = {f"{part}.{name}": one for part in PARTS for name, one in adapter.named(part)}
    if {name: one.shape for name, one in wanted.items()} != {name: one.shape for name, one in tensors.items()}:
        raise ArtifactError(f"the LoRA {source} does not fit this base: it was made for another. Name it with --base")
    with torch.no_grad():
        for name, one in wanted.items():
            one.copy_(tensors[name])
