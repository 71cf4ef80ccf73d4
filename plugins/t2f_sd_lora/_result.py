"""What training leaves behind: the LoRA for diffusers, a copy for kohya's tools, a card; and all of it on the hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from text2face_core import __version__
from text2face_core.errors import RunError
from text2face_core.utils import write_text

from . import _lora_files
from ._card import card
from ._settings import recipe_hash
from ._validate import SHEET

if TYPE_CHECKING:
    from text2face_core.contracts import CaptionedDataset, Progress

    from ._base import Base
    from ._lora import Part
    from ._material import Material
    from .options import SdLoraOptions

UPLOADED = ("*.safetensors", "README.md", SHEET, "train.jsonl")
LOCAL = ("cache", "push_to_hub", "resume")


@dataclass(frozen=True, slots=True)
class Result:
    """All that is said of a training."""

    out: Path
    base: Base
    unet: Part
    text_encoder: Part | None
    options: SdLoraOptions
    settings: dict[str, Any]
    dataset: CaptionedDataset
    material: Material
    resolution: int
    metrics: dict[str, float]

    @property
    def alphas(self) -> dict[str, float]:
        """By part."""
        text = {} if self.text_encoder is None else {"text_encoder": self.text_encoder.alpha}
        return {"unet": self.unet.alpha, **text}

    @property
    def parts(self) -> list[dict[str, Any]]:
        """What the card says of each part."""
        options = self.options
        made = [
            ("unet", self.unet, options.learning_rate),
            ("text_encoder", self.text_encoder, options.text_learning_rate),
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
        """What goes into the files' headers; of folders here only the last name, as paths tell of people."""
        base = self.base.name if self.base.revision else self.base.folder.absolute().name
        options = {name: one for name, one in self.settings["options"].items() if name not in LOCAL}
        return {
            "version": __version__,
            **self.base.identity(),
            "base": base,
            "recipe": recipe_hash(self.settings),
            "dataset": self.material.fingerprint,
            "photos": len(self.material.trained),
            "fusers": list(self.dataset.fusers),
            "resolution": self.resolution,
            "steps": self.options.steps,
            "photos_per_step": self.settings["photos_per_step"],
            "seed": self.settings["seed"],
            "options": {**options, "base": base},
            "metrics": self.metrics,
        }


def write_result(result: Result, progress: Progress) -> None:
    """Write both files and the card from the weights as they are; upload them where that is wanted."""
    unet = result.unet.state()
    text = result.text_encoder.state() if result.text_encoder else None
    metadata = result.metadata()
    _lora_files.save(result.out / _lora_files.NAME, unet, text, result.alphas, metadata)
    _lora_files.save_kohya(
        result.out / _lora_files.KOHYA_NAME,
        unet,
        text,
        result.alphas,
        metadata,
        v2=result.base.v2,
        v_prediction=result.base.prediction == "v_prediction",
    )
    sheet = SHEET if (result.out / SHEET).is_file() else ""
    prompts = result.options.prompts if sheet else ()
    told = card(
        {**metadata, "base": result.base.name},
        result.parts,
        counts=result.material.tokens.counts,
        skipped=result.material.skipped,
        prompts=prompts,
        samples=sheet,
    )
    write_text(result.out / "README.md", told)
    progress.say(f"LoRA for diffusers: {result.out / _lora_files.NAME}")
    progress.say(f"copy for kohya's tools and ComfyUI: {result.out / _lora_files.KOHYA_NAME}")
    if result.options.push_to_hub:
        progress.say(f"uploaded to {upload(result.out, result.options.push_to_hub)}")


def upload(out: Path, repository: str) -> str:
    """Upload the result; a repository that is made for it is private. Returns its address."""
    from huggingface_hub import HfApi

    try:
        hub = HfApi()
        address = hub.create_repo(repository, private=True, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=out, allow_patterns=list(UPLOADED))
    except (OSError, ValueError) as error:  # every error of the hub's library is one of these
        raise RunError(
            f"the LoRA is in {out}, but could not be uploaded to {repository}: {str(error).splitlines()[0]}. Sign in "
            "with hf auth login and give the same command again, which only uploads"
        ) from error
    return str(address)
