"""Adherence: how much of what prompts state graders see on the images, over all and per finding.

The share of (image, statement) pairs on which the graders agree with the prompt; if several graders judge a statement,
their verdicts are averaged. Images without exactly one usable face and abstentions of graders count as failures in
"adherence"; "adherence given a verdict" leaves them out and stands next to it. Intervals resample prompts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..records import PHOTOS, Evaluation, Judgement, Measure
from ..statistics import Floats, Interval, bootstrap_ratio, effective_n, holm, mcnemar, paired_difference, sign_flip

EYES = ("other", "same", "unknown")


@dataclass(frozen=True, slots=True)
class Tally:
    """Hits and totals per prompt, in the same order of prompts for all models.

    Attributes:
        hits: (N,) sum of verdicts, 1 for each statement that was seen.
        totals: (N,) number of statements.
    """

    hits: Floats
    totals: Floats

    @property
    def share(self) -> float:
        """Over all prompts."""
        return float(self.hits.sum() / self.totals.sum()) if self.totals.sum() else float("nan")


def tally(judgements: Iterable[Judgement], order: dict[str, int], *, failures: bool = True) -> Tally:
    """Count verdicts per prompt; a statement about an image counts once, however many graders judged it.

    failures: count images without a usable face and abstentions as not seen; else leave both out.
    """
    verdicts: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for one in judgements:
        if failures:
            verdicts[one.prompt_id, one.image_id, one.finding, one.wanted].append(float(bool(one.agrees)))
        elif one.agrees is not None and one.seen is not None:
            verdicts[one.prompt_id, one.image_id, one.finding, one.wanted].append(float(one.agrees))
    hits, totals = np.zeros(len(order)), np.zeros(len(order))
    for (prompt, *_), found in verdicts.items():
        hits[order[prompt]] += sum(found) / len(found)
        totals[order[prompt]] += 1
    return Tally(hits, totals)


def measure_adherence(evaluation: Evaluation) -> list[Measure]:
    """Adherence of each model by eyes, over all and per finding, and the differences from the first model."""
    measures: list[Measure] = []
    order = {prompt: place for place, prompt in enumerate(sorted(evaluation.prompts))}
    stated = [one for one in evaluation.judgements if one.states]
    for eyes in EYES:
        mine = [one for one in stated if one.eyes == eyes]
        if not mine:
            continue
        findings = sorted({one.finding for one in mine})
        by_model = {model: [one for one in mine if one.model == model] for model in evaluation.models}
        for model, judgements in by_model.items():
            measures += _of_model(model, judgements, order, eyes)
            for finding in findings:
                part = [one for one in judgements if one.finding == finding]
                measures += _of_model(model, part, order, eyes, finding)
        measures += _differences(by_model, order, eyes, findings)
    return measures


def _of_model(
    model: str, judgements: Sequence[Judgement], order: dict[str, int], eyes: str, finding: str = ""
) -> list[Measure]:
    if not judgements:
        return []
    strict, given = tally(judgements, order), tally(judgements, order, failures=False)
    about = Measure("", 0.0, model=model, finding=finding, eyes=eyes, better="higher")
    found = bootstrap_ratio(strict.hits, strict.totals)
    worth = effective_n(strict.hits, strict.totals)
    apart = bootstrap_ratio(given.hits, given.totals)
    abstained = sum(one.agrees is None for one in judgements) / len(judgements)
    faceless = sum(one.agrees is False and one.seen is None for one in judgements) / len(judgements)
    return [
        _with(about, "adherence", found, int(strict.totals.sum()), f"worth {worth:,.0f} independent statements"),
        _with(
            about, "adherence given a verdict", apart, int(given.totals.sum()),
            f"{faceless:.1%} without one usable face, {abstained:.1%} abstentions are left out",
        ),
    ]  # fmt: skip


def _differences(
    by_model: dict[str, list[Judgement]], order: dict[str, int], eyes: str, findings: Sequence[str]
) -> list[Measure]:
    models = [model for model in by_model if model != PHOTOS]
    measures: list[Measure] = []
    for model in models[1:]:
        pair = (by_model[model], by_model[models[0]])
        name = f"{model} - {models[0]}"
        overall = tuple(tally(one, order) for one in pair)
        about = Measure("adherence difference", 0.0, model=name, eyes=eyes, better="higher")
        measures.append(_difference(about, overall[0], overall[1]))
        tested = []
        for finding in findings:
            parts = [[one for one in judgements if one.finding == finding] for judgements in pair]
            if not parts[0] or not parts[1]:
                continue
            one = replace(about, finding=finding)
            tested.append(_difference(one, tally(parts[0], order), tally(parts[1], order)))
        corrected = holm([one.p for one in tested])
        note = f"Holm over {len(tested)} findings"
        measures += [replace(one, p_adjusted=p, note=note) for one, p in zip(tested, corrected, strict=True)]
    return measures


def _difference(about: Measure, first: Tally, second: Tally) -> Measure:
    found = paired_difference((first.hits, second.hits), (first.totals, second.totals))
    both = (first.totals > 0) & (second.totals > 0)
    return replace(
        about, value=found.value, low=found.low, high=found.high, n=int(both.sum()), p=paired_p(first, second),
        note="paired by prompt",
    )  # fmt: skip


def paired_p(first: Tally, second: Tally) -> float:
    """Two-sided p that two models draw equally well, over the prompts that both have.

    Exact McNemar if each prompt has a single yes-or-no verdict per model; else signs of differences.
    """
    both = (first.totals > 0) & (second.totals > 0)
    a, b = first.hits[both], second.hits[both]
    m, n = first.totals[both], second.totals[both]
    if (m == 1).all() and (n == 1).all() and np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all():
        return mcnemar(int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum()))
    return sign_flip(a / m - b / n) if len(a) else 1.0


def _with(about: Measure, name: str, found: Interval, n: int, note: str) -> Measure:
    return replace(about, name=name, value=found.value, low=found.low, high=found.high, n=n, note=note)
