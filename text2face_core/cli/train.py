"""`t2f train`, and how it and `t2f generate` choose trainer, device and threads."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import DONE
from .common import plugins_of, settle_trust, store_of, trust_option

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..plugins import Plugins, Registered
    from ..recipe import Recipe

SHORTCUTS = ("base", "resolution", "steps", "batch_size", "push_to_hub")
"""Options of the trainer that have a flag of their own; all others are set with --set."""
DEFAULT_TRAINER = "sd_lora"
"""Used when several trainers are installed, and neither recipe nor --plugins names one."""


@click.command(short_help="Teach a text-to-image model what captions say.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Output folder of the model.  [default: loras/NAME OF SOURCE]"
)
@click.option("--base", metavar="ID|PATH", help="Base model: a Hugging Face id, or a folder.")
@click.option("--resolution", type=int, metavar="N", help="Resolution: side of the square crops, in pixels.")
@click.option("--steps", type=int, metavar="N", help="Optimizer steps.")
@click.option("--batch-size", type=int, metavar="N", help="Batch size: photos per process and forward pass.")
@click.option("--push-to-hub", metavar="ID", help="Hugging Face id to upload the result to.")
@click.option("--recipe", default="starter", show_default=True, help="A recipe's name, or a TOML file.")
@click.option(
    "--plugins", default="", metavar="NAME", help="The trainer, if several are installed.  [default: sd_lora]"
)
@click.option("--set", "settings", multiple=True, metavar="PLUGIN.OPTION=VALUE", help="Set one option.")
@click.option("--seed", type=int, help="Random seed for captions, order and noise.")
@click.option("--device", help="cpu, cuda, cuda:1, mps.  [default: a GPU, if there is one]")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Precision of the frozen weights.  [default: bfloat16 on a GPU that supports it, else float32]",
)
@click.option(
    "--threads", type=click.IntRange(0), default=0, help="CPU threads; 0: one for each usable core, at most 16."
)
@click.option("--offline", is_flag=True, default=None, help="Download no model files.")
@click.option("--resume", is_flag=True, help="Resume the training in OUT even if settings or pictures have changed.")
@click.option("--fresh", is_flag=True, help="Start again, and remove the checkpoints in OUT.")
@trust_option
@click.pass_context
def train(ctx: click.Context, /, source: Path, out: Path | None, recipe: str, **given: Any) -> int:
    """Teach a text-to-image model what captions say. SOURCE is a run directory, or a captioned data set in any format
    that t2f export writes.

    \b
    t2f train runs/photos --out loras/photos
    t2f train runs/photos --out loras/paper --recipe paper
    t2f train runs/photos --out loras/photos --steps 5000 --set sd_lora.rank=16
    accelerate launch --num_processes 8 -m text2face_core train runs/photos --out loras/photos

    Training can be stopped at any time: the same command resumes it, and ends with the same weights.
    Options for --set: t2f plugins show sd_lora.
    """
    from ..contracts import Runtime
    from ..dataset import open_dataset
    from ..recipe import Recipe
    from .progress import make_progress

    if given["resume"] and given["fresh"]:
        raise click.UsageError("--resume continues and --fresh starts again: give one of them")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plugins = plugins_of(ctx)
    written = Recipe.load(recipe)
    chosen = _overridden(written, plugins, given)
    chosen = settle_trust(written, chosen, plugins, Recipe.file_of(recipe), trust=given["trust"], ctx=ctx)
    flags = {name: given[name] for name in SHORTCUTS if given[name] is not None}
    if given["resume"] or given["fresh"]:
        flags["resume"] = "always" if given["resume"] else "never"
    trainer, options = trainer_of(chosen, plugins, flags)
    main = os.environ.get("RANK", "0") == "0"  # as torchrun and accelerate tell the processes that they start
    device, dtype, threads = hardware(given)
    runtime = Runtime(store_of(ctx, offline=given["offline"]), device, dtype, threads, chosen.seed)
    progress = make_progress(quiet=ctx.find_root().obj["quiet"] or not main)
    where = out or Path("loras") / (source.absolute().name or "photos")
    try:
        built = plugins.build(trainer, options, runtime)  # first, as it says which packages are missing
        trained = built.train(open_dataset(source), where, progress)
    except KeyboardInterrupt:
        if main:
            click.echo("t2f: stopped; the same command resumes it", err=True)
        raise
    if main:
        click.echo(str(trained.path))
    return DONE


def _overridden(recipe: Recipe, plugins: Plugins, given: dict[str, Any]) -> Recipe:
    from ..plugins import split_names

    recipe = recipe.with_plugins(plugins, split_names(given["plugins"])).with_settings(given["settings"])
    return recipe if given["seed"] is None else recipe.with_settings([f"seed={given['seed']}"])


def trainer_of(recipe: Recipe, plugins: Plugins, flags: dict[str, Any]) -> tuple[Registered, BaseModel]:
    """The trainer and its options: those of the recipe, overridden by `flags`.

    Raises RecipeError when an option is wrong or unknown to the trainer.
    """
    from pydantic import ValidationError

    from ..errors import RecipeError
    from ..recipe import explain

    trainer = plugins.component(recipe.trainer or default_trainer(plugins), "trainer")
    model = trainer.component.options
    for name in flags:
        if name not in model.model_fields:
            raise RecipeError(f"{trainer.name} has no option {name}; it has: {', '.join(model.model_fields)}")
    try:
        return trainer, model.model_validate({**recipe.plugins.get(trainer.name, {}), **flags})
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        raise RecipeError(f"{trainer.name}: {explain(error)} (options of {trainer.name}: {known})") from error


def default_trainer(plugins: Plugins) -> str:
    """The trainer to use when none is named: the only one, or sd_lora. Raises RecipeError if there is no such."""
    from ..errors import RecipeError

    names = [one.name for one in plugins.components() if one.kind == "trainer"]
    if DEFAULT_TRAINER in names or len(names) == 1:
        return DEFAULT_TRAINER if DEFAULT_TRAINER in names else names[0]
    raise RecipeError(f"name the trainer: --plugins {' or '.join(names) or 'NAME (none is installed)'}")


def hardware(given: dict[str, Any]) -> tuple[str, str, int]:
    """Device, dtype and threads as `given`, or else the best of this machine.

    Raises UsageError when the device does not exist.
    """
    from ..utils import check_device, default_threads

    # Set before torch is imported: threads that wait for others sleep, and do not keep a busy core from working
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    threads = given["threads"] or default_threads(int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    device, dtype = given["device"], given["dtype"]
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
