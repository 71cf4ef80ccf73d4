"""Sweeps: a prompt with placeholders, filled from lists of values."""

from __future__ import annotations

import csv
import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import TYPE_CHECKING

from ..errors import UsageError
from .generate import ImageSpec

if TYPE_CHECKING:
    from ..contracts import GenerationRequest

EXAMPLE = '"A {age} year old man with {hair} hair." --values age=10,20,30 --values hair=black,blond'


@dataclass(frozen=True, slots=True)
class Page:
    """The content of a grid: a row for each of `rows`, a column for each of `columns`, a prompt for each cell.

    title: the values that apply to the whole page, such as "beard: long"; empty if there are none.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    prompts: tuple[tuple[str, ...], ...]


def placeholders(template: str) -> tuple[str, ...]:
    """The names in braces, in order of first appearance. Raises UsageError if braces do not match.

    >>> placeholders("A {age} year old {who} with {{braces}}, {age}.")
    ('age', 'who')
    """
    try:
        found = list(Formatter().parse(template))
    except ValueError as error:
        raise UsageError(f'the braces in "{template}" do not match; write {{{{ and }}}} for literal braces') from error
    names = [name for _, name, form, conversion in found if name is not None]
    for _, name, form, conversion in found:
        if name is not None and (not name.strip() or form or conversion or not name.strip().isidentifier()):
            raise UsageError(
                f'"{{{name}}}" in "{template}" is not a placeholder: write a name between braces, like {EXAMPLE}'
            )
    return tuple(dict.fromkeys(name.strip() for name in names))


def parse_values(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Parse lists such as "age=10,20,30"; double quotes enclose a value with a comma; values may be empty.

    Raises UsageError if a text is not a list of values.

    >>> parse_values(['hair=black,"long, blond"'])
    {'hair': ('black', 'long, blond')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, equals, listed = text.partition("=")
        name = name.strip()
        if not equals or not name or not listed.strip():
            raise UsageError(f'"{text}" is not a list of values: write name=one,two, for example --values age=10,20,30')
        if name in found:
            raise UsageError(f"values for {name} are given twice: put them into a single list, {name}=one,two")
        if '"' in listed.replace('""', "") and listed.count('"') % 2:
            raise UsageError(f'the quotes in "{text}" do not match')
        values = tuple(value.strip() for value in next(csv.reader([listed], skipinitialspace=True)))
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise UsageError(f'the values of {name} contain "{twice[0]}" twice')
        found[name] = values
    return found


def plan_pages(template: str, values: Mapping[str, Sequence[str]]) -> list[Page]:
    """Arrange values in grids: the first list makes rows, the second columns (a single list: columns).

    Each combination of the values of further lists makes a page.

    Raises UsageError if a placeholder has no values or values have no placeholder.
    """
    names = placeholders(template)
    _check(template, names, values)
    axes = [name for name in values if name in names]
    across = axes[1] if len(axes) > 1 else axes[0]
    down = axes[0] if len(axes) > 1 else None
    found = []
    for choice in itertools.product(*(values[name] for name in axes[2:])):
        fixed = dict(zip(axes[2:], choice, strict=True))
        found.append(
            Page(
                title=", ".join(label(name, value) for name, value in fixed.items()),
                rows=tuple(label(down, value) for value in values[down]) if down else (),
                columns=tuple(label(across, value) for value in values[across]),
                prompts=tuple(
                    tuple(_filled(template, {**fixed, **row, across: value}) for value in values[across])
                    for row in ([{down: value} for value in values[down]] if down else [{}])
                ),
            )
        )
    return found


def plan_cells(
    page: Page, like: GenerationRequest, seeds: Sequence[int], first: int = 0
) -> tuple[tuple[str, ...], list[list[ImageSpec]]]:
    """The page's row labels and its images, row by row; a page without rows has a row for each seed.

    first: number of the page's first prompt, for the file names.
    """
    columns = len(page.columns)
    rows = tuple(f"seed {seed}" for seed in seeds) if len(seeds) > 1 else page.rows
    cells = [
        [
            ImageSpec(replace(like, prompt=text, seed=seed), first + row * columns + column, number)
            for column, text in enumerate(texts)
        ]
        for row, texts in enumerate(page.prompts)
        for number, seed in enumerate(seeds)
    ]
    return rows, cells


def label(name: str, value: str) -> str:
    """The label of a row or a column.

    >>> label("hair_colour", "black"), label("beard", "")
    ('hair colour: black', 'beard: –')
    """
    return f"{name.replace('_', ' ')}: {value or '–'}"


def _filled(template: str, values: Mapping[str, str]) -> str:
    pieces = []
    for text, name, _, _ in Formatter().parse(template):
        pieces += [text, values[name.strip()] if name is not None else ""]
    return "".join(pieces)


def _check(template: str, names: Sequence[str], values: Mapping[str, Sequence[str]]) -> None:
    if not names:
        raise UsageError(f'"{template}" has no placeholder: write a name between braces, like {EXAMPLE}')
    has = ", ".join(f"{{{name}}}" for name in names)
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"values are given for {name}, which is not in the prompt; the prompt has {has}.{hint}")
    if lacking := [name for name in names if name not in values]:
        wanted = " ".join(f"--values {name}=one,two" for name in lacking)
        raise UsageError(f"the prompt has {has}; give values for {', '.join(lacking)} too: {wanted}")
