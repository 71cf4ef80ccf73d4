"""The model card: what the LoRA is, how it was trained, and its limits."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from text2face_core.utils import environment

from ..cache.tokens import Counts
from ..model.lora_files import KOHYA_NAME, NAME

# Hugging Face's names for the licences of the base models, and addresses of their texts.
LICENCE_IDS = {
    "CreativeML Open RAIL++-M": (
        "openrail++",
        "https://huggingface.co/stabilityai/stable-diffusion-2/blob/main/LICENSE-MODEL",
    ),
    "CreativeML Open RAIL-M": (
        "creativeml-openrail-m",
        "https://huggingface.co/spaces/CompVis/stable-diffusion-license",
    ),
}
PART_NAMES = {"unet": "UNet", "text_encoder": "text encoder"}
METRIC_NAMES = {
    "loss": "training loss, last 100 steps",
    "validation_loss_before": "validation loss before training, fixed noise",
    "validation_loss": "validation loss after training, fixed noise",
}


def render_card(
    metadata: Mapping[str, Any],
    parts: Sequence[Mapping[str, Any]],
    *,
    counts: Counts | None = None,
    skipped: int = 0,
    prompts: Sequence[str] = (),
    samples: str = "",
) -> str:
    """The card as Markdown with the header that the hub reads.

    metadata: of the LoRA file (base, revision, prediction, licence, recipe, dataset, photos, fusers, resolution, steps,
    photos_per_step, seed, version, metrics, options). parts: {"part", "rank", "alpha", "parameters", "learning_rate"}
    for each part that was trained. counts: of captions. skipped: pictures that could not be read. samples: file name of
    the contact sheet; prompts: of its columns.
    """
    jinja = environment("modelcard")
    jinja.filters |= {"thousands": _thousands, "number": _number, "line": _line, "shell": shlex.quote}
    text = jinja.get_template("lora.md.j2").render(
        **_base_facts(metadata),
        **_training_facts(metadata),
        parts=[{**part, "name": PART_NAMES.get(part["part"], part["part"])} for part in parts],
        alphas_differ=any(part["alpha"] != part["rank"] for part in parts),
        counts=counts,
        skipped=skipped,
        prompts=list(prompts),
        samples=samples,
        example=prompts[0] if prompts else "A young woman with long brown hair and a smile.",
        diffusers_file=NAME,
        kohya_file=KOHYA_NAME,
    )
    return text + "\n"


def _base_facts(metadata: Mapping[str, Any]) -> dict[str, Any]:
    base = str(metadata["base"])
    # The path of a folder means nothing to others, and can be private.
    hub_base = bool(metadata.get("revision")) or not Path(base).expanduser().exists()
    licence = str(metadata.get("licence", "not stated"))
    licence_id, licence_url = LICENCE_IDS.get(licence, ("other", ""))
    return {
        "base": base,
        "base_name": base if hub_base else Path(base).name,
        "hub_base": hub_base,
        "revision": metadata.get("revision", ""),
        "prediction": metadata.get("prediction", "epsilon"),
        "licence": licence,
        "licence_id": licence_id,
        "licence_url": licence_url,
    }


def _training_facts(metadata: Mapping[str, Any]) -> dict[str, Any]:
    options = metadata.get("options", {})
    return {
        "version": metadata.get("version", ""),
        "seed": metadata.get("seed", 0),
        "recipe": metadata.get("recipe", "-"),
        "dataset": metadata.get("dataset", "-"),
        "photos": metadata["photos"],
        "steps": metadata["steps"],
        "photos_per_step": metadata["photos_per_step"],
        "views": metadata["steps"] * metadata["photos_per_step"] / max(metadata["photos"], 1),
        "resolution": metadata["resolution"],
        "fusers": list(metadata.get("fusers", ())),
        "flip": bool(options.get("flip")),
        "oblong": options.get("bucket_aspect", 1) > 1,
        "styles": _shares(options.get("styles") or {}),
        "caption_dropout": options.get("caption_dropout", 0.0),
        "figures": [(METRIC_NAMES.get(name, name), value) for name, value in metadata.get("metrics", {}).items()],
    }


def _shares(styles: Mapping[str, float]) -> str:
    total = sum(styles.values())
    return ", ".join(f"{_number(100 * share / total)} % {_line(style)}" for style, share in styles.items())


def _thousands(count: int) -> str:
    return f"{count:,}"


def _number(value: float) -> str:
    """Three significant digits, without an exponent if that is short: 8, 0.00001, 1.24."""
    if value == int(value):
        return f"{int(value):,}"
    short = f"{value:.3g}"
    return f"{value:.10f}".rstrip("0") if "e" in short and abs(value) >= 1e-7 else short


def _line(text: object) -> str:
    """Text as a single line, with all markup of Markdown and HTML escaped."""
    return "".join(f"\\{c}" if c in "\\|`*_[]<>#" else c for c in " ".join(str(text).split()))
