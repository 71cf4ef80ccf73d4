"""Memorisation: do generated faces look like a training face more than other people's faces do?

For each generated face the highest cosine to any training face, compared with the same maximum for real photos that
were held out. The share above the held-out 99.9 % quantile is what is copied; the nearest pairs should be looked at.
The null value is small but not 0. Identity thresholds hold for a single network only, so none is built in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..statistics import Floats, Interval, wilson

QUANTILE = 0.999


@dataclass(frozen=True, slots=True)
class Memorisation:
    """Figures of generated against training faces.

    Attributes:
        share: Share of generated faces nearer to a training face than the held-out quantile.
        threshold: That quantile, a cosine.
        nearest: (N,) index of the nearest training face of each generated face.
        cosines: (N,) how near.
    """

    share: Interval
    threshold: float
    nearest: npt.NDArray[np.intp]
    cosines: Floats


def measure_memorisation(generated: Floats, training: Floats, held_out: Floats) -> Memorisation:
    """Of embeddings (N, d), (T, d) and (H, d) by the same network; rows need not have unit length.

    Below some 1,000 held-out photos the quantile is about their maximum.
    """
    where, cosines = nearest_cosines(generated, training)
    threshold = float(np.quantile(nearest_cosines(held_out, training)[1], QUANTILE))
    return Memorisation(wilson(int((cosines > threshold).sum()), len(cosines)), threshold, where, cosines)


def nearest_cosines(one: Floats, other: Floats, block: int = 4096) -> tuple[npt.NDArray[np.intp], Floats]:
    """(index, cosine), each (N,), of the row of `other` that is nearest to each row of `one`."""
    a, b = unit(one), unit(other)
    where, best = np.zeros(len(a), np.intp), np.full(len(a), -np.inf)
    for first in range(0, len(b), block):
        found = a @ b[first : first + block].T
        index = found.argmax(axis=1)
        value = found[np.arange(len(a)), index]
        better = value > best
        where[better], best[better] = index[better] + first, value[better]
    return where, best


def unit(features: Floats) -> Floats:
    """Rows of unit length; rows of zeros stay."""
    f = np.asarray(features, np.float64)
    length = np.linalg.norm(f, axis=1, keepdims=True)
    found: Floats = f / np.where(length > 0, length, 1)
    return found
