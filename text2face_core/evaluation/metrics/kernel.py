"""Kernel distance (KID, arXiv 1801.01401): squared maximum mean discrepancy with the kernel (xᵀy / d + 1)³.

The unbiased estimate over all images, not over random subsets, so that it draws no random numbers, and its interval
comes from a bootstrap of images; the spread over subsets that other tools print is not a standard error. Unbiased, so
slightly negative values are valid.
"""

from __future__ import annotations

import numpy as np

from ..statistics import Floats, Interval


def kernel_distance(one: Floats, other: Floats) -> float:
    """Unbiased MMD² of features (N, d) and (M, d), N and M at least 2.

    >>> kernel_distance(np.array([[0.0], [0.0]]), np.array([[1.0], [1.0]]))
    7.0
    """
    within = [_mean_off_diagonal(_kernel(features, features)) for features in (one, other)]
    return within[0] + within[1] - 2 * float(_kernel(one, other).mean())


def kernel_distance_interval(one: Floats, other: Floats, draws: int = 200, seed: int = 0) -> Interval:
    """KID with a 95 % interval that resamples the images of both sides (normal approximation around the estimate).

    A copy of an image within a resample is left out of the pairs, since its kernel with itself is not of two images.
    """
    k = [_kernel(one, one), _kernel(other, other), _kernel(one, other)]
    n, m = len(one), len(other)
    rng, found = np.random.default_rng(seed), np.empty(draws)
    for number in range(draws):
        a, b = rng.multinomial(n, np.full(n, 1 / n)), rng.multinomial(m, np.full(m, 1 / m))
        parts = []
        for weights, kernel in ((a, k[0]), (b, k[1])):
            total = weights @ kernel @ weights - (weights**2 * np.diag(kernel)).sum()
            parts.append(total / (weights.sum() ** 2 - (weights**2).sum()))
        found[number] = parts[0] + parts[1] - 2 * (a @ k[2] @ b) / (n * m)
    value, reach = kernel_distance(one, other), 1.96 * float(found.std(ddof=1))
    return Interval(value, value - reach, value + reach)


def _kernel(one: Floats, other: Floats) -> Floats:
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    found: Floats = (a @ b.T / a.shape[1] + 1) ** 3
    return found


def _mean_off_diagonal(kernel: Floats) -> float:
    n = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))
