"""The result of a training: a model, or a LoRA for its base, and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from text2face_core import __version__
from text2face_core.training import METRICS, SHEET, card_template, decisive_settings, upload
from text2face_core.utils import fingerprint, write_text

from ..faces.artifacts import NAME as GENERATOR
from ..model.files import LORA, MODEL, StyleModel, save_lora, save_model
from ..model.lora import PARTS
from ..model.network import count_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from text2face_core.training import SettingsRules, TrainingContext

    from ..options import StyleFlowOptions
    from ..training.prepare import FaceData
    from ..training.trainable import TrainableFlow

LOCAL = ("push_to_hub", "resume")
"""Options that have no effect on the result."""
PART_NAMES = {"text_encoder": "text encoder", "flow": "flow"}


def write_result(
    context: TrainingContext[StyleFlowOptions],
    model: TrainableFlow,
    data: FaceData,
    settings: dict[str, Any],
    rules: SettingsRules,
    metrics: Mapping[str, float],
) -> None:
    """Write the weights as they are now and the card; upload them if `push_to_hub` is set."""
    out, options, progress = context.out, context.options, context.progress
    about = describe(data, settings, rules, metrics)
    if model.adapter:
        tensors = {f"{part}.{name}": one for part in PARTS for name, one in model.adapter.named(part)}
        parts = [part for part in PARTS if dict(model.adapter.named(part))]
        alpha = options.alpha or float(options.rank)
        save_lora(out / LORA, tensors, {**about, "parts": parts, "rank": options.rank, "alpha": alpha})
        path = out / LORA
    else:
        save_model(out / MODEL, StyleModel(model.network, model.model.words, model.model.space, about))
        path = out / MODEL
    write_text(out / "README.md", render_card(context, model, data, about))
    progress.say(f"{'LoRA' if model.adapter else 'model'}: {path}")
    if options.push_to_hub:
        progress.say(f"uploaded to {upload(out, options.push_to_hub)}")


def describe(
    data: FaceData, settings: dict[str, Any], rules: SettingsRules, metrics: Mapping[str, float]
) -> dict[str, Any]:
    """The entries of the file's header; of local folders only the last name, as paths can be private."""
    options = {name: one for name, one in settings["options"].items() if name not in LOCAL}
    base = Path(options["base"]).name if options.get("base") else ""
    return {
        "version": __version__,
        "generator": GENERATOR,
        "base": base,
        "base_sha256": settings["options"].get("base_sha256", ""),
        "recipe": fingerprint(decisive_settings({**settings, "options": {**options, "base": base}}, rules)),
        "dataset": settings["dataset"]["fingerprint"],
        "fusers": settings["dataset"]["fusers"],
        "faces": len(data.trained),
        "captions": data.captions,
        "photos_per_step": settings["photos_per_step"],
        "seed": settings["seed"],
        "options": {**options, "base": base},
        "metrics": dict(metrics),
    }


def render_card(
    context: TrainingContext[StyleFlowOptions], model: TrainableFlow, data: FaceData, about: Mapping[str, Any]
) -> str:
    """The model card, with the contact sheet if it exists."""
    options = context.options
    rates = {"text_encoder": options.text_learning_rate, "flow": options.learning_rate}
    parts = [
        {
            "name": PART_NAMES[part],
            "parameters": sum(one.numel() for name, one in model.optimizer.named.items() if name.startswith(part)),
            "rate": rates[part],
        }
        for part in PARTS
        if any(name.startswith(part) for name in model.optimizer.named)
    ]
    sheet = SHEET if (context.out / SHEET).is_file() else ""
    text: str = card_template("style_flow.md.j2").render(
        **{**about, "options": options, "fusers": list(about["fusers"])},
        lora=bool(model.adapter),
        parts=parts,
        parameters=count_parameters(model.network),
        skipped=data.skipped,
        figures=[(METRICS.get(name, name), value) for name, value in about["metrics"].items()],
        views=options.steps * context.photos_per_step / max(len(data.trained), 1),
        samples=sheet,
        prompts=list(options.prompts) if sheet else [],
        example=options.prompts[0] if options.prompts else "A young woman with long brown hair and a smile.",
    )
    return text + "\n"
