"""`t2f sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .generation import code_of, default_folder, generation_options, open_session


@click.command(short_help="Draw one prompt with changing words as a grid.")
@click.argument("model", metavar="LORA|none")
@click.argument("prompt")
@click.option("--values", multiple=True, metavar="NAME=A,B,…", help="What goes into {NAME}. Once for each placeholder.")
@click.option("--seeds", metavar="A,B,…", help="A row for each of these seeds, in the place of --seed.")
@click.option("--out", type=click.Path(path_type=Path), help="The grid's file.  [default: drawings/LORA/sweep.png]")
@click.option("--wrap", type=click.IntRange(0), default=0, help="So many columns beside each other at most.")
@click.option("--cell", type=click.IntRange(16), help="Width of the pictures on the grid.  [default: as drawn]")
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
    """Draw one prompt with changing words and the same noise, as a labelled grid.

    \b
    t2f sweep loras/photos "A {age} year old white male with black hair and happy expression." \\
        --values age=10,20,30,40,50,60,70
    t2f sweep loras/photos "A {age} year old woman with {hair} hair." \\
        --values age=20,40,60 --values hair=black,blond,red --out grid.png
    t2f sweep none "A {age} year old man." --values age=20,40,60 --seeds 0,1,2

    One list of values makes a row; two make rows and columns, in the order given; of further ones every choice makes a
    grid of its own (grid-1.png, grid-2.png, …). A value with a comma stands in double quotes:
    --values 'hair=black,"long, blond"'. An empty value leaves its place empty.

    The pictures themselves lie beside the grid, in a folder of its name, and are not drawn again.
    """
    from ..generation import cells_of, grid, open_font, pages, parse_values, save

    found, numbers = pages(prompt, parse_values(values)), _seeds(seeds, given["seed"])
    if len(numbers) > 1 and found[0].rows:
        raise click.UsageError(
            "--seeds makes rows, which two lists of values make already: give one list, or one --seed"
        )
    if font:
        open_font(font)
    session = open_session(ctx, model, given)
    target = out or default_folder(model) / "sweep.png"
    target = target if target.suffix.lower() == ".png" else target / "sweep.png"
    sheets, first = [], 0
    for page in found:
        rows, cells = cells_of(page, session.like, numbers, first)
        sheets.append((page, rows, cells))
        first += sum(map(len, page.prompts))
    drawn = session.generate(
        [picture for _, _, cells in sheets for row in cells for picture in row], target.with_suffix("")
    )
    paths = iter(drawn.paths)
    for number, (page, rows, cells) in enumerate(sheets, 1):
        files = [[next(paths) for _ in row] for row in cells]
        title = "\n".join([prompt, page.title]) if page.title else prompt
        sheet = grid(files, page.columns, rows, title, size=session.cell(cell), wrap=wrap, font=font)
        path = target if len(sheets) == 1 else target.with_stem(f"{target.stem}-{number}")
        save(sheet, path, files, {"prompt": prompt, "title": page.title, "rows": rows, "columns": page.columns})
        click.echo(str(path))
    return code_of(drawn)


def _seeds(seeds: str | None, seed: int) -> list[int]:
    if seeds is None:
        return [seed]
    try:
        numbers = list(dict.fromkeys(int(one) for one in seeds.split(",")))
    except ValueError as error:
        raise click.BadParameter("write whole numbers, such as 0,1,2", param_hint="--seeds") from error
    if not 0 <= min(numbers) <= max(numbers) < 2**64:
        raise click.BadParameter("seeds are not negative, and below 2^64", param_hint="--seeds")
    return numbers
