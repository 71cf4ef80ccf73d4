"""Intervals and tests: Wilson, BCa bootstrap over prompts, McNemar, Holm, Benjamini-Hochberg, Rogan-Gladen.

Shares are between 0 and 1; intervals are 95 % unless `confidence` says otherwise. scipy does the tests and bootstrap.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
CONFIDENCE = 0.95
DRAWS = 2000
"""Resamples of a bootstrap."""
LEAST_INFORMATION = 0.2
"""sensitivity + specificity - 1 below which a grader's error cannot be corrected for."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the ends of its interval."""

    value: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half of its width."""
        return (self.high - self.low) / 2


UNKNOWN = Interval(math.nan, math.nan, math.nan)


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of a share. E. B. Wilson, JASA 22, 1927.

    >>> wilson(8, 10)
    Interval(value=0.8, low=0.490162, high=0.943318)
    """
    if n == 0:
        return UNKNOWN
    from scipy.stats import binomtest

    found = binomtest(hits, n).proportion_ci(confidence, method="wilson")
    return Interval(hits / n, round(float(found.low), 6), round(float(found.high), 6))


def images_for_precision(half: float, share: float = 0.5, confidence: float = CONFIDENCE) -> int:
    """How many independent images make Wilson's interval at most ± `half` wide around a share.

    >>> [images_for_precision(0.02, share) for share in (0.5, 0.7, 0.8, 0.9, 0.95)]
    [2398, 2014, 1535, 868, 469]
    """
    from scipy.stats import norm

    z2 = float(norm.ppf((1 + confidence) / 2)) ** 2
    variance = share * (1 - share)
    low, high = 1, 10_000_000
    while low < high:
        n = (low + high) // 2
        width = math.sqrt(z2) * math.sqrt(variance / n + z2 / (4 * n * n)) / (1 + z2 / n)
        low, high = (low, n) if width <= half else (n + 1, high)
    return low


def bootstrap_ratio(
    hits: Sequence[float] | Floats, totals: Sequence[float] | Floats, seed: int = 0, confidence: float = CONFIDENCE
) -> Interval:
    """Share sum(hits) / sum(totals) over clusters, with a BCa interval that resamples clusters (prompts).

    hits, totals: (N,) per prompt. Prompts without a total are left out. Where all prompts agree the bootstrap
    knows nothing, and Wilson's interval over the prompts is returned. B. Efron, JASA 82, 1987.
    """
    h, t = np.asarray(hits, np.float64), np.asarray(totals, np.float64)
    h, t = h[t > 0], t[t > 0]
    if not len(t):
        return UNKNOWN
    value = float(h.sum() / t.sum())
    found = _bca(lambda a, b, axis=-1: a.sum(axis=axis) / b.sum(axis=axis), (h, t), seed=seed, confidence=confidence)
    if found is None:
        n = len(t)
        fallback = wilson(round(value * n), n, confidence)
        return Interval(value, min(value, fallback.low), max(value, fallback.high))
    return Interval(value, *found)


def bootstrap_mean(values: Sequence[float] | Floats, seed: int = 0, confidence: float = CONFIDENCE) -> Interval:
    """Mean with its BCa interval; of equal values, the value itself three times."""
    v = np.asarray(values, np.float64)
    if not len(v):
        return UNKNOWN
    value = float(v.mean())
    found = _bca(lambda a, axis=-1: a.mean(axis=axis), (v,), seed=seed, confidence=confidence)
    return Interval(value, *found) if found else Interval(value, value, value)


def paired_difference(
    hits: tuple[Floats, Floats], totals: tuple[Floats, Floats], seed: int = 0, confidence: float = CONFIDENCE
) -> Interval:
    """First share minus second, with a BCa interval that resamples prompts and keeps both models of a prompt together.

    hits, totals: (N,) per prompt of the first and of the second model; prompts that either lacks are left out.
    """
    both = (totals[0] > 0) & (totals[1] > 0)
    a, b, m, n = (np.asarray(one, np.float64)[both] for one in (*hits, *totals))
    if not both.any():
        return UNKNOWN

    def difference(a: Floats, b: Floats, m: Floats, n: Floats, axis: int = -1) -> Any:
        return a.sum(axis=axis) / m.sum(axis=axis) - b.sum(axis=axis) / n.sum(axis=axis)

    value = float(difference(a, b, m, n))
    found = _bca(difference, (a, b, m, n), seed=seed, confidence=confidence)
    return Interval(value, *found) if found else Interval(value, value, value)


def _bca(statistic: Any, data: tuple[Floats, ...], *, seed: int, confidence: float) -> tuple[float, float] | None:
    """The interval; None if the resamples do not differ, or there are too few units."""
    from scipy.stats import bootstrap

    n = len(data[0])
    if n < 2:
        return None
    # The jackknife of BCa needs n × n numbers; beyond this the percentile interval is the same to three digits.
    method = "BCa" if n <= 4000 else "percentile"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of degenerate data, which the caller handles
        found = bootstrap(
            data,
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=DRAWS,
            batch=max(1, 2_000_000 // n),
            confidence_level=confidence,
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def mcnemar(first_only: int, second_only: int) -> float:
    """Exact two-sided p of McNemar's test, from how many pairs only the first or only the second model got right.

    >>> round(mcnemar(1, 9), 6)
    0.021484
    """
    from scipy.stats import binomtest

    pairs = first_only + second_only
    return float(binomtest(first_only, pairs).pvalue) if pairs else 1.0


def sign_flip(differences: Sequence[float] | Floats, seed: int = 0, draws: int = 4999) -> float:
    """Two-sided p of the hypothesis that paired differences are symmetric around 0, by flipping signs at random.

    differences: (N,) per prompt, so that the images of a prompt, which resemble each other, are a single unit.
    R. A. Fisher, The Design of Experiments, 1935, section 21.
    """
    d = np.asarray(differences, np.float64)
    d = d[d != 0]
    if not len(d):
        return 1.0
    rng = np.random.default_rng(seed)
    seen = abs(d.sum()) - 1e-12
    beyond = sum(
        int((abs(rng.choice((-1.0, 1.0), (size, len(d))) @ d) >= seen).sum()) for size in _batches(draws, len(d))
    )
    return (beyond + 1) / (draws + 1)


def _batches(draws: int, n: int) -> list[int]:
    size = max(1, 2_000_000 // n)
    return [min(size, draws - first) for first in range(0, draws, size)]


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected so that the chance of any false claim among all of them stays below alpha. S. Holm, 1979.

    >>> [round(p, 6) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    corrected, highest = [math.nan] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = highest
    return corrected


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """p values corrected so that the expected share of false claims among all claims stays below q. 1995.

    >>> [round(p, 6) for p in benjamini_hochberg([0.01, 0.04, 0.03])]
    [0.03, 0.04, 0.04]
    """
    from scipy.stats import false_discovery_control

    return [float(one) for one in false_discovery_control(p)] if len(p) else []


@dataclass(frozen=True, slots=True)
class GraderError:
    """How often a grader is right about a finding, counted on labelled photos.

    Attributes:
        true_positives: Photos that show it, and are graded so; of `positives`.
        positives: Photos that show it.
        true_negatives: Photos that do not show it, and are graded so; of `negatives`.
        negatives: Photos that do not.
    """

    true_positives: int
    positives: int
    true_negatives: int
    negatives: int

    @property
    def sensitivity(self) -> float:
        """Share of the photos with the finding that are graded so."""
        return self.true_positives / self.positives if self.positives else math.nan

    @property
    def specificity(self) -> float:
        """Share of the photos without it that are graded so."""
        return self.true_negatives / self.negatives if self.negatives else math.nan


def rogan_gladen(hits: int, n: int, error: GraderError, confidence: float = CONFIDENCE) -> Interval | None:
    """The true share behind a share that a grader with known errors counted, clipped to [0, 1].

    p = (q + spec - 1) / (sens + spec - 1); the interval is Lang and Reiczigel's (Prev. Vet. Med. 113, 2014), which
    includes the uncertainty of sensitivity and specificity and holds for shares near 0 and 1.
    None if sens + spec - 1 is below 0.2: such a grader cannot carry the correction. W. J. Rogan, B. Gladen, 1978.

    >>> round(rogan_gladen(30, 100, GraderError(45, 50, 45, 50)).value, 6)
    0.25
    """
    sens, spec = error.sensitivity, error.specificity
    if not n or not (sens + spec - 1 >= LEAST_INFORMATION):
        return None
    from scipy.stats import norm

    z = float(norm.ppf((1 + confidence) / 2))
    value = min(1.0, max(0.0, (hits / n + spec - 1) / (sens + spec - 1)))
    # adjusted counts: Agresti-Coull for the share, one added success and failure for both error rates
    size = n + z * z
    share = (hits + z * z / 2) / size
    sens1 = (error.true_positives + 1) / (error.positives + 2)
    spec1 = (error.true_negatives + 1) / (error.negatives + 2)
    information = sens1 + spec1 - 1
    centre = (share + spec1 - 1) / information
    shift = (
        2
        * z
        * z
        * (
            centre * sens1 * (1 - sens1) / (error.positives + 2)
            - (1 - centre) * spec1 * (1 - spec1) / (error.negatives + 2)
        )
    )
    variance = (
        share * (1 - share) / size
        + centre**2 * sens1 * (1 - sens1) / (error.positives + 2)
        + (1 - centre) ** 2 * spec1 * (1 - spec1) / (error.negatives + 2)
    )
    reach = z * math.sqrt(variance) / information
    low, high = (min(1.0, max(0.0, centre + shift + end)) for end in (-reach, reach))
    return Interval(value, min(low, value), max(high, value))


def intraclass(hits: Sequence[float] | Floats, totals: Sequence[float] | Floats) -> float:
    """Correlation of the outcomes within a prompt, by one-way analysis of variance; between 0 and 1."""
    h, m = np.asarray(hits, np.float64), np.asarray(totals, np.float64)
    h, m = h[m > 0], m[m > 0]
    k, total = len(m), m.sum()
    if k < 2 or total <= k:
        return 0.0
    mean, shares = h.sum() / total, h / m
    between = float((m * (shares - mean) ** 2).sum() / (k - 1))
    within = float((m * shares * (1 - shares)).sum() / (total - k))
    size = (total - (m**2).sum() / total) / (k - 1)
    spread = between + (size - 1) * within
    return float(min(1.0, max(0.0, (between - within) / spread))) if spread > 0 else 0.0


def effective_n(hits: Sequence[float] | Floats, totals: Sequence[float] | Floats) -> float:
    """How many independent outcomes the clustered outcomes are worth: n / (1 + (m - 1) ρ). Kish, Survey Sampling, 1965.

    >>> effective_n([4, 0, 4, 0], [4, 4, 4, 4])
    4.0
    """
    m = np.asarray(totals, np.float64)
    m = m[m > 0]
    if not len(m):
        return 0.0
    size = float((m**2).sum() / m.sum())
    return float(m.sum() / (1 + (size - 1) * intraclass(hits, totals)))


def null_gap(groups: Sequence[tuple[Floats, Floats]], seed: int = 0, draws: int = 999) -> tuple[float, float, float]:
    """Largest minus smallest share among groups, its mean if all groups are alike, and the p of what was found.

    groups: (hits, totals) of each, both (prompts,). Any gap of shares is biased upward at small n, so the null value
    belongs next to it; it comes from dealing the prompts to groups of the same sizes at random.

    >>> null_gap([(np.ones(8), np.ones(8)), (np.ones(8), np.ones(8))])[0]
    0.0
    """
    filled = [(hits, totals) for hits, totals in groups if totals.sum() > 0]
    if len(filled) < 2:
        return math.nan, math.nan, math.nan
    hits, totals = (np.concatenate([one[side] for one in filled]) for side in (0, 1))
    starts = np.cumsum([0, *(len(one[0]) for one in filled[:-1])])

    def gap_of(order: npt.NDArray[np.intp]) -> float:
        return float(np.ptp(np.add.reduceat(hits[order], starts) / np.add.reduceat(totals[order], starts)))

    rng, kept = np.random.default_rng(seed), np.arange(len(hits))
    gap = gap_of(kept)
    gaps = np.array([gap_of(rng.permutation(kept)) for _ in range(draws)])
    return gap, float(gaps.mean()), (int((gaps >= gap - 1e-12).sum()) + 1) / (draws + 1)
