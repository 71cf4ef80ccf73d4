"""The model card: what the LoRA is, how it was trained, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from text2face_core.training import METRICS, card_template, escape_line, short_number

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
    text: str = card_template("lora.md.j2").render(
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
        "figures": [(METRICS.get(name, name), value) for name, value in metadata.get("metrics", {}).items()],
    }


def _shares(styles: Mapping[str, float]) -> str:
    total = sum(styles.values())
    return ", ".join(f"{short_number(100 * share / total)} % {escape_line(style)}" for style, share in styles.items())
