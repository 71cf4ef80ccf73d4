"""Options that all trainers share; a trainer's own options extend them and change defaults."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from ..components import Options

Decay = Annotated[float, Field(ge=0, lt=1)]


class TrainingOptions(Options):
    """Captions, optimization, checkpoints, validation."""

    styles: dict[str, float] = Field(
        {},
        description="share of each caption style (short = 0.5, long = 0.5); by default all captions are equally likely",
    )
    caption_dropout: float = Field(
        0.1, ge=0, le=1, description="caption dropout: share of photos trained on with an empty caption"
    )

    steps: int = Field(3000, ge=1, description="optimizer steps")
    batch_size: int = Field(4, ge=1, description="batch size: photos per process and forward pass")
    accumulation: int = Field(1, ge=1, description="gradient accumulation: forward passes per optimizer step")
    schedule: Literal["constant", "cosine", "linear"] = Field(
        "constant", description="learning rate schedule, of both learning rates"
    )
    warmup: int = Field(0, ge=0, description="warm-up: optimizer steps in which learning rates rise from 0")
    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="AdamW's betas")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's weight decay")
    epsilon: float = Field(1e-8, gt=0, description="AdamW's epsilon")
    clip: float = Field(
        1.0, ge=0, description="gradient clipping: largest norm of the gradients of both parts together; 0: off"
    )
    fused: bool = Field(True, description="fused AdamW kernel, on devices that have it")
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of the exponential moving average of weights, which is saved; 0: off"
    )

    checkpoint_every: int = Field(500, ge=1, description="optimizer steps between checkpoints")
    keep_checkpoints: int = Field(3, ge=1, description="number of checkpoints to keep")
    resume: Literal["auto", "always", "never"] = Field(
        "auto",
        description="when OUT holds a training: auto resumes if settings are the same, always even if they changed, "
        "never starts again",
    )

    validate_every: int = Field(500, ge=0, description="optimizer steps between validations; 0: only before and after")
    held_out: int = Field(32, ge=0, description="photos held out for the validation loss, at most a tenth of all")
    prompts: tuple[str, ...] = Field((), description="prompts of validation images; [] for none")
    prompt_seeds: tuple[int, ...] = Field((0,), description="seeds of validation images, for each prompt")
    inference_steps: int = Field(25, ge=1, le=1000, description="denoising steps of validation images")
    guidance: float = Field(
        7.5,
        ge=1,
        description="classifier-free guidance scale of validation images: how strongly the prompt steers them",
    )
    tensorboard: bool = Field(True, description="write OUT/tensorboard, if tensorboard is installed")
    push_to_hub: str = Field("", description="Hugging Face id to upload the result to (a new repository is private)")

    @field_validator("styles")
    @classmethod
    def _some_share(cls, styles: dict[str, float]) -> dict[str, float]:
        if styles and (min(styles.values()) < 0 or sum(styles.values()) <= 0):
            raise ValueError("shares must not be negative, and at least one must be above 0")
        return styles

    @model_validator(mode="after")
    def _warms_up_in_time(self) -> Self:
        if self.warmup > self.steps:
            raise ValueError(f"warmup = {self.warmup} is longer than the training of {self.steps} steps")
        return self
