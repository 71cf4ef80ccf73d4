"""Progress of a run on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter

from ..contracts import Progress
from ..utils import printable

log = logging.getLogger(__name__)
LINE_EVERY_SECONDS = 10.0


def make_progress(*, quiet: bool, unit: str = "photo") -> Progress:
    """Progress that suits where stderr goes; the log file always gets plain lines. unit: what is counted."""
    if quiet:
        return Lines(show=False, unit=unit)
    return Bar(unit) if sys.stderr.isatty() else Lines(unit=unit)


def shown_rate(rate: float) -> str:
    """A number per second, with its significant digits even if it is small.

    >>> shown_rate(12.345), shown_rate(0.0431)
    ('12.3', '0.043')
    """
    return f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"


class Lines:
    """A line at the start, every ten seconds and at the end: for log files and pipes."""

    def __init__(self, *, show: bool = True, unit: str = "photo") -> None:
        self._show = show
        self._unit = unit
        self._counts: Counter[str] = Counter()
        self._what = ""

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Begin."""
        self._what, self._total, self._done, self._before = what, total, done, done
        self._counts.clear()
        self._began = self._spoke = time.monotonic()
        self._print(f"{what} {total - done} {self._unit}(s)" + (f", {done} done before" if done else ""))

    def advance(self, count: int, **counts: int) -> None:
        """Count, and print a line now and then."""
        self._done += count
        self._counts.update(counts)
        if time.monotonic() - self._spoke >= LINE_EVERY_SECONDS:
            self._spoke = time.monotonic()
            self._print(self._state())

    def say(self, message: str) -> None:
        """A line of its own."""
        self._print(message)

    def finish(self) -> None:
        """The last state, if work has begun and was not finished before."""
        if self._what:
            self._print(self._state())
            self._what = ""

    def _state(self) -> str:
        taken = max(time.monotonic() - self._began, 1e-9)
        rate = (self._done - self._before) / taken
        left = f", {(self._total - self._done) / rate:.0f} s left" if rate and self._done < self._total else ""
        counts = "".join(f", {number} {name}" for name, number in self._counts.items() if number)
        return f"{self._what}: {self._done}/{self._total}, {shown_rate(rate)} {self._unit}s/s{left}{counts}"

    def _print(self, text: str) -> None:
        log.debug("%s", text)
        if self._show:
            sys.stderr.write(printable(text) + "\n")
            sys.stderr.flush()


class Bar:
    """A live bar with photos/s, time left and counts of rejected and failed."""

    def __init__(self, unit: str = "photo") -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress as RichProgress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._counts: Counter[str] = Counter()
        self._unit = unit
        self._bar = RichProgress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counts]}"),
            console=Console(stderr=True),
        )

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Begin."""
        self._counts.clear()
        self._began, self._new = time.monotonic(), 0
        self._task = self._bar.add_task(what, total=total, completed=done, rate="", counts="")
        self._bar.start()

    def advance(self, count: int, **counts: int) -> None:
        """Count."""
        self._new += count
        self._counts.update(counts)
        rate = self._new / max(time.monotonic() - self._began, 1e-9)
        shown = "  ".join(f"{number} {name}" for name, number in self._counts.items() if number)
        self._bar.update(self._task, advance=count, rate=f"{shown_rate(rate)} {self._unit}s/s", counts=shown)

    def say(self, message: str) -> None:
        """A line above the bar."""
        self._bar.console.print(printable(message), markup=False, highlight=False)

    def finish(self) -> None:
        """Leave the bar as it stands."""
        self._bar.stop()
