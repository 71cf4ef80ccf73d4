"""The result of a training: the LoRA for diffusers, a copy for kohya's tools, a model card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from text2face_core import __version__
from text2face_core.training import SHEET, upload
from text2face_core.utils import write_text

from ..model import lora_files
from .card import render_card
from .settings import hash_recipe

if TYPE_CHECKING:
    from text2face_core.contracts import CaptionedDataset
    from text2face_core.training import TrainingContext

    from ..options import SdLoraOptions
    from ..training.prepare import TrainingData
    from ..training.trainable import TrainableModel

LOCAL = ("cache", "push_to_hub", "resume")
"""Options that have no effect on the result."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Everything that is recorded about a training."""

    context: TrainingContext[SdLoraOptions]
    model: TrainableModel
    settings: dict[str, Any]
    dataset: CaptionedDataset
    data: TrainingData
    metrics: dict[str, float]

    @property
    def alphas(self) -> dict[str, float]:
        """Alpha by part."""
        text = {} if self.model.text_encoder is None else {"text_encoder": self.model.text_encoder.alpha}
        return {"unet": self.model.unet.alpha, **text}

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The card's facts about each part."""
        options = self.context.options
        made = [
            ("unet", self.model.unet, options.learning_rate),
            ("text_encoder", self.model.text_encoder, options.text_learning_rate),
        ]
        return [
            {
                "part": name,
                "rank": part.rank,
                "alpha": part.alpha,
                "parameters": sum(one.numel() for _, one in part.named()),
                "learning_rate": rate,
            }
            for name, part, rate in made
            if part
        ]

    def metadata(self) -> dict[str, Any]:
        """The entries of the files' headers; of local folders only the last name, as paths can be private."""
        base = self.model.base
        name = base.name if base.revision else base.folder.absolute().name
        options = {name: one for name, one in self.settings["options"].items() if name not in LOCAL}
        return {
            "version": __version__,
            **base.identity(),
            "base": name,
            "recipe": hash_recipe(self.settings),
            "dataset": self.data.fingerprint,
            "photos": len(self.data.trained),
            "fusers": list(self.dataset.fusers),
            "resolution": self.data.resolution,
            "steps": self.context.options.steps,
            "photos_per_step": self.settings["photos_per_step"],
            "seed": self.settings["seed"],
            "options": {**options, "base": name},
            "metrics": self.metrics,
        }


def write_result(result: TrainingResult) -> None:
    """Write both LoRA files and the card; upload them if `push_to_hub` is set."""
    out, progress, options = result.context.out, result.context.progress, result.context.options
    write_lora(result)
    write_text(out / "README.md", card_of(result))
    progress.say(f"LoRA for diffusers: {out / lora_files.NAME}")
    progress.say(f"copy for kohya's tools and ComfyUI: {out / lora_files.KOHYA_NAME}")
    if options.push_to_hub:
        progress.say(f"uploaded to {upload(out, options.push_to_hub)}")


def write_lora(result: TrainingResult) -> None:
    """Write the weights as they are now, in both formats."""
    out, model = result.context.out, result.model
    unet = model.unet.state()
    text = model.text_encoder.state() if model.text_encoder else None
    metadata = result.metadata()
    lora_files.save(out / lora_files.NAME, unet, text, result.alphas, metadata)
    lora_files.save_kohya(
        out / lora_files.KOHYA_NAME,
        unet,
        text,
        result.alphas,
        metadata,
        v2=model.base.v2,
        v_prediction=model.base.prediction == "v_prediction",
    )


def card_of(result: TrainingResult) -> str:
    """The model card, with the contact sheet if it exists."""
    sheet = SHEET if (result.context.out / SHEET).is_file() else ""
    return render_card(
        {**result.metadata(), "base": result.model.base.name},
        result.parts,
        counts=result.data.tokens.counts,
        skipped=result.data.skipped,
        prompts=result.context.options.prompts if sheet else (),
        samples=sheet,
    )
