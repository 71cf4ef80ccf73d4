"""The floor: adherence of images to other images' prompts.

What a model would reach that draws people as the plan asks, but not whom each prompt asks. The ceiling is the row of
real photos, which adherence measures like any model.
"""

from __future__ import annotations

import numpy as np

from ..records import Evaluation, Measure
from ..statistics import Floats, Interval
from ..verdicts import Verdicts

SHUFFLES = 200


def shuffled_adherence(verdicts: Verdicts, seed: int = 0, shuffles: int = SHUFFLES) -> Interval:
    """Mean adherence if the images' prompts are dealt at random, with the range of 95 % of the deals."""
    rng = np.random.default_rng(seed)
    shares: Floats = np.empty(shuffles)
    for number in range(shuffles):
        hits, totals = verdicts.with_prompts(rng.permutation(verdicts.own))
        shares[number] = hits.sum() / totals.sum()
    return Interval(float(shares.mean()), *(float(one) for one in np.quantile(shares, (0.025, 0.975))))


def measure_floor(evaluation: Evaluation) -> list[Measure]:
    """Per model and eyes."""
    measures = []
    for (model, eyes), verdicts in evaluation.verdicts.items():
        if len(verdicts.images) < 2 or not verdicts.states[verdicts.own].any():
            continue
        found = shuffled_adherence(verdicts)
        measures.append(
            Measure(
                "adherence to shuffled prompts", found.value, found.low, found.high, len(verdicts.images), model,
                eyes=eyes, note=f"the floor: prompts dealt at random, {SHUFFLES} times",
            )
        )  # fmt: skip
    return measures
