"""From the network's figures to findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from text2face_core import Extractor, Finding
from text2face_core.images import crops

from ._network import CROP, Figures, Network

if TYPE_CHECKING:
    from text2face_core import Portrait

    from . import FaceResOptions

YEARS = np.arange(1, 101)
AGE_IS_MEANT_WITHIN = 5.0
"""Years on either side of an age; the probability of that range is the age's score."""


class FaceRes(Extractor):
    """Age as the expectation of its distribution, gender as the more probable of two.

    Ages are rounded to 0.01 years, scores to 0.0001: far above the last bits in which sums may differ between batch
    sizes.
    """

    def __init__(self, network: Network, options: FaceResOptions) -> None:
        self._network = network
        self._options = options

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Find age and gender of each portrait. Raises DegenerateFace for a face without extent."""
        if not portraits:
            return []
        squares = crops(portraits, CROP)
        figures = self._network(squares)
        if self._options.mirror:
            other = self._network(np.ascontiguousarray(squares[:, :, ::-1]))
            figures = Figures(*(np.float32(0.5) * (a + b) for a, b in zip(figures, other, strict=True)))
        return [self._findings(*row) for row in zip(figures.years, figures.male, strict=True)]

    def _findings(self, years: np.ndarray, male: float) -> list[Finding]:
        p = years.astype(np.float64) / float(years.sum())
        age = float(p @ YEARS)
        spread = float(np.sqrt(p @ (YEARS - age) ** 2))
        near = min(1.0, float(p[np.abs(YEARS - age) <= AGE_IS_MEANT_WITHIN].sum()))
        found = [Finding("age", round(age, 2), round(near, 4), detail={"std": round(spread, 2)})]
        score = round(float(max(male, 1 - male)), 4)
        if score >= self._options.gender_score and age >= self._options.gender_from_age:
            found.append(Finding("gender", "male" if male > 0.5 else "female", score))
        return found
