"""`t2f compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .common import resumable
from .generation import code_of, generation_options, settings_from


@click.command(short_help="Compare images of the base model and of the LoRA.")
@click.argument("model", metavar="LORA")
@click.argument("prompts", nargs=-1, metavar="PROMPT…")
@click.option("--prompts", "file", type=click.Path(path_type=Path), help="More prompts, as for t2f generate.")
@click.option("--captions", type=click.Path(path_type=Path), metavar="RUN", help="More prompts, as for t2f generate.")
@click.option("--limit", type=click.IntRange(1), help="Prompts at most.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder.  [default: drawings/LORA/compare]")
@click.option("--pairs", type=click.IntRange(1), default=2, show_default=True, help="Pairs next to each other.")
@click.option("--cell", type=click.IntRange(16), help="Width of the images on the sheet.  [default: their own]")
@click.option("--font", type=click.Path(path_type=Path), help="A font file for the words.")
@generation_options
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    model: str,
    prompts: tuple[str, ...],
    file: Path | None,
    captions: Path | None,
    limit: int | None,
    out: Path | None,
    pairs: int,
    cell: int | None,
    font: Path | None,
    **given: Any,
) -> int:
    """Generate each prompt with the base model and with the LoRA from the same noise, and show both side by side.

    \b
    t2f compare loras/photos "A woman with wavy brown hair and an open mouth." "A bald man with a beard."
    t2f compare loras/photos --captions runs/photos --limit 12 --out comparison

    OUT/compare.png is the sheet; the images themselves are in OUT/pictures, as t2f generate writes them.
    """
    from .. import library

    with resumable():
        made = library.compare(
            model,
            prompts,
            file=file,
            captions=captions,
            limit=limit,
            out=out,
            pairs=pairs,
            cell=cell,
            font=font,
            **settings_from(ctx, given),
        )
    for path in made.paths:
        click.echo(str(path))
    return code_of(made.images)
