"""`t2f demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import DONE, SOME_FAILED
from .common import plugins_of, quiet_of, resumable, store_of


@click.command(short_help="Caption, train, generate and measure, in a few minutes on a laptop.")
@click.option(
    "--out", default="demo", show_default=True, type=click.Path(path_type=Path), help="The folder of all results."
)
@click.option(
    "--examples",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="The folder examples of the repository.  [default: that of the clone]",
)
@click.option("--steps", type=click.IntRange(1), help="Optimizer steps of tuning.  [default: the trainer's own]")
@click.option(
    "--prompts", type=click.IntRange(2), default=48, show_default=True, help="Captions that adherence is measured with."
)
@click.option(
    "--threads", type=click.IntRange(0), default=0, help="CPU threads; 0: one for each usable core, at most 16."
)
@click.option("--offline", is_flag=True, default=None, help="Fetch no model files.")
@click.pass_context
def demo(ctx: click.Context, /, offline: bool | None, **given: Any) -> int:
    """Show on a laptop, in a few minutes, that captions make a text-to-face model follow words.

    It captions the example photos; tunes a small base model, which draws faces but hardly follows words, on captions of
    synthetic portraits; generates with both from equal prompts and seeds; grades the images; and writes one page,
    OUT/demo.html. It needs pip install '.[style,evaluate]' and a clone of the repository. The same command
    resumes after an interruption.
    """
    from .. import library
    from .progress import make_progress

    with resumable():
        result = library.run_demo(
            **given,
            progress=make_progress(quiet=quiet_of(ctx)),
            available=plugins_of(ctx),
            models=store_of(ctx, offline=offline),
        )
    if not quiet_of(ctx):
        click.echo(f"t2f: {result.headline}", err=True)
    click.echo(str(result.page))
    return SOME_FAILED if result.evaluation.failed else DONE
