"""train.toml: the settings of a training, and whether another command may resume it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from ..utils import write_text

if TYPE_CHECKING:
    from ..contracts import CaptionedDataset

SETTINGS = "train.toml"

# Options that change neither weights nor training data.
FREE = frozenset({
    "checkpoint_every", "guidance", "inference_steps", "keep_checkpoints", "prompt_seeds", "prompts", "push_to_hub",
    "resume", "tensorboard", "validate_every",
})  # fmt: skip


def _unchanged(settings: dict[str, Any]) -> dict[str, Any]:
    return settings


@dataclass(frozen=True, slots=True)
class SettingsRules:
    """What a trainer's settings mean for resuming.

    Attributes:
        free: Its own options that change neither weights nor training data.
        form: Options of which the shapes of the weights depend: with others, a checkpoint does not fit.
        upgrade: Called with the settings of an earlier release, returns them as this release writes them.
    """

    free: frozenset[str] = frozenset()
    form: tuple[str, ...] = ()
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] = _unchanged


def describe_dataset(dataset: CaptionedDataset) -> dict[str, Any]:
    """What train.toml says about the data set."""
    return {
        "source": str(dataset.path.absolute()),
        "fingerprint": dataset.fingerprint,
        "fusers": list(dataset.fusers),
    }


def read_settings(out: Path) -> dict[str, Any] | None:
    """The settings of the training in `out`; None if there is none. Raises RunError when they cannot be read."""
    try:
        return tomllib.loads((out / SETTINGS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(
            f"{out / SETTINGS} cannot be read: {error}. Choose another --out, or start again with --fresh"
        ) from error


def write_settings(out: Path, settings: dict[str, Any]) -> None:
    """Write train.toml."""
    import tomli_w

    write_text(out / SETTINGS, tomli_w.dumps(settings))


def compare_settings(
    before: dict[str, Any], now: dict[str, Any], out: Path, resume: str, rules: SettingsRules
) -> list[str]:
    """The differences in words. Raises RunError when the training cannot be resumed with them."""
    before = rules.upgrade(before)
    old, new = decisive_settings(before, rules), decisive_settings(now, rules)
    changed = [name for name in new if new[name] != old.get(name)] + [name for name in old if name not in new]
    form = [name for name in rules.form if before["options"].get(name) != now["options"].get(name)]
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


def decisive_settings(settings: dict[str, Any], rules: SettingsRules) -> dict[str, Any]:
    """All settings that decide the resulting weights, flat."""
    options = {name: one for name, one in settings["options"].items() if name not in FREE | rules.free}
    for name in ("batch_size", "accumulation"):  # only their product with the number of processes matters
        options.pop(name, None)
    if options.get("schedule") == "constant":  # then more steps only make it longer
        options.pop("steps", None)
    dataset = settings["dataset"].get("fingerprint")
    plain = {name: settings[name] for name in ("seed", "dtype", "photos_per_step")}
    return {**plain, "dataset": dataset, **options}


def _short(value: Any) -> str:
    return "not set" if value is None else str(value)
