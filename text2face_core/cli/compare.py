"""`t2f compare`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .generation import NONE, code_of, default_folder, generation_options, open_session


@click.command(short_help="Draw prompts with the base model and with the LoRA, side by side.")
@click.argument("model", metavar="LORA")
@click.argument("prompts", nargs=-1, metavar="PROMPT…")
@click.option("--prompts", "file", type=click.Path(path_type=Path), help="More prompts, as for t2f generate.")
@click.option("--captions", type=click.Path(path_type=Path), metavar="RUN", help="More prompts, as for t2f generate.")
@click.option("--limit", type=click.IntRange(1), help="So many prompts at most.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder.  [default: drawings/LORA/compare]")
@click.option("--pairs", type=click.IntRange(1), default=2, show_default=True, help="Pairs beside each other.")
@click.option("--cell", type=click.IntRange(16), help="Width of the pictures on the sheet.  [default: as drawn]")
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
    """Draw each prompt with the base model and with the LoRA from the same noise, side by side, the prompt below.

    \b
    t2f compare loras/photos "A woman with wavy brown hair and an open mouth." "A bald man with a beard."
    t2f compare loras/photos --captions runs/photos --limit 12 --out comparison

    OUT/compare.png is the sheet; the pictures themselves are in OUT/pictures, as t2f generate draws them.
    """
    from ..generation import open_font, pairs as sheet_of_pairs, plan_images, read_prompts, save

    if model == NONE:
        raise click.UsageError("a comparison needs a LoRA; the base model alone draws with: t2f generate none …")
    if not given["scale"]:
        raise click.UsageError("with --lora-scale 0 both pictures would be the base model's")
    if not (prompts or file or captions):
        raise click.UsageError(
            'what shall be drawn? Give prompts, as in t2f compare LORA "A smiling woman.", or --prompts'
        )
    asked = read_prompts(prompts, file, captions, limit)
    if font:
        open_font(font)
    session = open_session(ctx, model, given)
    folder = out or default_folder(model) / "compare"
    trained = plan_images(asked, session.like)
    plain = [replace(one, request=replace(one.request, scale=0.0), mark="base") for one in trained]
    drawn = session.generate([*plain, *(replace(one, mark="lora") for one in trained)], folder / "pictures")
    cells = list(zip(drawn.paths[: len(asked)], drawn.paths[len(asked) :], strict=True))
    identity = session.generator.identity(session.like)
    names = (identity.get("base", "base"), identity.get("lora", model))
    sheet = sheet_of_pairs([one.text for one in asked], cells, names, size=session.cell(cell), beside=pairs, font=font)
    path = folder / "compare.png"
    save(sheet, path, cells, {"prompt": [one.text for one in asked], "columns": names})
    click.echo(str(path))
    return code_of(drawn)
