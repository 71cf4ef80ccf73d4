"""The settings of a training, for train.toml."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from text2face_core import __version__
from text2face_core.training import SettingsRules, decisive_settings, describe_dataset
from text2face_core.utils import fingerprint

from ..model.versions import PACKAGES, version_of

if TYPE_CHECKING:
    from text2face_core.contracts import CaptionedDataset
    from text2face_core.training import TrainingContext

    from ..options import SdLoraOptions


def upgrade_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of release 0.1, which recorded a relative path of the base as it was given."""
    if base := settings["options"].get("base"):
        return {**settings, "options": {**settings["options"], "base": absolute_base(base)}}
    return settings


RULES = SettingsRules(
    # draw_steps is the name of inference_steps in release 0.1
    free=frozenset({"cache", "compile", "draw_steps", "gradient_checkpointing"}),
    form=("base", "rank", "alpha", "text_encoder", "text_rank", "text_alpha"),
    upgrade=upgrade_settings,
)


def collect_settings(context: TrainingContext[SdLoraOptions], dataset: CaptionedDataset) -> dict[str, Any]:
    """The content of train.toml: plain data without None."""
    options = context.options.model_dump(mode="json", exclude_none=True)
    return {
        "text2face": __version__,
        "trainer": "sd_lora",
        "seed": context.runtime.seed,
        "dtype": context.runtime.dtype,
        "photos_per_step": context.photos_per_step,
        "dataset": describe_dataset(dataset),
        "options": {**options, "base": absolute_base(context.options.base)},
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}},
    }


def absolute_base(base: str) -> str:
    """The absolute path of a base model in a folder, so that it is found from anywhere; other names are unchanged."""
    path = Path(base).expanduser()
    return str(path.absolute()) if path.is_dir() else base


def hash_recipe(settings: dict[str, Any]) -> str:
    """A hash that changes whenever the resulting weights would change."""
    return fingerprint(decisive_settings(settings, RULES))
