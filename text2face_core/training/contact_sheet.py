"""The contact sheet: the same prompts and seeds at each validation, a row each."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

SHEET = "contact_sheet.png"
CELL, HEAD, SIDE = 192, 48, 96


def sample_folder(out: Path, step: int) -> Path:
    """The folder of a validation's images."""
    return out / "validation" / f"step-{step:07d}"


def draw_contact_sheet(
    out: Path, prompts: Sequence[str], seeds: Sequence[int], losses: Mapping[int, float]
) -> Image | None:
    """A sheet of all validation images so far: a row for each validation, a column for each prompt and seed."""
    from PIL import Image, ImageDraw, ImageFont

    columns = [(one, place) for one in range(len(prompts)) for place in range(len(seeds))]
    rows = sorted(int(path.name[5:]) for path in (out / "validation").glob("step-*"))
    if not rows or not columns:
        return None
    sheet = Image.new("RGB", (SIDE + CELL * len(columns), HEAD + CELL * len(rows)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for place, (prompt, seed) in enumerate(columns):
        lines = textwrap.wrap(prompts[prompt], 32)[:2]
        title = "\n".join([*lines, f"seed {seeds[seed]}"])
        pen.multiline_text((SIDE + CELL * place + 4, 2), title, "black", font, spacing=2)
    for row, step in enumerate(rows):
        loss = f"\nloss {losses[step]:.4f}" if step in losses else ""
        pen.multiline_text((4, HEAD + CELL * row + 4), f"step {step}{loss}", "black", font)
        for place, (prompt, seed) in enumerate(columns):
            path = sample_folder(out, step) / sample_name(prompt, seed)
            if path.is_file():
                cell = Image.open(path).resize((CELL, CELL), Image.Resampling.LANCZOS)
                sheet.paste(cell, (SIDE + CELL * place, HEAD + CELL * row))
    return sheet


def sample_name(prompt: int, seed: int) -> str:
    """The file name of an image."""
    return f"{prompt}-{seed}.png"
