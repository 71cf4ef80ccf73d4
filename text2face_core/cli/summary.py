"""The summary of a run, on stderr: counts, reasons, a few captions."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..run import PERSON, RunDirectory
from ..stats import Stats
from ..utils import on_one_line

SAMPLES = 3


def show_summary(run: RunDirectory, stats: Stats, *, report: bool) -> None:
    """A table of counts, the first captions, and where the report is."""
    console = Console(stderr=True)
    table = Table(title=f"{stats['photos']['all']} photos", title_justify="left")
    table.add_column("what")
    table.add_column("number", justify="right")
    table.add_row("captioned", str(stats["captions"]["photos"]))
    table.add_row("captions", str(stats["captions"]["number"]))
    if people := stats["captions"]["by_fuser"].get(PERSON):
        table.add_row("of these by people", str(people["number"]))
    for status, reasons in stats["reasons"].items():
        for reason, number in reasons.items():
            table.add_row(Text(on_one_line(f"{status}: {reason}")), str(number))
    console.print(table)
    captioned = ((row, captions.captions[0]) for row, captions in run.rows() if captions.captions)
    for row, caption in islice(captioned, SAMPLES):
        console.print(Text.assemble((on_one_line(Path(row.uri).name), "dim"), "  ", on_one_line(caption.text)))
    if stats["photos"]["failed"]:
        console.print("to analyse photos that failed again: --retry-failed", style="dim")
    if report:
        console.print(Text(f"report: {run.path / 'report.html'}"), soft_wrap=True)
