"""Counterfactual effect: how much more often a finding is seen if the prompt states it than if it does not.

P(seen | stated) - P(seen | not stated) over pairs of the plan `pairs`: same person, same words, same noise. It is free
of how often a model draws the finding anyway. "Preference" is the share of pairs, among those that differ, in which the
image whose prompt states it shows it (PA of TISE, arXiv 2112.01398, with graders in the place of CLIP).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ..records import Evaluation, Measure
from ..statistics import Floats, bootstrap_mean, holm, mcnemar, wilson


def pair_outcomes(evaluation: Evaluation, model: str, eyes: str) -> dict[str, tuple[Floats, Floats]]:
    """By finding: (seen if stated, seen if not), each (pairs,), averaged over the graders and images of a side.

    Sides without one usable face or with abstentions count as not seen. Pairs that lack a side are left out.
    """
    sides: dict[tuple[str, str, bool], list[float]] = defaultdict(list)
    for one in evaluation.judgements:
        prompt = evaluation.prompts[one.prompt_id]
        mine = prompt.changed is not None and (one.finding, one.wanted) == (prompt.changed.name, prompt.changed.wanted)
        if mine and one.model == model and one.eyes == eyes:
            sides[one.finding, prompt.pair_id, one.states].append(float(bool(one.agrees)))
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (finding, pair, states), seen in sides.items():
        if states and (other := sides.get((finding, pair, False))):
            found[finding].append((float(np.mean(seen)), float(np.mean(other))))
    return {finding: (np.array(pairs)[:, 0], np.array(pairs)[:, 1]) for finding, pairs in sorted(found.items())}


def measure_effects(evaluation: Evaluation) -> list[Measure]:
    """Per model, eyes and finding: effect with interval, exact McNemar corrected by Holm; preference over all."""
    measures: list[Measure] = []
    if not any(one.pair_id for one in evaluation.prompts.values()):
        return measures
    for eyes in sorted({one.eyes for one in evaluation.judgements}):
        for model in evaluation.models:
            outcomes = pair_outcomes(evaluation, model, eyes)
            if not outcomes:
                continue
            ps = [
                mcnemar(int(((a > 0.5) & (b <= 0.5)).sum()), int(((a <= 0.5) & (b > 0.5)).sum()))
                for a, b in outcomes.values()
            ]
            for (finding, (a, b)), p, adjusted in zip(outcomes.items(), ps, holm(ps), strict=True):
                found = bootstrap_mean(a - b)
                measures.append(
                    Measure(
                        "effect of the word", found.value, found.low, found.high, len(a), model, finding, eyes=eyes,
                        better="higher", p=p, p_adjusted=adjusted,
                        note=f"seen in {a.mean():.0%} if stated, {b.mean():.0%} if not",
                    )
                )  # fmt: skip
            a, b = (np.concatenate([pair[side] for pair in outcomes.values()]) for side in (0, 1))
            found = bootstrap_mean(a - b)
            measures.append(
                Measure("effect of the word", found.value, found.low, found.high, len(a), model, eyes=eyes,
                        better="higher", note="over all findings")
            )  # fmt: skip
            first, second = int((a > b).sum()), int((b > a).sum())
            share = wilson(first, first + second)
            measures.append(
                Measure("counterfactual preference", share.value, share.low, share.high, first + second, model,
                        eyes=eyes, better="higher", note="of the pairs that differ; chance is 50 %")
            )  # fmt: skip
    return measures
