"""Train a text-to-image model on captioned photos."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import Progress, Runtime, TrainedModel
from ..dataset import open_dataset
from ..errors import RecipeError
from ..models import ModelStore
from ..plugins import Plugins
from ..recipe import Recipe
from ..training import SETTINGS
from ..trust import require_trust
from ..utils import check_device, default_threads, explain_validation, parse_toml
from .session import Silent, override

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..plugins import Registered


DEFAULT_TRAINER = "sd_lora"
"""Used when several trainers are installed, and neither recipe nor plugins name one."""


def train(
    source: str | Path,
    *,
    out: str | Path | None = None,
    recipe: str | Path | Recipe = "starter",
    plugins: str | Sequence[str] = (),
    settings: Iterable[str] = (),
    seed: int | None = None,
    device: str | None = None,
    dtype: str | None = None,
    threads: int = 0,
    progress: Progress | None = None,
    available: Plugins | None = None,
    models: ModelStore | None = None,
    trust: bool = False,
    **options: Any,
) -> TrainedModel:
    """Train a text-to-image model on captioned photos, as `t2f train` does.

    A training that was stopped is resumed by the same call.

    Args:
        source: A run directory, an imagefolder or web-dataset shards.
        out: Where the model goes; by default loras/NAME OF SOURCE.
        recipe: A recipe's name, a TOML file, or a recipe.
        plugins: The trainer, if several are installed.
        settings: As for --set.
        seed: Random seed for captions, order and noise.
        device: "cpu", "cuda", "cuda:1" or "mps"; by default a GPU if there is any.
        dtype: Precision of what is not trained; by default bfloat16 on a GPU that has it, else float32.
        threads: Threads on the CPU; 0 for all cores.
        progress: Receives how far the training has come.
        available: The plugins that may be used; by default all that are installed.
        models: Where model files come from.
        trust: Allow what a recipe file reaches, as --trust does.
        options: Options of the trainer, such as steps=5000 (see `t2f plugins show sd_lora`); None leaves it unset.

    Returns:
        The folder of the model, and its last figures.

    Raises:
        UsageError: The request is wrong.

    Example:
        >>> train("runs/photos", out="loras/photos", steps=100).path  # doctest: +SKIP
        PosixPath('loras/photos')
    """
    found = available or Plugins.load()
    shown = progress or Silent()
    written = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    chosen = override(written, found, names=plugins, settings=settings, seed=seed)
    if not isinstance(recipe, Recipe) and (where := Recipe.file_of(recipe)):
        require_trust(written, chosen, found, where, trust=trust, say=shown.say)
    if plugins and not chosen.trainer:
        raise RecipeError(f"no trainer among {_list(plugins)}; installed: {_list(installed_trainers(found))}")
    given = {name: value for name, value in options.items() if value is not None}
    trainer, checked = choose_trainer(chosen, found, given, default=trainer_of(options.get("base")))
    runtime = Runtime(
        models or ModelStore(say=shown.say), *choose_hardware(device=device, dtype=dtype, threads=threads), chosen.seed
    )
    place = Path(source)
    target = Path("loras") / (place.absolute().name or "photos") if out is None else Path(out)
    built = found.build(trainer, checked, runtime)  # first, as it says which packages are missing
    result: TrainedModel = built.train(open_dataset(place), target, shown)
    return result


def choose_trainer(
    recipe: Recipe, plugins: Plugins, given: Mapping[str, Any], *, default: str | None = None
) -> tuple[Registered, BaseModel]:
    """The recipe's trainer and its options: those of the recipe, and those `given` over them.

    default: the trainer to use if the recipe names none.

    Raises:
        RecipeError: An option is wrong or unknown to the trainer, or the trainer must be named.
    """
    from pydantic import ValidationError

    trainer = plugins.component(recipe.trainer or default or default_trainer(plugins), "trainer")
    model = trainer.component.options
    for name in given:
        if name not in model.model_fields:
            raise RecipeError(f"{trainer.name} has no option {name}; it has: {', '.join(model.model_fields)}")
    try:
        return trainer, model.model_validate({**recipe.plugins.get(trainer.name, {}), **given})
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        raise RecipeError(
            f"{trainer.name}: {explain_validation(error, model)} (options of {trainer.name}: {known})"
        ) from error


def trainer_of(*places: str | Path | None) -> str | None:
    """The trainer that wrote one of these models, as its train.toml says; None if none says so."""
    for place in places:
        path = Path(place).expanduser() if place else None
        if path is None:
            continue
        settings = (path if path.is_dir() else path.parent) / SETTINGS
        try:
            found = parse_toml(settings.read_bytes()).get("trainer") if settings.is_file() else None
        except (OSError, ValueError):
            continue
        if isinstance(found, str):
            return found
    return None


def default_trainer(plugins: Plugins) -> str:
    """The trainer to use when none is named: the only trainer, or sd_lora. Raises RecipeError if there is neither."""
    if any(one.name == DEFAULT_TRAINER and one.kind == "trainer" for one in plugins.known_components()):
        return DEFAULT_TRAINER
    names = installed_trainers(plugins)
    if DEFAULT_TRAINER in names or len(names) == 1:
        return DEFAULT_TRAINER if DEFAULT_TRAINER in names else names[0]
    raise RecipeError(f"name the trainer: --plugins {' or '.join(names) or 'NAME (none is installed)'}")


def installed_trainers(plugins: Plugins) -> list[str]:
    """The names of all trainers that are installed."""
    return [one.name for one in plugins.components() if one.kind == "trainer"]


def _list(names: str | Sequence[str]) -> str:
    return names if isinstance(names, str) else ", ".join(names)


def choose_hardware(*, device: str | None = None, dtype: str | None = None, threads: int = 0) -> tuple[str, str, int]:
    """Device, dtype and threads: as given, else the best of this machine.

    Raises:
        UsageError: The device does not exist.
    """
    # Set before torch is imported: threads that wait for others sleep, and do not keep a busy core from working
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    threads = threads or default_threads(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if device is not None:
        check_device(device)
    if device is None or dtype is None:
        try:
            import torch
        except ImportError:  # building the trainer will say what to install
            return "cpu", "float32", threads
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        # V100 and T4 can only emulate bfloat16, slower than float32
        fast = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
        dtype = dtype or ("bfloat16" if fast else "float32")
    return device, dtype, threads
