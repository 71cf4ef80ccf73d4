"""Find a base model, check that it can be trained, and load it part by part."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from text2face_core.errors import ArtifactError, PluginError

from ..options import LICENCES
from .hub import find_obstacle
from .tokenizer import settle_pad
from .versions import explained

log = logging.getLogger(__name__)

PARTS = ("unet", "text_encoder", "vae", "tokenizer", "scheduler")
PREDICTIONS = ("epsilon", "v_prediction")
# Weights in half precision are copies of the full weights; those named non_ema are for continued pre-training.
WANTED = ("model_index.json", *(f"{part}/*{end}" for part in PARTS for end in (".json", ".txt", ".safetensors")))
UNWANTED = ("*.fp16.*", "*.non_ema.*", "*openvino*")


@dataclass(slots=True)
class StableDiffusion:
    """A Stable Diffusion 1.x or 2.x model.

    revision: the commit; empty for a folder. folder: the folder it was read from. notes: what the user should know.
    """

    name: str
    revision: str
    folder: Path
    unet: Any
    text_encoder: Any
    vae: Any
    tokenizer: Any
    scheduler: Any
    notes: tuple[str, ...] = ()

    @property
    def prediction(self) -> str:
        """What the UNet predicts: "epsilon" or "v_prediction"."""
        return str(self.scheduler.config.prediction_type)

    @property
    def resolution(self) -> int:
        """The side of the pictures that it was trained on, in pixels."""
        return int(self.unet.config.sample_size) * self.shrink

    @property
    def shrink(self) -> int:
        """Pixels per latent, along a side."""
        return 1 << (len(self.vae.config.block_out_channels) - 1)

    @property
    def licence(self) -> str:
        """The licence of its weights, as far as it is known."""
        return LICENCES.get(self.name, "see its model card" if self.revision else "not stated")

    @property
    def v2(self) -> bool:
        """Whether it is Stable Diffusion 2.x, whose text encoder is OpenCLIP's and was trained with padding by 0."""
        return bool(self.text_encoder.config.hidden_act == "gelu")

    def identity(self) -> dict[str, str]:
        """Name, revision and properties, as plain data."""
        return {"base": self.name, "revision": self.revision, "prediction": self.prediction, "licence": self.licence}


def load_base(
    name: str,
    revision: str | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    offline: bool = False,
    prediction: str | None = None,
) -> StableDiffusion:
    """Load the model from a Hugging Face id or folder: UNet and text encoder in `dtype`, the VAE always in float32.

    (In float16 the VAE gives black images.) prediction: the expected prediction type.
    Raises ArtifactError when it cannot be found, PluginError when it is a model of another kind.
    """
    folder, commit = _find(name, revision, offline=offline)
    _check_parts(name, _json(folder / "model_index.json", name))
    try:
        with explained("load the base model"), _quiet():
            from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
            from transformers import CLIPTextModel, CLIPTokenizer

            tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
            scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
            text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=dtype)
            unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype)
            vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    except (OSError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"the base model {name} cannot be loaded from {folder}: {error}") from error
    for part in (unet, text_encoder, vae):
        part.requires_grad_(False).eval().to(device)
    base = StableDiffusion(name, commit, folder, unet, text_encoder, vae, tokenizer, scheduler)
    if note := settle_pad(tokenizer, folder / "tokenizer", 0 if base.v2 else None):
        base.notes = (note,)
    _check(base, prediction)
    return base


def _find(name: str, revision: str | None, *, offline: bool) -> tuple[Path, str]:
    """The model's folder and, if it is from the hub, its commit."""
    path = Path(name).expanduser()
    if path.is_dir():
        if revision:
            raise PluginError(f"{name} is a folder, which has no revision {revision}: do not set sd_lora.revision")
        return path, ""
    if path.is_file():
        raise PluginError(
            f"{name} is a single file, not a folder in diffusers' format (unet/, vae/, text_encoder/, …). "
            "Convert it with StableDiffusionPipeline.from_single_file(…).save_pretrained(…)"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    obstacle = find_obstacle(offline=offline)
    try:
        found = snapshot_download(
            name,
            revision=revision,
            allow_patterns=list(WANTED),
            ignore_patterns=list(UNWANTED),
            local_files_only=obstacle is not None,
        )
    except HFValidationError as error:
        raise ArtifactError(f"the base model {name} is neither a folder nor a Hugging Face id") from error
    except (OSError, ValueError) as error:  # all errors of the hub's library are of these types
        why = obstacle or str(error).splitlines()[0]
        raise ArtifactError(
            f"the base model {name} could not be fetched: {why}. If you have it on disk, give its folder: --base FOLDER"
        ) from error
    return Path(found), Path(found).name


def _json(path: Path, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{name} is not a model in diffusers' format: {path.name} is missing or cannot be read"
        ) from error
    return found


def _check_parts(name: str, index: dict[str, Any]) -> None:
    kind = index.get("_class_name", "of an unknown kind")
    missing = [part for part in PARTS if not index.get(part)]
    if missing or index.get("text_encoder_2"):
        lack = f"it has no {', '.join(missing)}" if missing else "it has two text encoders"
        raise PluginError(f"{name} is a {kind} ({lack}); sd_lora trains Stable Diffusion 1.x and 2.x only")


def _check(base: StableDiffusion, prediction: str | None) -> None:
    if base.prediction not in PREDICTIONS:
        raise PluginError(f"{base.name} predicts {base.prediction!r}; sd_lora supports {' and '.join(PREDICTIONS)}")
    if base.prediction == "epsilon" and float(base.scheduler.alphas_cumprod[-1]) <= 0:
        raise PluginError(
            f"the scheduler of {base.name} ends in pure noise (rescale_betas_zero_snr), and its UNet predicts noise, "
            "from which nothing can be learned at that timestep: such a schedule needs v_prediction"
        )
    if prediction and prediction != base.prediction:
        raise PluginError(
            f"sd_lora.prediction = {prediction}, but the scheduler of {base.name} has {base.prediction}: training for "
            "the wrong type gives noise. Do not set sd_lora.prediction, or correct scheduler/scheduler_config.json"
        )
    channels = base.unet.config.in_channels
    if channels != base.vae.config.latent_channels:
        kinds = {9: "an inpainting model", 5: "a depth model", 7: "an upscaler"}
        raise PluginError(
            f"the UNet of {base.name} takes {channels} channels and not {base.vae.config.latent_channels}: "
            f"{kinds.get(channels, 'not a plain text-to-image model')} cannot be trained here"
        )
    words, wanted = base.text_encoder.config.hidden_size, base.unet.config.cross_attention_dim
    if words != wanted:
        raise PluginError(
            f"in {base.name} the text encoder's hidden size is {words}, and the UNet needs {wanted}: they are from "
            "different models (SD 1.x has 768, SD 2.x 1024)"
        )
    known = base.text_encoder.config.vocab_size
    if len(base.tokenizer) > known:
        raise PluginError(
            f"the tokenizer of {base.name} has {len(base.tokenizer)} tokens, its text encoder only {known}"
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Switch off the libraries' progress bars: loading takes seconds, and our own progress bar may be shown."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    was = of_diffusers.is_progress_bar_enabled(), of_transformers.is_progress_bar_enabled()
    of_diffusers.disable_progress_bar()
    of_transformers.disable_progress_bar()
    try:
        yield
    finally:
        for library, enabled in zip((of_diffusers, of_transformers), was, strict=True):
            if enabled:
                library.enable_progress_bar()
