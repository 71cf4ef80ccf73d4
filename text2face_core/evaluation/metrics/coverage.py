"""Fidelity and diversity apart: density and coverage (arXiv 2002.09797), precision and recall (arXiv 1904.06991)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..statistics import Floats

BLOCK = 2048


class Coverage(NamedTuple):
    """Figures of generated against real features; density may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def measure_coverage(real: Floats, generated: Floats, k: int = 5) -> Coverage:
    """Of features (N, d) and (M, d), by the balls that reach each feature's k-th nearest neighbour of its own kind.

    precision: share of generated in any real ball. recall: share of real in any generated ball. density: mean number of
    real balls that hold a generated feature, over k. coverage: share of real balls that hold any generated feature.
    """
    if min(len(real), len(generated)) <= k:
        raise ValueError(f"k is {k}: wanted more than {k} images on both sides, not {len(real)} and {len(generated)}")
    reach_real, reach_generated = nearest(real, real, k + 1)[:, k], nearest(generated, generated, k + 1)[:, k]
    hits, covered, recalled = np.zeros(len(generated)), np.zeros(len(real), bool), np.zeros(len(real), bool)
    for first in range(0, len(real), BLOCK):
        part = slice(first, first + BLOCK)
        apart = distances(real[part], generated)
        inside = apart < reach_real[part, None]
        hits += inside.sum(axis=0)
        covered[part] = apart.min(axis=1) < reach_real[part]
        recalled[part] = (apart < reach_generated[None]).any(axis=1)
    return Coverage(float((hits > 0).mean()), float(recalled.mean()), float(hits.mean() / k), float(covered.mean()))


def distances(one: Floats, other: Floats) -> Floats:
    """(N, M) Euclidean distances."""
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    found: Floats = np.sqrt(np.maximum(squares, 0))
    return found


def nearest(one: Floats, other: Floats, k: int) -> Floats:
    """(N, k) distances to the k nearest of `other`, ascending; itself included if `other` contains it."""
    blocks = (distances(one[first : first + BLOCK], other) for first in range(0, len(one), BLOCK))
    return np.concatenate([np.sort(np.partition(block, k - 1, axis=1)[:, :k], axis=1) for block in blocks])
