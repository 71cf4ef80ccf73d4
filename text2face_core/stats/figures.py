"""Figures of a run: outcomes of photos, findings, and what captions mention.

Everything is counted in a single pass that keeps no row, so that a run of any size can be summed up.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any

from ..records import AnalysisRow, CaptionRow, Finding
from ..run import RunDirectory
from ..utils import write_text
from .alt_texts import AltTexts
from .captions import Groups, ranked

Stats = dict[str, Any]

AGE_BANDS = (*(f"{decade}-{decade + 9}" for decade in range(0, 90, 10)), "90+")
MOST_LABELS = 20
MOST_VALUES = 200
OTHERS = "(others)"

# A number that stands by itself, and the second number of "640x480"; not the 8 of "uint8".
_NUMBER = re.compile(r"(?:(?<![A-Za-z_0-9.])|(?<=\dx))(?:0x[0-9a-f]+|\d+(?:[.,\u00a0\u202f]\d+)*)")
_QUOTED = re.compile(r"'[^']*/[^']*'|\"[^\"]*/[^\"]*\"")


def age_band(years: float) -> str:
    """Return the decade that holds an age.

    >>> age_band(29.9), age_band(103)
    ('20-29', '90+')
    """
    return AGE_BANDS[min(max(int(years) // 10, 0), len(AGE_BANDS) - 1)]


def value_in_words(finding: Finding) -> str | None:
    """Return what a finding counts as: "present", "absent", its named value or the decade of an age; else None."""
    value = finding.value
    if isinstance(value, bool):
        return "present" if value else "absent"
    if isinstance(value, str):
        return value
    return age_band(value) if finding.name == "age" and math.isfinite(value) else None


def label(name: str, value: str) -> str | None:
    """Return a finding's label in the co-occurrence table; None if it is absent.

    >>> label("smiling", "present"), label("hair_length", "short")
    ('smiling', 'hair_length=short')
    """
    if value == "absent":
        return None
    return name if value == "present" else f"{name}={value}"


def kind_of_reason(row: AnalysisRow) -> str:
    """Return the reason without what differs from photo to photo: numbers and the photo's name.

    >>> kind_of_reason(AnalysisRow("", "a.jpg", 0, "rejected", "3 faces, the largest of 140 px"))
    'N faces, the largest of N px'
    """
    reason = row.reason.replace(row.uri, "…") if row.uri else row.reason
    return _NUMBER.sub("N", _QUOTED.sub("…", reason)) or "no reason given"


def collect_stats(rows: Iterable[tuple[AnalysisRow, CaptionRow]]) -> Stats:
    """Sum up the rows of a run (see `RunDirectory.rows`) as plain JSON data."""
    photos: Counter[str] = Counter(ok=0, rejected=0, failed=0)
    reasons: dict[str, Counter[str]] = {"rejected": Counter(), "failed": Counter()}
    findings: dict[str, _Values] = {}
    pairs: Counter[tuple[str, str]] = Counter()
    people: dict[str, Counter[str]] = {}
    captions, alt_texts = Groups(), AltTexts()
    captioned = 0
    for row, captioning in rows:
        photos[row.status] += 1
        if row.status != "ok":
            _count(reasons[row.status], kind_of_reason(row))
        seen = _add_findings(findings, row)
        labels = sorted(found for found in (label(name, value) for name, value in seen) if found is not None)
        pairs.update(combinations_with_replacement(labels, 2))
        first = {name: value for name, value in reversed(seen) if name in {"gender", "age"}}
        if len(first) == 2:
            people.setdefault(first["gender"], Counter())[first["age"]] += 1
        captioned += bool(captioning.captions)
        captions.add(captioning.captions)
        alt_texts.add(row, captioning)
    compared = alt_texts.figures()
    return {
        "photos": {"all": photos.total(), **photos},
        "reasons": {status: ranked(counted) for status, counted in reasons.items()},
        "findings": {name: findings[name].summed_up() for name in sorted(findings)},
        "co_occurrence": _co_occurrence(pairs),
        "gender_by_age": {
            gender: {band: people[gender][band] for band in AGE_BANDS if people[gender][band]}
            for gender in sorted(people)
        },
        "captions": {"photos": captioned, **captions.figures()},
        **({"alt_texts": compared} if compared else {}),
    }


def to_json(stats: Stats) -> str:
    """Return the text of stats.json, with sorted keys, so that equal runs give equal files."""
    return json.dumps(stats, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def write_stats(run: RunDirectory) -> Stats:
    """Sum up a run and write the figures to its stats.json."""
    stats = collect_stats(run.rows())
    write_text(run.path / "stats.json", to_json(stats))
    return stats


def read_stats(run: RunDirectory) -> Stats:
    """Read the figures from a run's stats.json."""
    stats: Stats = json.loads((run.path / "stats.json").read_text(encoding="utf-8"))
    return stats


@dataclass
class _Values:
    """The values of a finding; numbers as their count, mean, minimum and maximum."""

    photos: int = 0
    values: Counter[str] = field(default_factory=Counter)
    numbers: int = 0
    total: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf

    def add_number(self, number: float) -> None:
        self.numbers += 1
        self.total += number
        self.least = min(self.least, number)
        self.greatest = max(self.greatest, number)

    def summed_up(self) -> dict[str, Any]:
        found: dict[str, Any] = {"photos": self.photos, "values": dict(sorted(self.values.items()))}
        if self.numbers:
            found |= {"mean": round(self.total / self.numbers, 4), "least": self.least, "greatest": self.greatest}
        return found


def _count(counter: Counter[str], key: str) -> None:
    """Count a key; the number of keys is limited, so that free text cannot fill the memory."""
    counter[key if key in counter or len(counter) < MOST_VALUES else OTHERS] += 1


def _add_findings(findings: dict[str, _Values], row: AnalysisRow) -> list[tuple[str, str]]:
    """Count a row's findings, a value that several components observed once; return the counted (name, value) pairs."""
    seen: dict[tuple[str, str], None] = {}
    for name in {finding.name for finding in row.findings}:
        findings.setdefault(name, _Values()).photos += 1
    for finding in row.findings:
        value = value_in_words(finding)
        if not isinstance(finding.value, bool | str) and math.isfinite(finding.value):
            findings[finding.name].add_number(float(finding.value))
        if value is not None and (finding.name, value) not in seen:
            values = findings[finding.name].values
            value = value if value in values or len(values) < MOST_VALUES else OTHERS
            values[value] += 1
            seen[finding.name, value] = None
    return list(seen)


def _co_occurrence(pairs: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """Tabulate on how many photos the most frequent labels occur in pairs; on the diagonal, each label by itself."""
    alone = {one: count for (one, other), count in pairs.items() if one == other}
    labels = sorted(list(ranked(alone))[:MOST_LABELS])
    return {
        "labels": labels,
        "photos": [[pairs.get((min(a, b), max(a, b)), 0) for b in labels] for a in labels],
    }
