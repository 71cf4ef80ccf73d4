"""The style space, whitened: principal axes of the generator's styles, each divided by its spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

SAMPLES = 9600


@dataclass(frozen=True, slots=True)
class StyleSpace:
    """Where the generator's styles are.

    Attributes:
        mean: (D,) the mean style.
        axes: (K, D) principal axes, orthonormal, the widest first.
        spread: (K,) standard deviations along them.
    """

    mean: Array
    axes: Array
    spread: Array

    @classmethod
    def measure(cls, styles: Array, count: int) -> StyleSpace:
        """The space of many styles, (N, D), with `count` axes; fewer where styles hardly differ."""
        mean = styles.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov((styles - mean).T.astype(np.float64)))
        spread = np.sqrt(np.maximum(values[::-1], 0))
        kept = min(count, int((spread > 1e-3 * spread[0]).sum()))
        axes = vectors[:, ::-1][:, :kept].T
        axes *= np.sign(axes[np.arange(kept), np.abs(axes).argmax(axis=1)])[:, None]  # the sign is not determined
        return cls(mean.astype(np.float32), axes.astype(np.float32), spread[:kept].astype(np.float32))

    def whiten(self, styles: Any) -> Array:
        """(N, D) -> (N, K), with mean 0 and deviation 1 for the generator's own styles."""
        found = (np.asarray(styles, np.float32) - self.mean) @ self.axes.T / self.spread
        return found.astype(np.float32)

    def restore(self, whitened: Any) -> Array:
        """(N, K) -> (N, D)."""
        found = (np.asarray(whitened, np.float32) * self.spread) @ self.axes + self.mean
        return found.astype(np.float32)
