"""A LoRA for a tiny Stable Diffusion, and what draws with it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from text2face_core.contracts import GenerationRequest, Runtime
from text2face_core.models.store import ModelStore

PROMPTS = ("a photo of a man with black hair", "the woman with long hair", "a smile", "", "a woman is wearing glasses")
REQUESTS = [GenerationRequest(text, 10 + number, 64, 64, steps=4) for number, text in enumerate(PROMPTS)]


def open_one(base: Path | None, model: Any = None, dtype: str = "float32", **options: Any) -> Any:
    """What draws on that base model, or on the one that the LoRA names; with a LoRA or none."""
    from t2f_sd_lora.generation.generator import open_generator
    from t2f_sd_lora.options import SdLoraOptions

    given = {"base": str(base), **options} if base else options
    store = ModelStore(Path(tempfile.gettempdir()) / "no store", offline=True)
    return open_generator(model and str(model), SdLoraOptions(**given), Runtime(store, dtype=dtype))


def make_lora(
    folder: Path, pipeline: Path, alpha: float = 6.0, *, text: bool = True, **metadata: Any
) -> tuple[Path, Any]:
    """A folder with a LoRA for a base model, as training leaves it, and that base with the LoRA on."""
    import torch
    from t2f_sd_lora.model import adapters, lora_files
    from t2f_sd_lora.model.base import load_base
    from t2f_sd_lora.options import SdLoraOptions

    loaded = load_base(str(pipeline), offline=True)
    options = SdLoraOptions(rank=4, alpha=alpha, text_rank=2, text_alpha=alpha)
    parts = [adapters.add_unet_lora(loaded.unet, options, 1)]
    parts += [adapters.add_text_lora(loaded.text_encoder, options, 1)] if text else []
    generator = torch.Generator().manual_seed(2)
    for part in parts:
        for _, parameter in part.named():
            # enough to be seen, and not so much that the networks become chaotic and rounding is seen as well
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.15
    states = [part.state() for part in parts]
    given = (states[0], states[1] if text else None, {"unet": alpha, "text_encoder": alpha}, metadata)
    lora_files.save(folder / lora_files.NAME, *given)
    lora_files.save_kohya(folder / lora_files.KOHYA_NAME, *given, v2=True, v_prediction=True)
    return folder, loaded


def largest(one: Any, other: Any) -> int:
    """The largest difference of a colour, of 255."""
    return max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(one, other, strict=True))
