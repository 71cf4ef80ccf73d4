"""Sheets of images with text: labelled rows and columns, and pairs with the prompt under them.

Images are not resized unless a smaller width is given, so a cell of a sheet is the image itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UsageError
from ..utils import replacing

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

Box = tuple[int, int, int, int]

LEAST_SLOT = 96
"""Smallest width of a cell in pixels, so that text fits over small pictures."""
PAPER, INK, MISSING = "white", "#1a1a1a", "#d8d8d8"
# Fonts of common systems, tried in this order if a text has letters that Pillow's own font lacks.
FONTS = (
    *("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "Arial Unicode.ttf"),
    *("NotoSansCJK-Regular.ttc", "msyh.ttc", "YuGothM.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc"),
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A finished sheet. boxes: (x0, y0, x1, y1) of each cell's image, row by row."""

    image: Image
    boxes: tuple[tuple[Box, ...], ...]


def save_sheet(sheet: Sheet, path: Path, cells: Sequence[Sequence[Path | None]], record: Mapping[str, Any]) -> None:
    """Write the sheet as PNG; `record`, and the box and file of each cell, go into it as JSON (text "text2face")."""
    from PIL.PngImagePlugin import PngInfo

    placed = [
        {"box": box, "file": file.name if file else None}
        for boxes, files in zip(sheet.boxes, cells, strict=True)
        for box, file in zip(boxes, files, strict=True)
    ]
    info = PngInfo()
    info.add_text("text2face", json.dumps({**record, "cells": placed}))
    with replacing(path) as temporary:
        sheet.image.save(temporary, "PNG", pnginfo=info)


def make_grid(
    cells: Sequence[Sequence[Path | None]],
    columns: Sequence[str],
    rows: Sequence[str] = (),
    title: str = "",
    *,
    size: tuple[int, int],
    wrap: int = 0,
    font: Path | None = None,
) -> Sheet:
    """Arrange images in rows and columns, with column labels above and row labels on the left.

    cells: files, row by row; None if there is no image. rows: labels, or nothing for a grid of a single row.
    size: width and height of each image on the sheet. wrap: largest number of columns next to each other, the rest
    follow below; 0 for no limit.
    """
    paint = _Painter(size, _font([title, *columns, *rows], size, font))
    per_row = min(wrap or len(columns), len(columns))
    margin = 0
    if rows:
        margin = min(max(paint.width(row) for row in rows), max(LEAST_SLOT, paint.slot // 2)) + paint.gap
    y = paint.gap
    left = paint.gap + margin
    whole = per_row * (paint.slot + paint.gap) - paint.gap
    if title:
        y += paint.write(title, paint.gap, y, margin + whole, "left") + paint.gap
    boxes: list[list[Box]] = [[] for _ in cells]
    for first in range(0, len(columns), per_row):
        band = range(first, min(first + per_row, len(columns)))
        high = max(paint.height(columns[column], paint.slot) for column in band)
        for place, column in enumerate(band):
            x = left + place * (paint.slot + paint.gap)
            paint.write(columns[column], x, y + high - paint.height(columns[column], paint.slot), paint.slot, "middle")
        y += high + paint.gap // 2
        for row, files in enumerate(cells):
            if rows:
                tall = paint.height(rows[row], margin - paint.gap)
                paint.write(rows[row], paint.gap, y + max(0, size[1] - tall) // 2, margin - paint.gap, "right")
            else:
                tall = 0
            for place, column in enumerate(band):
                boxes[row].append(paint.picture(files[column], left + place * (paint.slot + paint.gap), y))
            y += max(size[1], tall) + paint.gap
    return Sheet(paint.sheet(left + whole + paint.gap, y), tuple(map(tuple, boxes)))


def make_pairs(
    prompts: Sequence[str],
    cells: Sequence[tuple[Path | None, Path | None]],
    names: tuple[str, str],
    *,
    size: tuple[int, int],
    per_row: int = 2,
    font: Path | None = None,
) -> Sheet:
    """Arrange two images of each prompt side by side, the prompt below, `names` above; `per_row` pairs per row."""
    paint = _Painter(size, _font([*prompts, *names], size, font))
    per_row = min(per_row, len(prompts))
    pair = 2 * paint.slot + paint.gap // 3
    boxes: list[tuple[Box, Box]] = []
    y = paint.gap
    high = max(paint.height(name, paint.slot) for name in names)
    for first in range(0, len(prompts), per_row):
        band = range(first, min(first + per_row, len(prompts)))
        for place, number in enumerate(band):
            x = paint.gap + place * (pair + 2 * paint.gap)
            second = x + pair - paint.slot
            for name, at in zip(names, (x, second), strict=True):
                paint.write(name, at, y + high - paint.height(name, paint.slot), paint.slot, "middle")
            top = y + high + paint.gap // 2
            before, after = cells[number]
            boxes.append((paint.picture(before, x, top), paint.picture(after, second, top)))
            paint.write(prompts[number], x, top + size[1] + paint.gap // 2, pair, "left")
        y += high + size[1] + paint.gap + max(paint.height(prompts[number], pair) for number in band) + 2 * paint.gap
    width = per_row * (pair + 2 * paint.gap)
    return Sheet(paint.sheet(width, y - paint.gap), tuple(boxes))


@dataclass(slots=True)
class _Painter:
    """Collects images and texts with their positions, and paints them once the sheet's size is known."""

    size: tuple[int, int]
    font: FreeTypeFont
    _words: list[tuple[int, int, str]] = field(default_factory=list)
    _pictures: list[tuple[Path | None, Box]] = field(default_factory=list)

    @property
    def slot(self) -> int:
        """Width of a column."""
        return max(self.size[0], LEAST_SLOT)

    @property
    def gap(self) -> int:
        """Space between items: the height of a line."""
        return self._line

    @property
    def _line(self) -> int:
        return round(self.font.size * 1.25)

    def width(self, text: str) -> int:
        """Width of a text on a single line."""
        return max((round(self.font.getlength(line)) + 1 for line in text.split("\n")), default=0)

    def height(self, text: str, width: int) -> int:
        """Height of a text in lines of at most this width."""
        return len(self._lines(text, width)) * self._line

    def write(self, text: str, x: int, y: int, width: int, align: Literal["left", "middle", "right"]) -> int:
        """Place a text within this width; returns its height."""
        lines = self._lines(text, width)
        for number, line in enumerate(lines):
            free = max(0, width - round(self.font.getlength(line)))
            shift = {"left": 0, "middle": free // 2, "right": free}[align]
            self._words.append((x + shift, y + number * self._line, line))
        return len(lines) * self._line

    def picture(self, path: Path | None, x: int, y: int) -> Box:
        """Place an image in the middle of the column that begins at x; returns its box."""
        x += (self.slot - self.size[0]) // 2
        box = (x, y, x + self.size[0], y + self.size[1])
        self._pictures.append((path, box))
        return box

    def sheet(self, width: int, height: int) -> Image:
        """Paint everything on a single image."""
        from PIL import Image, ImageDraw

        made = Image.new("RGB", (width, height), PAPER)
        pen = ImageDraw.Draw(made)
        for path, box in self._pictures:
            if path is None:
                pen.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), MISSING)
                middle = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
                pen.text(middle, "no\nimage", INK, self.font, anchor="mm", align="center")
                continue
            with Image.open(path) as image:
                shown = image.convert("RGB")
                if shown.size != self.size:
                    shown = shown.resize(self.size, Image.Resampling.LANCZOS)
                made.paste(shown, box)
        for x, y, line in self._words:
            pen.text((x, y), line, INK, self.font)
        return made

    def _lines(self, text: str, width: int) -> list[str]:
        """The text wrapped at spaces; a word that is too long is broken anywhere."""
        lines = [""]
        for paragraph in text.split("\n"):
            for word in paragraph.split():
                joined = f"{lines[-1]} {word}".strip()
                if self.font.getlength(joined) <= width:
                    lines[-1] = joined
                    continue
                rest = word
                if lines[-1]:
                    lines.append("")
                while self.font.getlength(rest) > width and len(rest) > 1:
                    fits = next(
                        n for n in range(len(rest) - 1, 0, -1) if n == 1 or self.font.getlength(rest[:n]) <= width
                    )
                    lines[-1] = rest[:fits]
                    lines.append("")
                    rest = rest[fits:]
                lines[-1] = rest
            lines.append("")
        return [line for line in lines if line] if any(lines) else []


def open_font(path: Path, points: int = 12) -> FreeTypeFont:
    """Open a font file. Raises UsageError if it is not a font."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype(path, points)
    except OSError as error:
        raise UsageError(f"{path} cannot be read as a font: {error}") from error


def _font(texts: Sequence[str], size: tuple[int, int], wanted: Path | None) -> FreeTypeFont:
    """The wanted font, Pillow's own, or a system font that has all letters."""
    from PIL import ImageFont

    points = min(40, max(12, round(size[0] / 18)))
    if wanted:
        return open_font(wanted, points)
    own = ImageFont.load_default(points)
    letters = {letter for text in texts for letter in text if not letter.isspace()}
    if all(_has(own, letter) for letter in letters):
        return own  # type: ignore[return-value]
    for name in FONTS:
        try:
            found = ImageFont.truetype(name, points)
        except OSError:
            continue
        if all(_has(found, letter) for letter in letters):
            return found
    return own  # type: ignore[return-value]


def _has(font: Any, letter: str) -> bool:
    """Whether the font has the letter, rather than a box in its place."""
    if letter.isascii():
        return True
    drawn, box = (font.getmask(one) for one in (letter, "\uffff"))
    return (drawn.size, bytes(drawn)) != (box.size, bytes(box))
