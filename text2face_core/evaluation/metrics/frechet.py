"""Fréchet distance of two sets of features, and its value at infinitely many images.

d² = |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½). With the 2048 features of TensorFlow's Inception of 2015-12-05 this is FID
(arXiv 1706.08500). It is biased upward by about c / n: below 2,000 images use `kernel_distance` or `frechet_limit`.
"""

from __future__ import annotations

import numpy as np

from ..statistics import Floats


def frechet_distance(one: Floats, other: Floats) -> float:
    """Fréchet distance between Gaussians fitted to features (N, d) and (M, d); covariances with N - 1.

    tr (Σ₁ Σ₂)^½ is the sum of the singular values of A Bᵀ, A and B being the centred features over √(N - 1): exact,
    real, and never a d × d root.

    >>> frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
    9.0
    """
    _check(one, other)
    a, b = (np.asarray(features, np.float64) for features in (one, other))
    centred = [(features - features.mean(0)) / np.sqrt(len(features) - 1) for features in (a, b)]
    shift = float(((a.mean(0) - b.mean(0)) ** 2).sum())
    spread = float(sum((part**2).sum() for part in centred))
    if min(len(a), len(b)) > a.shape[1]:  # the factors R of A = QR are then smaller, with the same singular values
        centred = [np.asarray(np.linalg.qr(part, mode="r"), np.float64) for part in centred]
    root = float(np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum())
    return shift + spread - 2 * root


def frechet_limit(one: Floats, other: Floats, points: int = 15, seed: int = 0) -> float:
    """FD at infinitely many images: the intercept of FD against 1 / N (arXiv 1911.07023).

    `one` is subsampled at `points` sizes from a tenth (at most 5,000) to all of it; `other`, the real side, stays.
    """
    _check(one, other)
    rng = np.random.default_rng(seed)
    least = min(5000, max(2, len(one) // 10))
    sizes = np.linspace(least, len(one), points).astype(int)
    found = [frechet_distance(one[rng.choice(len(one), size, replace=False)], other) for size in sizes]
    return float(np.polyfit(1 / sizes, found, 1)[1])


def _check(one: Floats, other: Floats) -> None:
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1] or min(len(one), len(other)) < 2:
        raise ValueError(f"wanted two arrays (N, d) and (M, d) with N, M >= 2, not {one.shape} and {other.shape}")
