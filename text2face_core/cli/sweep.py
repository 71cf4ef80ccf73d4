"""`t2f sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .common import resumable
from .generation import code_of, generation_options, settings_from


@click.command(short_help="Generate one prompt with changing words as a grid.")
@click.argument("model", metavar="LORA|none")
@click.argument("prompt")
@click.option("--values", multiple=True, metavar="NAME=A,B,…", help="Values for {NAME}. Once for each placeholder.")
@click.option("--seeds", metavar="A,B,…", help="A row for each of these seeds, instead of --seed.")
@click.option("--out", type=click.Path(path_type=Path), help="The grid's file.  [default: drawings/LORA/sweep.png]")
@click.option("--wrap", type=click.IntRange(0), default=0, help="Columns next to each other at most; 0 for no limit.")
@click.option("--cell", type=click.IntRange(16), help="Width of the images on the grid.  [default: their own]")
@click.option("--font", type=click.Path(path_type=Path), help="A font file for the labels.")
@generation_options
@click.pass_context
def sweep(
    ctx: click.Context,
    /,
    model: str,
    prompt: str,
    values: tuple[str, ...],
    seeds: str | None,
    out: Path | None,
    wrap: int,
    cell: int | None,
    font: Path | None,
    **given: Any,
) -> int:
    """Generate a prompt with changing words and the same noise, as a labelled grid.

    \b
    t2f sweep loras/photos "A {age} year old white male with black hair and happy expression." \\
        --values age=10,20,30,40,50,60,70
    t2f sweep loras/photos "A {age} year old woman with {hair} hair." \\
        --values age=20,40,60 --values hair=black,blond,red --out grid.png
    t2f sweep none "A {age} year old man." --values age=20,40,60 --seeds 0,1,2

    One list of values makes a row; two make rows and columns, in the order given; each combination of further lists
    makes its own grid (grid-1.png, grid-2.png, …). Put a value with a comma in double quotes:
    --values 'hair=black,"long, blond"'. An empty value leaves its place empty.

    The images themselves are next to the grid, in a folder with its name, and are not generated again.
    """
    from .. import library
    from ..generation import parse_values

    numbers = _seeds(seeds)
    with resumable():
        made = library.sweep(
            model,
            prompt,
            parse_values(values),
            seeds=numbers,
            out=out,
            wrap=wrap,
            cell=cell,
            font=font,
            **settings_from(ctx, given),
        )
    for path in made.paths:
        click.echo(str(path))
    return code_of(made.images)


def _seeds(seeds: str | None) -> list[int]:
    if seeds is None:
        return []
    try:
        numbers = list(dict.fromkeys(int(one) for one in seeds.split(",")))
    except ValueError as error:
        raise click.BadParameter("write whole numbers, such as 0,1,2", param_hint="--seeds") from error
    if not 0 <= min(numbers) <= max(numbers) < 2**64:
        raise click.BadParameter("seeds must be between 0 and 2^64 - 1", param_hint="--seeds")
    return numbers
