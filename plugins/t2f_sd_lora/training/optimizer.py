"""AdamW with a learning rate for each of both adapters, or its 8-bit variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from text2face_core.errors import MissingExtra, PluginError
from text2face_core.training import GroupedOptimizer, ParameterGroup

if TYPE_CHECKING:
    from ..model.adapters import Adapter
    from ..options import SdLoraOptions


class LoraOptimizer(GroupedOptimizer):
    """AdamW: a parameter group for each adapter, gradient clipping over both."""

    def __init__(self, unet: Adapter, text_encoder: Adapter | None, options: SdLoraOptions) -> None:
        self._kind = options.optimizer
        groups = [ParameterGroup("unet", dict(unet.named()), options.learning_rate)]
        if text_encoder:
            groups.append(ParameterGroup("text_encoder", dict(text_encoder.named()), options.text_learning_rate))
        super().__init__(groups, options)

    def build(self, groups: list[dict[str, object]], common: dict[str, object]) -> torch.optim.Optimizer:
        """AdamW, in the variant that the options name."""
        if self._kind == "adamw":
            return super().build(groups, common)
        try:
            from bitsandbytes.optim import AdamW8bit
        except ImportError as error:
            raise MissingExtra(
                "sd_lora.optimizer = adamw8bit needs bitsandbytes, which is not installed: pip install bitsandbytes, "
                "or set sd_lora.optimizer=adamw"
            ) from error
        if not torch.cuda.is_available():
            raise PluginError(
                "sd_lora.optimizer = adamw8bit needs a GPU, and torch finds none: set sd_lora.optimizer=adamw"
            )
        return AdamW8bit(groups, **common)
