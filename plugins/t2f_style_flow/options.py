"""Options of the trainer: listed by `t2f plugins show style_flow`, set by `--set style_flow.NAME=VALUE`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from text2face_core.training import TrainingOptions

PROMPTS = (
    "A young woman with long brown hair and a smile.",
    "A middle-aged man with glasses.",
    "An elderly woman with gray hair and a neutral expression.",
    "A child with short blond hair and an open mouth.",
)


class StyleFlowOptions(TrainingOptions):
    """Base model, what is trained, sizes, optimization, validation."""

    base: str = Field("", description="base model: a folder that style_flow wrote; by default training starts afresh")
    train: Literal["full", "lora"] = Field(
        "full", description="full: all weights; lora: small matrices next to the base's layers"
    )
    text_encoder: bool = Field(True, description="train the text encoder")
    flow: bool = Field(True, description="train the flow")
    rank: int = Field(16, ge=1, le=256, description="rank of the LoRA")
    alpha: float | None = Field(None, gt=0, description="alpha of the LoRA, whose scale is alpha / rank; default: rank")

    vocabulary: int = Field(4000, ge=200, le=50_000, description="word pieces, without a base")
    context: int = Field(77, ge=8, le=512, description="pieces of a text that are read, without a base")
    axes: int = Field(256, ge=8, le=512, description="principal axes of the style space, without a base")
    width: int = Field(384, ge=16, le=4096, description="width of the flow's blocks, without a base")
    blocks: int = Field(4, ge=1, le=64, description="blocks of the flow, without a base")

    caption_dropout: float = Field(
        0.15, ge=0, le=1, description="caption dropout: share of faces trained on with an empty caption"
    )
    steps: int = Field(600, ge=1, description="optimizer steps")
    batch_size: int = Field(128, ge=1, description="batch size: faces per optimizer step")
    learning_rate: float = Field(1e-3, ge=0, description="learning rate of the flow")
    text_learning_rate: float = Field(5e-3, ge=0, description="learning rate of the text encoder")
    schedule: Literal["constant", "cosine", "linear"] = Field("cosine", description="learning rate schedule")
    warmup: int = Field(0, ge=0, description="warm-up: optimizer steps in which learning rates rise from 0")
    ema: float = Field(
        0.99, ge=0, lt=1, description="decay of the exponential moving average of weights, which is saved; 0: off"
    )
    validate_every: int = Field(0, ge=0, description="optimizer steps between validations; 0: only before and after")
    held_out: int = Field(256, ge=0, description="faces held out for the validation loss, at most a tenth of all")
    prompts: tuple[str, ...] = Field(PROMPTS, description="prompts of validation images; [] for none")
    inference_steps: int = Field(24, ge=1, le=1000, description="sampling steps of validation images")
    guidance: float = Field(
        2.0, ge=1, description="classifier-free guidance scale of validation images: how strongly the prompt steers"
    )
    radius: float = Field(
        0.9, gt=0, le=2, description="largest length of a generated style, in multiples of the typical length"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not (self.text_encoder and self.text_learning_rate) and not (self.flow and self.learning_rate):
            raise ValueError("nothing is learned: turn on text_encoder or flow, with a learning rate above 0")
        if self.train == "lora" and not self.base:
            raise ValueError("a LoRA needs a base: name its folder with --base")
        return self
