"""Fairness: adherence and face rate by the age, gender and ethnicity that prompts state, and shares of groups unasked.

The largest gap between groups is biased upward: for equal groups it is not 0, but grows with their number and shrinks
with n. So each gap stands next to its null value, the mean gap if prompts are dealt to the groups at random.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...language.fidelity import Mention
from ..judging import is_from
from ..records import Evaluation, GradedImage, Measure, PlannedPrompt
from ..statistics import Floats, bootstrap_ratio, holm, null_gap, wilson
from .adherence import EYES, tally

BANDS = ((0, "under 13"), (13, "13 to 19"), (20, "20 to 39"), (40, "40 to 59"), (60, "60 and over"))
AXES = ("age", "gender", "ethnicity")
LEAST = 30
"""Groups with fewer statements are shown without being compared."""


def group_of(mentions: tuple[Mention, ...]) -> dict[str, str]:
    """The group that a prompt states by age band, gender and ethnicity; what it does not state is missing.

    An age range belongs to the band of its middle.
    """
    group = {}
    for one in mentions:
        if one.name == "age" and one.age:
            middle = (one.age[0] + min(one.age[1], 90)) / 2
            group["age"] = next(name for start, name in reversed(BANDS) if middle >= start)
        elif one.name in AXES and len(one.values) == 1:
            group[one.name] = one.values[0][1]
    return group


def measure_groups(evaluation: Evaluation) -> list[Measure]:
    """Adherence per group on each axis, per cell of all three, and the gap of each axis with its null value.

    Age, gender and ethnicity are counted like any other statement.
    """
    measures: list[Measure] = []
    groups = {one.prompt_id: group_of(one.mentions) for one in evaluation.prompts.values()}
    order = {prompt: place for place, prompt in enumerate(sorted(evaluation.prompts))}
    for eyes in EYES:
        for model in evaluation.models:
            stated = [one for one in evaluation.judgements if one.states and (one.eyes, one.model) == (eyes, model)]
            if not stated:
                continue
            counted = tally(stated, order)
            for axis in (*AXES, "cell"):
                members = _members(groups, order, axis)
                compared: list[tuple[Floats, Floats]] = []
                for group, places in sorted(members.items()):
                    hits, totals = counted.hits[places], counted.totals[places]
                    if totals.sum():
                        found = bootstrap_ratio(hits, totals)
                        n = int(totals.sum())
                        measures.append(
                            Measure("adherence by group", found.value, found.low, found.high, n, model, axis, group,
                                    eyes, "higher", note="" if n >= LEAST else f"fewer than {LEAST} statements")
                        )  # fmt: skip
                        if n >= LEAST:
                            compared.append((hits, totals))
                if axis != "cell" and len(compared) > 1:
                    measures.append(_gap("adherence gap", compared, model, axis, eyes))
    return [*_corrected(measures), *_face_rates(evaluation, groups)]


def _members(groups: Mapping[str, dict[str, str]], order: Mapping[str, int], axis: str) -> dict[str, list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for prompt, group in groups.items():
        if axis == "cell" and len(group) == len(AXES):
            members[" · ".join(group[one] for one in AXES)].append(order[prompt])
        elif axis in group:
            members[group[axis]].append(order[prompt])
    return members


def _gap(name: str, groups: list[tuple[Floats, Floats]], model: str, axis: str, eyes: str) -> Measure:
    gap, null, p = null_gap(groups)
    n = int(sum(totals.sum() for _, totals in groups))
    return Measure(
        name, gap, n=n, model=model, finding=axis, eyes=eyes, better="lower", p=p,
        note=f"largest minus smallest of {len(groups)} groups; {100 * null:.1f} points if all groups are alike",
    )  # fmt: skip


def _corrected(measures: list[Measure]) -> list[Measure]:
    """Gaps with p values that Holm corrects over all of them."""
    tested = [number for number, one in enumerate(measures) if not np.isnan(one.p)]
    adjusted = dict(zip(tested, holm([measures[number].p for number in tested]), strict=True))
    return [
        replace(one, p_adjusted=adjusted[number]) if number in adjusted else one for number, one in enumerate(measures)
    ]


def _face_rates(evaluation: Evaluation, groups: Mapping[str, dict[str, str]]) -> list[Measure]:
    measures: list[Measure] = []
    for model in evaluation.models:
        images = evaluation.images_of(model)
        for axis in AXES:
            counted: dict[str, list[bool]] = defaultdict(list)
            for image in images:
                if axis in groups[image.prompt_id] and image.faces >= 0:
                    counted[groups[image.prompt_id][axis]].append(image.status == "ok")
            for group, usable in sorted(counted.items()):
                found = wilson(sum(usable), len(usable))
                measures.append(
                    Measure("one usable face by group", found.value, found.low, found.high, len(usable), model, axis,
                            group, better="higher")
                )  # fmt: skip
            compared = [(np.array(one, np.float64), np.ones(len(one))) for one in counted.values() if len(one) >= LEAST]
            if len(compared) > 1:
                measures.append(_gap("one usable face gap", compared, model, axis, ""))
    return _corrected(measures)


def measure_unasked(evaluation: Evaluation) -> list[Measure]:
    """What images show of people whom the prompt leaves open: shares of gender, ethnicity and age bands.

    Only images whose prompt states nothing on that axis. The gap to equal shares stands next to what equal shares would
    give by chance at this n (HEIM, arXiv 2311.04287, reports it per prompt without it).
    """
    measures: list[Measure] = []
    for grader in evaluation.graders:
        for model in evaluation.models:
            for axis in AXES:
                seen = _seen(evaluation.images_of(model), evaluation.prompts, grader.name, axis)
                n = sum(seen.values())
                if n < 2:
                    continue
                for value, count in sorted(seen.items()):
                    found = wilson(count, n)
                    measures.append(
                        Measure("share unasked", found.value, found.low, found.high, n, model, axis, value, grader.eyes,
                                note=f"seen by {grader.name}")
                    )  # fmt: skip
                if axis == "gender":
                    gap, null = parity_gap(seen.get("female", 0), n)
                    measures.append(
                        Measure("gender imbalance unasked", gap, n=n, model=model, finding=axis, eyes=grader.eyes,
                                better="lower", note=f"|share of women - 0.5|; {null:.3f} if both are as likely")
                    )  # fmt: skip
    return measures


def parity_gap(women: int, n: int) -> tuple[float, float]:
    """(|share - 0.5|, its mean for a fair coin at this n).

    >>> [round(parity_gap(0, n)[1], 3) for n in (1, 4, 8, 100)]
    [0.5, 0.188, 0.137, 0.04]
    """
    from scipy.stats import binom

    k = np.arange(n + 1)
    return abs(women / n - 0.5), float((binom.pmf(k, n, 0.5) * abs(k / n - 0.5)).sum())


def _seen(images: list[GradedImage], prompts: Mapping[str, PlannedPrompt], grader: str, axis: str) -> Counter[str]:
    seen: Counter[str] = Counter()
    for image in images:
        if image.status != "ok" or any(axis in one.names for one in prompts[image.prompt_id].mentions):
            continue
        own = [one for one in image.findings if one.name == axis and is_from(one, grader)]
        if own:
            value = max(own, key=lambda one: one.score).value
            if axis == "age" and isinstance(value, int | float):
                value = next(name for start, name in reversed(BANDS) if float(value) >= start)
            seen[str(value)] += 1
    return seen
