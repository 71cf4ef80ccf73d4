"""Attribute accuracy: adherence averaged over findings (C), next to adherence over all statements (I).

SOA-C and SOA-I of TISE (arXiv 2112.01398) for findings instead of object classes. Images without a usable face stay in
the denominator, which the reference code drops.
"""

from __future__ import annotations

import warnings
from collections import defaultdict

import numpy as np

from ..records import Evaluation, Measure
from ..statistics import Floats, Interval
from .adherence import EYES, tally

DRAWS = 2000
LEAST = 5
"""Findings that are stated less often are left out: their share would be a coin's."""


def macro_share(hits: Floats, totals: Floats, seed: int = 0) -> Interval:
    """Mean over F findings of sum(hits) / sum(totals), with a percentile interval that resamples the N prompts.

    hits, totals: (N, F).

    >>> macro_share(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 2.0], [1.0, 2.0]])).value
    0.5
    """
    value = float((hits.sum(0) / totals.sum(0)).mean())
    rng, n = np.random.default_rng(seed), len(hits)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(float)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a draw may hold no prompt with any finding
        drawn = np.nanmean((weights @ hits) / (weights @ totals), axis=1)
    return Interval(value, *(float(one) for one in np.nanquantile(drawn, (0.025, 0.975))))


def measure_macro(evaluation: Evaluation) -> list[Measure]:
    """Per model and eyes, over the findings that are stated at least five times."""
    measures = []
    order = {prompt: place for place, prompt in enumerate(sorted(evaluation.prompts))}
    for eyes in EYES:
        for model in evaluation.models:
            by_finding = defaultdict(list)
            for one in evaluation.judgements:
                if one.states and one.eyes == eyes and one.model == model:
                    by_finding[one.finding].append(one)
            tallies = [tally(by_finding[finding], order) for finding in sorted(by_finding)]
            tallies = [one for one in tallies if one.totals.sum() >= LEAST]
            if not tallies:
                continue
            found = macro_share(
                np.stack([one.hits for one in tallies], 1), np.stack([one.totals for one in tallies], 1)
            )
            measures.append(
                Measure(
                    "adherence averaged over findings", found.value, found.low, found.high, len(tallies), model,
                    eyes=eyes, better="higher", note=f"{len(tallies)} findings, each stated at least {LEAST} times",
                )
            )  # fmt: skip
    return measures
