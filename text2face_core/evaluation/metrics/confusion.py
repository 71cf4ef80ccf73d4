"""Confusion matrices: what is seen if a value of gender, ethnicity or emotion is stated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..records import Evaluation, Judgement

FINDINGS = ("gender", "ethnicity", "emotion", "hair_length", "mouth_openness", "eye_openness")
NOT_SEEN, NO_FACE = "not said", "no usable face"


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of a finding.

    Attributes:
        model: Whose images.
        eyes: Which graders.
        finding: Of what.
        wanted: Stated values, the rows.
        seen: Observed values, the columns; abstentions and images without one usable face come last.
        counts: A row for each stated value.
    """

    model: str
    eyes: str
    finding: str
    wanted: tuple[str, ...]
    seen: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


def count_confusions(judgements: Iterable[Judgement]) -> tuple[tuple[str, ...], tuple[str, ...], list[tuple[int, ...]]]:
    """(stated values, observed values, counts) of verdicts on a finding."""
    counted: Counter[tuple[str, str]] = Counter()
    for one in judgements:
        missing = NOT_SEEN if one.agrees is None else NO_FACE
        counted[one.wanted, missing if one.seen is None else str(one.seen)] += 1
    wanted = tuple(sorted({row for row, _ in counted}))
    columns = {column for _, column in counted}
    seen = (*sorted(columns - {NOT_SEEN, NO_FACE}), *(one for one in (NOT_SEEN, NO_FACE) if one in columns))
    return wanted, seen, [tuple(counted[row, column] for column in seen) for row in wanted]


def collect_confusions(evaluation: Evaluation) -> list[Confusion]:
    """A matrix for each model, eyes and finding with named values."""
    found = []
    for model in evaluation.models:
        for eyes in ("other", "same", "unknown"):
            for finding in FINDINGS:
                mine = [
                    one
                    for one in evaluation.judgements
                    if one.states and (one.model, one.eyes, one.finding) == (model, eyes, finding)
                ]
                if mine:
                    wanted, seen, counts = count_confusions(mine)
                    found.append(Confusion(model, eyes, finding, wanted, seen, tuple(counts)))
    return found
