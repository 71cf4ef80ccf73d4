"""LoRA adapters: small trainable matrices next to the frozen attention projections of UNet and text encoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from text2face_core.utils import stream_seed

from .versions import explained

if TYPE_CHECKING:
    from ..options import SdLoraOptions

UNET_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")
ADAPTER = "default"


class _MixedPrecisionLinear(nn.Linear):
    """A float32 matrix that computes in the precision of its input.

    This keeps the small updates of a low learning rate (at 1e-5 only 1 % of bfloat16 weights would change), and avoids
    PEFT's conversion of activations to float32, which costs more than the adapter itself.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight.to(x.dtype))


@dataclass(frozen=True, slots=True)
class Adapter:
    """The adapter of a model. prefix: what published files write before the names of its modules."""

    model: Any
    rank: int
    alpha: float
    prefix: str = ""

    def named(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The trained matrices, float32, under the names that files use: "….to_q.lora_A.weight"."""
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad:
                yield self.prefix + name.replace(f".{ADAPTER}.", "."), parameter

    def state(self) -> dict[str, torch.Tensor]:
        """Copies of the trained matrices on the CPU."""
        return {name: one.detach().to("cpu", copy=True).contiguous() for name, one in self.named()}


def add_unet_lora(unet: Any, options: SdLoraOptions, seed: int) -> Adapter:
    """Attach an adapter to every attention projection of the UNet; everything else is frozen."""
    return _add(unet, options.rank, options.unet_alpha, UNET_TARGETS, stream_seed(seed, "lora", "unet"))


def add_text_lora(text_encoder: Any, options: SdLoraOptions, seed: int) -> Adapter:
    """Attach an adapter to every attention projection of the text encoder; everything else is frozen."""
    # Since transformers 5 the encoder no longer has the level `text_model`; files still have it.
    prefix = "" if hasattr(text_encoder, "text_model") else "text_model."
    of_text = stream_seed(seed, "lora", "text_encoder")
    return _add(text_encoder, options.text_rank, options.encoder_alpha, TEXT_TARGETS, of_text, prefix)


def _add(model: Any, rank: int, alpha: float, targets: tuple[str, ...], seed: int, prefix: str = "") -> Adapter:
    model.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets), init_lora_weights="gaussian")
    with explained("attach the LoRA"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Not diffusers' and transformers' model.add_adapter, which can require a peft that is not yet released
        inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            layer.cast_input_dtype_enabled = False
            for matrix in (layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]):
                matrix.__class__ = _MixedPrecisionLinear
                matrix.weight.data = matrix.weight.data.float()
    return Adapter(model, rank, alpha, prefix)


class DenoisingModel(nn.Module):
    """Text encoder and UNet in a single module, so that their gradients are accumulated and synchronized together."""

    def __init__(self, unet: Any, text_encoder: Any, *, trains_text: bool) -> None:
        super().__init__()
        self.unet = unet
        self.text_encoder = text_encoder
        self.trains_text = trains_text

    def forward(self, noisy: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """(N, 4, h, w) noisy latents, (N,) timesteps, (N, 77) tokens -> (N, 4, h, w)."""
        with torch.set_grad_enabled(self.trains_text and torch.is_grad_enabled()):
            words = self.text_encoder(tokens, return_dict=False)[0]
        answer: torch.Tensor = self.unet(noisy.to(words.dtype), timesteps, words, return_dict=False)[0]
        return answer
