"""`t2f faces`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import DONE
from .common import plugins_of, quiet_of, resumable, store_of


@click.command(short_help="Render portraits of people who do not exist.")
@click.option("--count", type=click.IntRange(1), required=True, metavar="N", help="Number of portraits.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder of the portraits.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the first portrait.")
@click.option(
    "--size", type=click.IntRange(32, 4096), default=512, show_default=True, help="Side of the images, in pixels."
)
@click.option(
    "--truncation",
    type=click.FloatRange(0, 2),
    default=0.9,
    show_default=True,
    help="Truncation: 1 for the full variety of faces, less for faces nearer to the mean face.",
)
@click.option("--plugins", default="", metavar="NAME", help="The plugin with the renderer, if several are installed.")
@click.option(
    "--threads", type=click.IntRange(0), default=0, help="CPU threads; 0: one for each usable core, at most 16."
)
@click.option("--offline", is_flag=True, default=None, help="Fetch no model files.")
@click.pass_context
def faces(ctx: click.Context, /, count: int, out: Path, offline: bool | None, **given: Any) -> int:
    """Render portraits of people who do not exist: data to try captions, training and evaluation on.

    \b
    t2f faces --count 1000 --out portraits
    t2f run portraits
    t2f train runs/portraits --plugins style_flow

    Each JPEG is named after its seed and holds, in its comment, the vector that it was rendered from: style_flow trains
    on it. The same command resumes after an interruption, and the same seeds give the same faces. Only renderers that
    are installed can be used: pip install '.[style]'.
    """
    from .. import library
    from .progress import make_progress

    with resumable():
        result = library.make_faces(
            count,
            out,
            **given,
            progress=make_progress(quiet=quiet_of(ctx), unit="portrait"),
            available=plugins_of(ctx),
            models=store_of(ctx, offline=offline),
        )
    click.echo(str(result.folder))
    return DONE
