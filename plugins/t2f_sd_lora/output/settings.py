"""train.toml: the settings of a training, and whether another command may resume it."""

from __future__ import annotations

import platform
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from text2face_core import __version__
from text2face_core.errors import RunError
from text2face_core.utils import fingerprint, write_text

from ..model.versions import PACKAGES, version_of

if TYPE_CHECKING:
    from text2face_core.contracts import CaptionedDataset

    from ..training.context import TrainingContext

NAME = "train.toml"

# Options that change neither weights nor training data; draw_steps is the name of inference_steps in release 0.1.
FREE = {
    "cache", "checkpoint_every", "compile", "draw_steps", "gradient_checkpointing", "guidance", "inference_steps",
    "keep_checkpoints", "prompt_seeds", "prompts", "push_to_hub", "resume", "tensorboard", "validate_every",
}  # fmt: skip
# If these differ, the weights of a checkpoint do not fit.
FORM = ("base", "rank", "alpha", "text_encoder", "text_rank", "text_alpha")


def collect_settings(context: TrainingContext, dataset: CaptionedDataset) -> dict[str, Any]:
    """The content of train.toml: plain data without None."""
    about = {
        "source": str(dataset.path.absolute()),
        "fingerprint": dataset.fingerprint,
        "fusers": list(dataset.fusers),
    }
    options = context.options.model_dump(mode="json", exclude_none=True)
    return {
        "text2face": __version__,
        "seed": context.runtime.seed,
        "dtype": context.runtime.dtype,
        "photos_per_step": context.photos_per_step,
        "dataset": about,
        "options": {**options, "base": absolute_base(context.options.base)},
        "versions": {"python": platform.python_version(), **{name: version_of(name) for name in PACKAGES}},
    }


def absolute_base(base: str) -> str:
    """The absolute path of a base model in a folder, so that it is found from anywhere; other names are unchanged."""
    path = Path(base).expanduser()
    return str(path.absolute()) if path.is_dir() else base


def hash_recipe(settings: dict[str, Any]) -> str:
    """A hash that changes whenever the resulting weights would change."""
    return fingerprint(_decisive(settings))


def read_settings(out: Path) -> dict[str, Any] | None:
    """The settings of the training in `out`; None if there is none. Raises RunError when they cannot be read."""
    try:
        return tomllib.loads((out / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(
            f"{out / NAME} cannot be read: {error}. Choose another --out, or start again with --fresh"
        ) from error


def write_settings(out: Path, settings: dict[str, Any]) -> None:
    """Write train.toml."""
    import tomli_w

    write_text(out / NAME, tomli_w.dumps(settings))


def compare_settings(before: dict[str, Any], now: dict[str, Any], out: Path, resume: str) -> list[str]:
    """The differences in words. Raises RunError when the training cannot be resumed with them."""
    if base := before["options"].get("base"):  # release 0.1 recorded a relative path as it was given
        before = {**before, "options": {**before["options"], "base": absolute_base(base)}}
    old, new = _decisive(before), _decisive(now)
    changed = [name for name in new if new[name] != old.get(name)] + [name for name in old if name not in new]
    form = [name for name in FORM if before["options"].get(name) != now["options"].get(name)]
    words = [f"{name} was {_short(old.get(name))}, now {_short(new.get(name))}" for name in dict.fromkeys(changed)]
    if form and before["options"].get("base") is not None:
        raise RunError(
            f"{out} holds a training whose weights do not fit ({'; '.join(words)}): choose another --out, or start "
            "again with --fresh"
        )
    if changed and resume != "always":
        raise RunError(
            f"{out} holds a training with other settings ({'; '.join(words)}). To resume with the new settings: "
            "--resume. To start again and remove what is there: --fresh. Or choose another --out"
        )
    return words


def _decisive(settings: dict[str, Any]) -> dict[str, Any]:
    """All settings that decide the resulting weights, flat."""
    options = {name: one for name, one in settings["options"].items() if name not in FREE}
    for name in ("batch_size", "accumulation"):  # only their product with the number of processes matters
        options.pop(name, None)
    if options.get("schedule") == "constant":  # then more steps only make it longer
        options.pop("steps", None)
    dataset = settings["dataset"].get("fingerprint")
    plain = {name: settings[name] for name in ("seed", "dtype", "photos_per_step")}
    return {**plain, "dataset": dataset, **options}


def _short(value: Any) -> str:
    return "not set" if value is None else str(value)
