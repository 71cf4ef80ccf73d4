"""Attach a LoRA to a base model's layers at a chosen scale."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from text2face_core.errors import ArtifactError

from . import lora_files

if TYPE_CHECKING:
    from .base import StableDiffusion
    from .lora_files import Lora, LoraTensors

FAMILIES = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "SDXL"}
"""Families of models, by the hidden size of the text encoder."""


@dataclass(slots=True)
class LoraScale:
    """The scale of a LoRA, shared by all its layers; at 0 they do nothing."""

    value: float = 1.0


def attach_lora(base: StableDiffusion, lora: Lora, scale: LoraScale, name: str) -> None:
    """Add `scale` times the LoRA to the outputs of its layers.

    It is not merged into the weights: half precision would round small changes away.
    Raises ArtifactError when a layer is missing or has another shape.
    """
    text = lora_files.for_module(lora.text_encoder, base.text_encoder)
    fitted = {
        "unet": _fitted(base, base.unet, lora.unet, name),
        "text_encoder": _fitted(base, base.text_encoder, text, name),
    }
    for part, layers in fitted.items():
        alpha = lora.alphas.get(part)  # type: ignore[call-overload]
        for layer, down, up in layers:
            factor = 1.0 if alpha is None else alpha / down.shape[0]  # without alpha it is included in the tensors
            place = {"device": layer.weight.device, "dtype": layer.weight.dtype}
            layer.register_forward_hook(functools.partial(_add_lora, scale, factor, down.to(**place), up.to(**place)))


def _add_lora(
    scale: LoraScale,
    factor: float,
    down: torch.Tensor,
    up: torch.Tensor,
    layer: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    output: torch.Tensor,
) -> torch.Tensor | None:
    if not scale.value:
        return None
    if isinstance(layer, nn.Conv2d):
        inner = nn.functional.conv2d(inputs[0], down, None, layer.stride, layer.padding, layer.dilation)
        change = nn.functional.conv2d(inner, up)
    else:
        change = nn.functional.linear(nn.functional.linear(inputs[0], down), up)
    return output + scale.value * factor * change


def _fitted(
    base: StableDiffusion, network: Any, state: LoraTensors, name: str
) -> list[tuple[Any, torch.Tensor, torch.Tensor]]:
    """Each layer of this network that the LoRA changes, with both matrices in the layer's shape."""
    known, missing, fitted = dict(network.named_modules()), [], []
    for key, down in state.items():
        if not key.endswith(".lora_A.weight"):
            continue
        path = key.removesuffix(".lora_A.weight")
        up, layer = state[f"{path}.lora_B.weight"], known.get(path)
        if not isinstance(layer, (nn.Linear, nn.Conv2d)):
            missing.append(path)
            continue
        ins, outs = layer.weight[0].numel(), layer.weight.shape[0]
        if down[0].numel() != ins or up.shape[0] != outs or up[0].numel() != down.shape[0]:
            raise ArtifactError(
                f"the LoRA {name} does not fit {base.name}: for {path} it has {down[0].numel()} inputs and "
                f"{up.shape[0]} outputs, the layer {ins} and {outs}.{_families(base, state)}"
            )
        if isinstance(layer, nn.Conv2d):
            down, up = down.reshape(-1, *layer.weight.shape[1:]), up.reshape(outs, -1, 1, 1)  # noqa: PLW2901
        fitted.append((layer, down, up))
    if missing:
        raise ArtifactError(
            f"the LoRA {name} does not fit {base.name}: the model lacks {len(missing)} of its layers, such as "
            f"{missing[0]}.{_families(base, state)}"
        )
    return fitted


def _families(base: StableDiffusion, state: LoraTensors) -> str:
    """The families of LoRA and base, when their text encoders' hidden sizes differ."""
    widths = {down.shape[1] for key, down in state.items() if re.search(r"(attn2\.to_k|q_proj)\.lora_A\.weight$", key)}
    own = base.text_encoder.config.hidden_size
    if len(widths) != 1 or widths == {own}:
        return " It was made for another model: name that model with --base"
    made, has = (FAMILIES.get(width, f"a model with a text encoder of hidden size {width}") for width in (*widths, own))
    return f" It was made for {made}, and this is {has}: name another base with --base"
