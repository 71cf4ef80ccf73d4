"""Shares that are drawn in truth, behind what a grader with known errors counts: Rogan-Gladen.

Of images with one usable face whose prompt states the finding. Errors were counted on labelled photos, and generated
faces may be easier or harder: this removes the grader's bias on photos, no more. A grader whose sensitivity and
specificity add up to less than 1.2 is refused. The
same algebra: arXiv 2310.19297 (CLEAM).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import nan

from ..audit import CountedError
from ..records import Evaluation, Measure
from ..statistics import GraderError, rogan_gladen
from .fairness import group_of

LEAST_LABELLED = 20
"""Photos with and without the finding on which errors must have been counted."""


def measure_corrected(evaluation: Evaluation, errors: Sequence[CountedError]) -> list[Measure]:
    """Per model, grader, finding and value, over all and by the gender, ethnicity and age that prompts state."""
    known = {(one.grader, one.finding, one.value, one.axis, one.group): one.error for one in errors}
    usable = {one.image_id for one in evaluation.images if one.status == "ok"}
    groups = {one.prompt_id: group_of(one.mentions) for one in evaluation.prompts.values()}
    counts: dict[tuple[str, str, str, str, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in evaluation.judgements:
        if not one.states or one.image_id not in usable:
            continue
        for axis, group in (("", ""), *groups[one.prompt_id].items()):
            if (one.grader, one.finding, one.wanted, axis, group) in known:
                found = counts[one.model, one.grader, one.eyes, one.finding, one.wanted, axis, group]
                found[0] += bool(one.agrees)
                found[1] += 1
    measures = []
    for (model, grader, eyes, finding, wanted, axis, group), (hits, n) in sorted(counts.items()):
        error = known[grader, finding, wanted, axis, group]
        value = _correct(hits, n, error)
        measures.append(
            Measure(
                "drawn, corrected",
                *(value[:3]),
                n,
                model,
                f"{finding}={wanted}",
                group,
                eyes,
                "higher",
                note=f"{grader}, seen {hits} of {n}; {value[3]}",
            )
        )
    return measures


def _correct(hits: int, n: int, error: GraderError) -> tuple[float, float, float, str]:
    if min(error.positives, error.negatives) < LEAST_LABELLED:
        few = (
            f"errors counted on {error.positives} photos with it and {error.negatives} without: {LEAST_LABELLED} needed"
        )
        return nan, nan, nan, few
    found = rogan_gladen(hits, n, error)
    about = f"sensitivity {error.sensitivity:.2f}, specificity {error.specificity:.2f}"
    if found is None:
        return nan, nan, nan, f"{about}: too weak to correct"
    return found.value, found.low, found.high, about
