"""Audit extractors on labelled photos: how often each is right, for whom, and the errors that correct its shares.

Sensitivity and specificity count a finding that is not reported as "not seen", as adherence does. Groups are those of
the labels. Lineage matters: photos that a network was trained on flatter it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..language.fidelity import observed_keys
from .judging import is_from
from .metrics.fairness import BANDS, LEAST
from .records import Grader, Measure
from .statistics import GraderError, bootstrap_mean, wilson

if TYPE_CHECKING:
    from ..language import Vocabulary
    from ..records import Finding
    from .truth import Truth

ALL = ""
"""The group of everybody."""
SHOWN = {"true": "yes", "false": "no"}


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo with its labels and what was found on it."""

    name: str
    truth: Truth
    findings: tuple[Finding, ...]

    def groups(self) -> Iterator[tuple[str, str]]:
        """(axis, group) of everything that the labels say of the person, and ("", "")."""
        yield ALL, ALL
        if self.truth.age is not None:
            yield "age", next(name for start, name in reversed(BANDS) if self.truth.age >= start)
        for axis in ("gender", "ethnicity"):
            if axis in self.truth.values:
                yield axis, self.truth.values[axis]
        if {"gender", "ethnicity"} <= set(self.truth.values):
            yield "gender and ethnicity", f"{self.truth.values['gender']} {self.truth.values['ethnicity']}"


@dataclass(frozen=True, slots=True)
class CountedError:
    """How often an extractor is right about a value of a finding, in a group.

    Attributes:
        grader: The extractor.
        finding: The finding.
        value: As statements have it: "female", "yes".
        axis: "age", "gender", …; empty for everybody.
        group: The group on that axis; empty for everybody.
        error: The counts.
    """

    grader: str
    finding: str
    value: str
    axis: str
    group: str
    error: GraderError


def measure_audit(
    photos: Sequence[LabelledPhoto], graders: Sequence[Grader], vocabulary: Vocabulary
) -> tuple[list[Measure], list[CountedError]]:
    """Accuracy, sensitivity and specificity, and errors of ages, over all and by group."""
    measures: list[Measure] = []
    errors: list[CountedError] = []
    for grader in graders:
        seen = [_seen(photo, grader.name, vocabulary) for photo in photos]
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, photo in enumerate(photos):
            for one in photo.groups():
                groups[one].append(number)
        names = sorted({name for photo in photos for name in photo.truth.values if name in grader.provides})
        for (axis, group), places in sorted(groups.items()):
            about = {"model": grader.name, "group": group, "eyes": grader.eyes}
            members = [(photos[place].truth, seen[place]) for place in places]
            measures += _ages(grader, axis, [(truth.age, found.get("age")) for truth, found in members], about)
            for name in names:
                if axis == name:
                    continue  # of women only, the gender says nothing more than sensitivity
                pairs = [(truth.values[name], found.get(name)) for truth, found in members if name in truth.values]
                measures += _accuracy(name, pairs, about)
                for counted in _errors(grader, name, axis, group, pairs):
                    errors.append(counted)
                    measures += _rates(counted, about)
    return measures, errors


def _seen(photo: LabelledPhoto, grader: str, vocabulary: Vocabulary) -> dict[str, str]:
    """The surest value of each finding that the extractor reported; of an age the number."""
    best: dict[str, tuple[float, str]] = {}
    for finding in photo.findings:
        if not is_from(finding, grader):
            continue
        if finding.name == "age" and isinstance(finding.value, int | float):
            key: tuple[str, str] | None = ("age", str(float(finding.value)))
        else:
            key = observed_keys(finding, vocabulary)
        if key and (key[0] not in best or finding.score > best[key[0]][0]):
            best[key[0]] = finding.score, key[1]
    return {name: value for name, (_, value) in best.items()}


def _ages(
    grader: Grader, axis: str, pairs: Sequence[tuple[float | None, str | None]], about: Mapping[str, Any]
) -> list[Measure]:
    off = [float(found) - age for age, found in pairs if age is not None and found is not None]
    if "age" not in grader.provides or not off:
        return []
    note = f"by {axis}" if axis else ""
    measures = []
    for name, values in (("age error", off), ("absolute age error", [abs(one) for one in off])):
        found = bootstrap_mean(np.array(values))
        measures.append(
            Measure(
                name,
                found.value,
                found.low,
                found.high,
                len(off),
                finding="age",
                better="nearer" if name == "age error" else "lower",
                unit="years",
                note=note,
                **about,
            )
        )
    return measures


def _accuracy(name: str, pairs: Sequence[tuple[str, str | None]], about: Mapping[str, Any]) -> list[Measure]:
    if not pairs:
        return []
    said = [(true, found) for true, found in pairs if found is not None]
    right = sum(true == found for true, found in said)
    few = "" if len(pairs) >= LEAST else f"fewer than {LEAST} photos"
    measures = []
    for what, hits, n in (("reported", len(said), len(pairs)), ("right if reported", right, len(said))):
        found = wilson(hits, n)
        measures.append(
            Measure(what, found.value, found.low, found.high, n, finding=name, better="higher", note=few, **about)
        )
    return measures


def _errors(
    grader: Grader, name: str, axis: str, group: str, pairs: Sequence[tuple[str, str | None]]
) -> Iterator[CountedError]:
    values = sorted({true for true, _ in pairs})
    for value in values:
        if name in grader.decides and value not in grader.decides[name]:
            continue
        positives = [found == value for true, found in pairs if true == value]
        negatives = [found != value for true, found in pairs if true != value]
        error = GraderError(sum(positives), len(positives), sum(negatives), len(negatives))
        yield CountedError(grader.name, name, SHOWN.get(value, value), axis, group, error)


def _rates(counted: CountedError, about: Mapping[str, Any]) -> Iterator[Measure]:
    error = counted.error
    for what, hits, n in (
        ("sensitivity", error.true_positives, error.positives),
        ("specificity", error.true_negatives, error.negatives),
    ):
        if n:
            found = wilson(hits, n)
            finding = f"{counted.finding}={counted.value}"
            yield Measure(what, found.value, found.low, found.high, n, finding=finding, better="higher", **about)
