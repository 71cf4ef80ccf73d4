"""The HTML report of a run, as a self-contained page."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..records import AnalysisRow, CaptionRow
from ..run import RunDirectory
from ..stats import AGE_BANDS, Stats, collect_stats, to_json
from ..utils import templates, write_text
from .cards import card, in_words, visible
from .thumbnails import make_thumbnails

MOST_BARS = 24


def write_report(run: RunDirectory, *, limit: int = 400) -> Path:
    """Write the run's report.html and stats.json in a single pass over its rows, and return the page's path.

    Equal runs give equal pages.

    Args:
        run: The run.
        limit: Most photos that the page shows. Of a larger run it shows the first photos that were rejected or failed,
            up to half of the page, and the first of the others; the charts count every photo.

    Raises:
        RunError: The files cannot be written.
    """
    sample = RowSelection(limit)
    stats = collect_stats(sample.watching(run.rows()))
    write_text(run.path / "stats.json", to_json(stats))
    page = run.path / "report.html"
    # A surrogate out of a file name has no UTF-8; a question mark replaces it.
    write_text(page, render(run, sample, stats).encode("utf-8", "replace").decode())
    return page


class RowSelection:
    """Selects the rows that a page of `limit` photos shows, in a single pass over the rows of a run."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.passed = 0
        self._good: list[tuple[int, AnalysisRow, CaptionRow]] = []
        self._bad: list[tuple[int, AnalysisRow, CaptionRow]] = []

    def watching(self, rows: Iterable[tuple[AnalysisRow, CaptionRow]]) -> Iterator[tuple[AnalysisRow, CaptionRow]]:
        """Pass the rows on, and select from them."""
        for row, captions in rows:
            kept = self._good if row.status == "ok" else self._bad
            if len(kept) < self.limit:
                kept.append((self.passed, row, captions))
            self.passed += 1
            yield row, captions

    @property
    def rows(self) -> list[tuple[AnalysisRow, CaptionRow]]:
        """The selected rows, in the order of the run."""
        bad = self._bad[: max(self.limit // 2, self.limit - len(self._good))]
        good = self._good[: self.limit - len(bad)]
        return [(row, captions) for _, row, captions in sorted(good + bad, key=lambda kept: kept[0])]


def render(run: RunDirectory, sample: RowSelection, stats: Stats) -> str:
    """Render the page's HTML."""
    from markupsafe import Markup

    from ..language import Vocabulary
    from ..utils import environment

    folder = templates() / "report"
    jinja = environment("report", html=True, trim_blocks=True, lstrip_blocks=True)
    jinja.filters |= {"in_words": in_words, "thousands": "{:,}".format, "percent": _percent}
    style, script = ((folder / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    rows = sample.rows
    pictures = make_thumbnails(run, (row for row, _ in rows))
    words = Vocabulary.load()
    return jinja.get_template("report.html.j2").render(
        title=visible(run.path.resolve().name),
        settings=run.settings_path.read_text(encoding="utf-8") if run.exists else "",
        # Ours, and so not escaped; the policy lets nothing run or style the page but these very texts.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
        stats=stats,
        sampled=sample.passed > len(rows),
        cards=[card(row, captions, picture, words) for (row, captions), picture in zip(rows, pictures, strict=True)],
        bars=_bars(stats),
        most_bars=MOST_BARS,
        ages=_ages(stats),
    )


def _policy_hash(text: str) -> str:
    """Return the hash by which a Content-Security-Policy names an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _percent(share: float | None) -> str:
    """Format a share in percent; rounding never gives 0 % or 100 %.

    >>> _percent(0.9996), _percent(1.0), _percent(0.004)
    ('99.9 %', '100 %', '< 1 %')
    """
    if share is None:
        return "\u2013"
    if 0.995 <= share < 1:
        return "99.9 %" if share >= 0.9985 else f"{share:.1%}".replace("%", " %")
    return "< 1 %" if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")


def _bars(stats: Stats) -> list[dict[str, Any]]:
    """Findings and their frequency, most frequent first; ages have a separate chart."""
    bars = [
        {"name": name, "value": value, "photos": photos}
        for name, found in stats["findings"].items()
        for value, photos in found["values"].items()
        if name != "age" and value != "absent"
    ]
    return sorted(bars, key=lambda bar: (-bar["photos"], bar["name"], bar["value"]))


def _ages(stats: Stats) -> dict[str, Any] | None:
    """Photos per decade of age, split by gender if that was found too; from the youngest to the oldest decade."""
    counted = stats["findings"].get("age", {}).get("values", {})
    if not counted:
        return None
    genders = sorted(stats["gender_by_age"])[:4]
    places = [place for place, band in enumerate(AGE_BANDS) if band in counted]
    bands = []
    for band in AGE_BANDS[places[0] : places[-1] + 1]:
        parts = [(gender, stats["gender_by_age"][gender].get(band, 0)) for gender in genders]
        split = sum(photos for _, photos in parts)
        total = max(counted.get(band, 0), split)
        bands.append({"band": band, "photos": total, "parts": [*parts, ("not said", total - split)]})
    return {
        "genders": genders,
        "bands": bands,
        "most": max(band["photos"] for band in bands),
        "unsplit": any(band["parts"][-1][1] for band in bands),
    }
