"""`t2f train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from . import DONE
from .common import plugins_of, quiet_of, resumable, store_of, trust_option

SHORTCUTS = ("base", "resolution", "steps", "batch_size", "push_to_hub")
"""Options of the trainer that have a flag; all others are set with --set."""


@click.command(short_help="Train a text-to-image model on captioned photos.")
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
    """Train a text-to-image model on captioned photos. SOURCE is a run directory, or a captioned data set in any format
    that t2f export writes.

    \b
    t2f train runs/photos --out loras/photos
    t2f train runs/photos --out loras/paper --recipe paper
    t2f train runs/photos --out loras/photos --steps 5000 --set sd_lora.rank=16
    accelerate launch --num_processes 8 -m text2face_core train runs/photos --out loras/photos

    Training can be stopped at any time: the same command resumes it, and ends with the same weights.
    Options for --set: t2f plugins show sd_lora.
    """
    from .. import library
    from .progress import make_progress

    if given["resume"] and given["fresh"]:
        raise click.UsageError("--resume continues and --fresh starts again: give one of them")
    options = {name: given[name] for name in SHORTCUTS}
    if given["resume"] or given["fresh"]:
        options["resume"] = "always" if given["resume"] else "never"
    main = os.environ.get("RANK", "0") == "0"  # as torchrun and accelerate tell the processes that they start
    with resumable(show=main):
        trained = library.train(
            source,
            out=out,
            recipe=recipe,
            **{name: given[name] for name in ("plugins", "settings", "seed", "device", "dtype", "threads")},
            progress=make_progress(quiet=quiet_of(ctx) or not main),
            available=plugins_of(ctx),
            models=store_of(ctx, offline=given["offline"]),
            trust=given["trust"],
            **options,
        )
    if main:
        click.echo(str(trained.path))
    return DONE
