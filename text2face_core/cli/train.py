"""`t2f train`."""

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


@click.command(short_help="Teach a text-to-image model what captions say.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Where the model goes.  [default: loras/NAME OF SOURCE]")
@click.option("--base", metavar="ID|PATH", help="The model to start from: a Hugging Face id, or a folder.")
@click.option("--resolution", type=int, metavar="N", help="Side of the pictures, in pixels.")
@click.option("--steps", type=int, metavar="N", help="How often weights are changed.")
@click.option("--batch-size", type=int, metavar="N", help="Pictures per process and forward pass.")
@click.option("--push-to-hub", metavar="ID", help="Upload the result to this Hugging Face id.")
@click.option("--recipe", default="starter", show_default=True, help="A recipe's name, or a TOML file.")
@click.option("--plugins", default="", metavar="NAME", help="The trainer, where there are several.")
@click.option("--set", "settings", multiple=True, metavar="PLUGIN.OPTION=VALUE", help="Set one option.")
@click.option("--seed", type=int, help="Other draws of captions, order and noise.")
@click.option("--device", help="cpu, cuda, cuda:1, mps.  [default: a GPU where there is one]")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Precision of what is not trained.  [default: bfloat16 on a GPU that has it, else float32]",
)
@click.option("--threads", type=click.IntRange(0), default=0, help="Threads on the CPU; 0 for all cores.")
@click.option("--offline", is_flag=True, default=None, help="Fetch no model files.")
@click.option("--resume", is_flag=True, help="Go on with what OUT holds even though settings have changed.")
@click.option("--fresh", is_flag=True, help="Begin anew, and remove the checkpoints that OUT holds.")
@trust_option
@click.pass_context
def train(ctx: click.Context, /, source: Path, out: Path | None, recipe: str, **given: Any) -> int:
    """Teach a text-to-image model what captions say. SOURCE is a run directory, an imagefolder or web-dataset shards.

    \b
    t2f train runs/photos --out loras/photos
    t2f train runs/photos --out loras/paper --recipe paper
    t2f train runs/photos --out loras/photos --steps 5000 --set sd_lora.rank=16
    accelerate launch --num_processes 8 -m text2face_core train runs/photos --out loras/photos

    Training can be stopped at any time: the same command goes on where it stopped, and ends as if it had not been.
    What can be set: t2f plugins show sd_lora.
    """
    from ..contracts import Runtime
    from ..dataset import open_dataset
    from ..recipe import Recipe
    from .progress import make_progress

    if given["resume"] and given["fresh"]:
        raise click.UsageError("--resume goes on and --fresh begins anew: give one of them")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plugins = plugins_of(ctx)
    written = Recipe.load(recipe)
    chosen = _overridden(written, plugins, given)
    chosen = settle_trust(written, chosen, plugins, Recipe.file_of(recipe), trust=given["trust"], ctx=ctx)
    said = {name: given[name] for name in SHORTCUTS if given[name] is not None}
    if given["resume"] or given["fresh"]:
        said["resume"] = "always" if given["resume"] else "never"
    trainer, options = trainer_of(chosen, plugins, said)
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
            click.echo("t2f: stopped; the same command goes on from here", err=True)
        raise
    if main:
        click.echo(str(trained.path))
    return DONE


def _overridden(recipe: Recipe, plugins: Plugins, given: dict[str, Any]) -> Recipe:
    from ..plugins import split_names

    recipe = recipe.with_plugins(plugins, split_names(given["plugins"])).with_settings(given["settings"])
    return recipe if given["seed"] is None else recipe.with_settings([f"seed={given['seed']}"])


def trainer_of(recipe: Recipe, plugins: Plugins, said: dict[str, Any]) -> tuple[Registered, BaseModel]:
    """The recipe's trainer and its options: the recipe's, and what flags `said` over them.

    Raises RecipeError where an option is wrong or unknown to the trainer.
    """
    from pydantic import ValidationError

    from ..errors import RecipeError
    from ..recipe import explain

    trainer = plugins.component(recipe.trainer or _only_trainer(plugins), "trainer")
    model = trainer.component.options
    for name in said:
        if name not in model.model_fields:
            raise RecipeError(f"{trainer.name} has no option {name}; it has: {', '.join(model.model_fields)}")
    try:
        return trainer, model.model_validate({**recipe.plugins.get(trainer.name, {}), **said})
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        raise RecipeError(f"{trainer.name}: {explain(error)} (options of {trainer.name}: {known})") from error


def _only_trainer(plugins: Plugins) -> str:
    from ..errors import RecipeError

    names = [one.name for one in plugins.components() if one.kind == "trainer"]
    if len(names) != 1:
        raise RecipeError(f"name the trainer: --plugins {' or '.join(names) or 'NAME (none is installed)'}")
    return names[0]


def hardware(given: dict[str, Any]) -> tuple[str, str, int]:
    """Device, dtype and threads as `given`, where nothing was said the best that there is."""
    from ..library import usable_cores

    threads = given["threads"] or max(1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    device, dtype = given["device"], given["dtype"]
    if device is None or dtype is None:
        try:
            import torch
        except ImportError:  # building the trainer will say what to install
            return "cpu", "float32", threads
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        # V100 and T4 can only imitate bfloat16, slower than float32
        narrow = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
        dtype = dtype or ("bfloat16" if narrow else "float32")
    return device, dtype, threads
