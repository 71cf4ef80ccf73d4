"""train.toml: what a training was begun with, and whether another command goes on with the same."""

from __future__ import annotations

import platform
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from text2face_core import __version__
from text2face_core.errors import RunError
from text2face_core.utils import fingerprint, write_text

if TYPE_CHECKING:
    from .options import SdLoraOptions

NAME = "train.toml"
PACKAGES = ("torch", "diffusers", "transformers", "peft", "accelerate", "safetensors", "numpy")

# Options that change neither weights nor what they are made from.
FREE = {
    "cache", "checkpoint_every", "compile", "draw_steps", "gradient_checkpointing", "guidance", "keep_checkpoints",
    "prompt_seeds", "prompts", "push_to_hub", "resume", "tensorboard", "validate_every",
}  # fmt: skip
# Without these the same the weights of a checkpoint do not fit.
FORM = ("base", "rank", "alpha", "text_encoder", "text_rank", "text_alpha")


def settings_of(
    options: SdLoraOptions, seed: int, dtype: str, per_step: int, dataset: dict[str, Any]
) -> dict[str, Any]:
    """The content of train.toml: plain data without None."""
    return {
        "text2face": __version__,
        "seed": seed,
        "dtype": dtype,
        "photos_per_step": per_step,
        "dataset": dataset,
        "options": options.model_dump(mode="json", exclude_none=True),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    }


def recipe_hash(settings: dict[str, Any]) -> str:
    """Changes when other weights would come out."""
    return fingerprint(_told(settings))


def read(out: Path) -> dict[str, Any] | None:
    """What the training in `out` was begun with; None where there is none."""
    try:
        return tomllib.loads((out / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(
            f"{out / NAME} cannot be read: {error}. Choose another --out, or begin anew with --fresh"
        ) from error


def write(out: Path, settings: dict[str, Any]) -> None:
    """Put it down."""
    import tomli_w

    write_text(out / NAME, tomli_w.dumps(settings))


def check(before: dict[str, Any], now: dict[str, Any], out: Path, resume: str) -> list[str]:
    """What differs between two trainings, in words; raises RunError where going on would be wrong."""
    old, new = _told(before), _told(now)
    changed = [name for name in new if new[name] != old.get(name)] + [name for name in old if name not in new]
    form = [name for name in FORM if before["options"].get(name) != now["options"].get(name)]
    words = [f"{name} was {_short(old.get(name))}, now {_short(new.get(name))}" for name in dict.fromkeys(changed)]
    if form and before["options"].get("base") is not None:
        raise RunError(
            f"{out} holds a training whose weights do not fit ({'; '.join(words)}): choose another --out, or begin "
            "anew with --fresh"
        )
    if changed and resume != "always":
        raise RunError(
            f"{out} holds a training with other settings ({'; '.join(words)}). Go on with the new ones: --resume. "
            "Begin anew, which removes what is there: --fresh. Or choose another --out"
        )
    return words


def _told(settings: dict[str, Any]) -> dict[str, Any]:
    """All that decides what comes out, flat."""
    options = {name: one for name, one in settings["options"].items() if name not in FREE}
    for name in ("batch_size", "accumulation"):  # what counts is their product with the processes
        options.pop(name, None)
    if options.get("schedule") == "constant":  # then more steps only mean longer
        options.pop("steps", None)
    dataset = settings["dataset"].get("fingerprint")
    plain = {name: settings[name] for name in ("seed", "dtype", "photos_per_step")}
    return {**plain, "dataset": dataset, **options}


def _short(value: Any) -> str:
    return "not set" if value is None else str(value)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
