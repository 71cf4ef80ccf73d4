"""The two networks: from crops to probabilities to findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from text2face_core import Extractor, Finding, LandmarkCrop
from text2face_core.images import crops
from text2face_core.models import session

if TYPE_CHECKING:
    from pathlib import Path

    from text2face_core.records import Pixels, Portrait

    from . import AgeGenderOptions

Probabilities = npt.NDArray[np.float32]

# Where the networks' training crops have the landmarks, in units of the crop's side: the mean of dlib's five-point
# alignment at its padding of 0.2, expressed in the detector's landmarks.
LANDMARKS = ((0.3061, 0.2854), (0.6806, 0.2920), (0.5079, 0.5203), (0.3181, 0.6859), (0.6525, 0.6923))
MEAN_COLOUR = np.array([122.782, 117.001, 104.298], np.float32)
YEARS = np.array([0.25, *range(1, 81)])
"""What each of the age network's 81 classes counts for; the first stands for the first year of life."""
GENDERS = ("female", "male")
LARGEST_BATCH = 32
AGE_IS_MEANT_WITHIN = 5.0
"""Years to both sides of an age; the probability that falls there is the age's score."""


def _crop(side: int) -> LandmarkCrop:
    return LandmarkCrop(f"dlib_{side}", tuple((x * side, y * side) for x, y in LANDMARKS), side)


class AgeGender(Extractor):
    """Age as the expectation over 81 classes, gender as the more probable of two.

    The age's score is the probability of the years within five of it; its detail "std" is the spread, in years, of the
    whole distribution. Figures are rounded, age and spread to 0.01 years, scores to 0.0001: far above the last bits in
    which onnxruntime's sums might differ between batches of different size.
    """

    def __init__(self, age: Path, gender: Path, options: AgeGenderOptions, threads: int = 1) -> None:
        self._options = options
        self._age = Network(age, _crop(64), threads)
        self._gender = Network(gender, _crop(32), threads)

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Age, and gender where it is clear enough, of each portrait. Raises DegenerateFace for unusable landmarks."""
        ages = self._age(portraits)
        genders = self._gender(portraits)
        return [self._findings(*rows) for rows in zip(ages, genders, strict=True)]

    def _findings(self, ages: Probabilities, genders: Probabilities) -> list[Finding]:
        p = ages.astype(np.float64)
        years = float(p @ YEARS)
        spread = float(np.sqrt(p @ (YEARS - years) ** 2))
        near = min(1.0, float(p[np.abs(YEARS - years) <= AGE_IS_MEANT_WITHIN].sum()))
        age = Finding("age", round(years, 2), round(near, 4), detail={"std": round(spread, 2)})
        score = round(float(genders.max()), 4)
        if score < self._options.gender_score or years < self._options.gender_from_age:
            return [age]
        return [age, Finding("gender", GENDERS[int(genders.argmax())], score)]


class Network:
    """One of the networks, on aligned crops."""

    def __init__(self, weights: Path, crop: LandmarkCrop, threads: int) -> None:
        self._session: Any = session(weights, threads)
        self.crop = crop

    def __call__(self, portraits: Sequence[Portrait]) -> list[Probabilities]:
        """A row of class probabilities for each portrait."""
        return [row for start in range(0, len(portraits), LARGEST_BATCH) for row in self._batch(portraits, start)]

    def _batch(self, portraits: Sequence[Portrait], start: int) -> Probabilities:
        return self.probabilities(crops(portraits[start : start + LARGEST_BATCH], self.crop))

    def probabilities(self, chips: Pixels) -> Probabilities:
        """(N, classes) float32 for (N, side, side, 3) uint8 RGB; the softmax is part of the network."""
        normal = (chips.astype(np.float32) - MEAN_COLOUR) / np.float32(256)
        (rows,) = self._session.run(None, {"images": np.ascontiguousarray(normal.transpose(0, 3, 1, 2))})
        return np.asarray(rows, np.float32)
