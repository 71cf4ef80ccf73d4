"""Identity: does a sweep keep the person, do images of the same prompt differ, does a group look alike?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from ..statistics import UNKNOWN, Floats, Interval, bootstrap_mean
from .memorisation import unit


def sweep_consistency(reference: Floats, swept: Floats, strangers: Floats) -> Interval:
    """Mean cosine of swept images to the unswept image of the same seed, minus the mean cosine between other seeds.

    reference, swept: (N, d) embeddings, same seed in each row. strangers: (S, d) of different seeds. 0: the sweep
    draws another person; report each swept finding apart, since identity has to change when age or gender does.
    """
    cosines = (unit(reference) * unit(swept)).sum(axis=1)
    return bootstrap_mean(cosines - mean_pair_cosine(strangers))


def mean_pair_cosine(features: Floats) -> float:
    """Mean cosine of all pairs of rows; NaN of fewer than two rows.

    Within a group this is its homogenisation (arXiv 2402.01002): how alike its people are drawn.

    >>> mean_pair_cosine(np.array([[1.0, 0.0], [0.0, 1.0]]))
    0.0
    """
    n = len(features)
    if n < 2:
        return float("nan")
    total = unit(features).sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))


def prompt_diversity(features: Floats, prompts: Sequence[Hashable]) -> Interval:
    """Mean over prompts of 1 - mean cosine between the images of the prompt; 0 if every seed draws the same."""
    rows: dict[Hashable, list[int]] = {}
    for row, prompt in enumerate(prompts):
        rows.setdefault(prompt, []).append(row)
    spreads = [1 - mean_pair_cosine(features[places]) for places in rows.values() if len(places) > 1]
    return bootstrap_mean(spreads) if spreads else UNKNOWN


def vendi_score(features: Floats) -> float:
    """Effective number of different images: the exponential of the entropy of the cosine matrix (arXiv 2210.02410).

    >>> round(vendi_score(np.eye(3)), 6), round(vendi_score(np.ones((3, 2))), 6)
    (3.0, 1.0)
    """
    n = len(features)
    spectrum = np.linalg.svd(unit(features), compute_uv=False) ** 2 / n
    spectrum = spectrum[spectrum > 1e-12]
    return float(np.exp(-(spectrum * np.log(spectrum)).sum()))
