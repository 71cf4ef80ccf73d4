"""`t2f stats`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import DONE
from .common import json_option

if TYPE_CHECKING:
    from rich.table import Table

    from ..run import Speed

Figures = dict[str, Any]

FIGURES = ("captions", "recall", "inventing", "words", "tokens", "distinct-1", "distinct-2", "retried", "per second")
MOST_NAMES = 8


@click.command(short_help="Print the figures of a run's captions.")
@click.argument("out", type=click.Path(path_type=Path))
@json_option
def stats(out: Path, *, as_json: bool) -> int:
    """Print statistics of the captions of the run in OUT, by fuser and style.

    \b
    captions     number of captions kept
    recall       share of the findings in their bags that captions mention
    inventing    share of captions that state something else about the person
    words        mean number of words; tokens: mean number of CLIP tokens, of which its text encoder reads 77
    distinct-1   different words per word; distinct-2: different pairs of words per pair; of at most 1,000 captions
    retried      share of captions that needed more than one request to the fuser
    per second   captions kept per second of the fuser's time, which includes refused tries

    Captions that the fuser could not write well enough are written by the fallback, and count as the fallback's.
    """
    from ..run import RunDirectory, read_speed
    from ..stats import collect_stats

    run = RunDirectory.open(out)
    found = collect_stats(run.rows())
    captions, accepted = found["captions"], found["photos"]["ok"]
    speeds = read_speed(run)
    asked = run.settings["recipe"].get("fuser", "")
    if as_json:
        data = _for_programs(captions, speeds, asked)
        data |= {"alt_texts": found["alt_texts"]} if "alt_texts" in found else {}
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif not captions["number"]:
        click.echo(f"the run in {out} has no captions yet")
    else:
        _print(captions, speeds, asked)
        if "alt_texts" in found:
            _print_alt_texts(found["alt_texts"])
        if people := captions["by_fuser"].get("person"):
            click.echo(f"{people['number']} captions by people")
        if without := accepted - captions["photos"]:
            click.echo(f"{without} of the accepted photos have no caption")
    return DONE


def _for_programs(captions: Figures, speeds: dict[str, Speed], asked: str) -> Figures:
    timed = {
        fuser: {"captions": speed.captions, "seconds": round(speed.seconds, 6), "per_second": speed.per_second}
        for fuser, speed in speeds.items()
    }
    return {**captions, "fuser": asked, "fallback": _fallback(captions, asked), "speed": timed}


def _fallback(captions: Figures, asked: str) -> float | None:
    """Return the share of captions that were not written by the recipe's fuser."""
    if not captions["number"]:
        return None
    from ..run import PERSON

    own: int = sum(captions["by_fuser"].get(fuser, {"number": 0})["number"] for fuser in (asked, PERSON))
    return 1 - own / int(captions["number"])


def _print(captions: Figures, speeds: dict[str, Speed], asked: str) -> None:
    from rich.console import Console

    console = Console()
    for table in _tables(captions, speeds, console.width):
        console.print(table)
    if asked and (share := _fallback(captions, asked)):
        console.print(f"{_percent(share)} of the captions are not by {asked}, but by the fallback", highlight=False)
    for what, counted in (
        ("missed", captions["missed_names"]),
        ("invented", captions["invented_names"]),
        ("tries refused", captions["refusals"]),
    ):
        if counted:
            first = [f"{name} {number}" for name, number in list(counted.items())[:MOST_NAMES]]
            more = [f"{len(counted) - MOST_NAMES} more"] if len(counted) > MOST_NAMES else []
            console.print(f"{what}: {', '.join(first + more)}", markup=False, highlight=False)


def _print_alt_texts(found: Figures) -> None:
    click.echo(f"{found['photos']} photos have an alternative text; of {found['compared']} with a caption:")
    for name, key in (("alternative text", "alt_text"), ("our caption", "caption")):
        one = found[key]
        click.echo(
            f"  {name:<16}  {_number(one['words_mean'])} words, mentions {_number(one['findings_mean'])} findings, "
            f"{_percent(one['recall'])} of the bag"
        )


@dataclass(frozen=True)
class _Column:
    """The figures of a fuser, of a fuser's style (dim), or of all captions."""

    head: str
    cells: list[str]
    style: str = ""


def _tables(captions: Figures, speeds: dict[str, Speed], width: int) -> Iterator[Table]:
    """Tabulate figures by fuser and style; if that is too wide, first by fuser, then the styles of each fuser."""
    groups = []
    for fuser, made in captions["by_fuser"].items():
        styles = captions["by_fuser_and_style"][fuser]
        parts = [_Column(style, _cells(one, None), "dim") for style, one in styles.items()] if len(styles) > 1 else []
        groups.append([_Column(fuser, _cells(made, speeds.get(fuser))), *parts])
    total = [_Column("all", _cells(captions, None))] if len(groups) > 1 else []
    photos = f"{captions['photos']} photo{'s' if captions['photos'] != 1 else ''}"
    title = f"{captions['number']} captions of {photos}"
    columns = [column for group in groups for column in group] + total
    if _width(columns) <= width:
        yield _table(title, columns)
        return
    yield _table(title, [group[0] for group in groups] + total)
    for group in groups:
        if len(group) > 1:
            yield _table(f"{group[0].head}, by style", group)


def _width(columns: Sequence[_Column]) -> int:
    """Return the width of their table, with three characters between columns."""
    texts = [FIGURES, *([column.head, *column.cells] for column in columns)]
    return 1 + sum(3 + max(map(len, column)) for column in texts)


def _table(title: str, columns: Sequence[_Column]) -> Table:
    from rich.table import Table

    table = Table("", title=title, title_justify="left")
    for column in columns:
        table.add_column(column.head, justify="right", style=column.style)
    for figure, *cells in zip(FIGURES, *(column.cells for column in columns), strict=True):
        table.add_row(figure, *cells)
    return table


def _cells(figures: Figures, speed: Speed | None) -> list[str]:
    return [
        str(figures["number"]),
        _percent(figures["recall"]),
        _percent(figures["inventing"]),
        _number(figures["words_mean"]),
        _number(figures["tokens_mean"]),
        _number(figures["distinct_1"]),
        _number(figures["distinct_2"]),
        _percent(figures["retried"]),
        _number(speed.per_second if speed else None),
    ]


def _percent(share: float | None) -> str:
    return "\u2013" if share is None else f"{share:.1%}".replace("%", " %")


def _number(value: float | None) -> str:
    """Format a number with three significant figures.

    >>> _number(0.08123), _number(12.345), _number(1234.0)
    ('0.0812', '12.3', '1234')
    """
    if value is None:
        return "\u2013"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
