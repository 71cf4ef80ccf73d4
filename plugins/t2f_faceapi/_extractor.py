"""From the networks' figures to findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from text2face_core import Extractor, Finding
from text2face_core.images import crops

from . import EMOTIONS
from ._networks import CROP, Networks

if TYPE_CHECKING:
    from text2face_core import Portrait

    from . import FaceApiOptions

EXPRESSIONS = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
"""The network's classes, as values of the finding `emotion`."""
REACHES = ((0.0, 2.0), (5.0, 3.5), (13.0, 5.5), (18.0, 7.5))
"""From this apparent age on, the mean error in years on photos that the network had not seen."""


class FaceApi(Extractor):
    """Age as the network's single number, gender as the more probable of two, and the expression if it is sure.

    The network does not say how sure it is of an age: the score comes from how far it errs at that age, as the
    probability of being within five years if errors are distributed normally.
    """

    def __init__(self, networks: Networks, options: FaceApiOptions) -> None:
        self._networks = networks
        self._options = options

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Find age, gender and emotion of each portrait. Raises DegenerateFace for a face without extent."""
        if not portraits:
            return []
        figures = self._networks(crops(portraits, CROP))
        return [self._findings(*row) for row in zip(*figures, strict=True)]

    def _findings(self, years: float, male: float, expressions: np.ndarray) -> list[Finding]:
        age = max(0.0, float(years))
        found = [Finding("age", round(age, 2), age_score(age))]
        score = round(float(max(male, 1 - male)), 4)
        if score >= self._options.gender_score and age >= self._options.gender_from_age:
            found.append(Finding("gender", "male" if male > 0.5 else "female", score))
        emotion, sure = EXPRESSIONS[int(expressions.argmax())], round(float(expressions.max()), 4)
        if emotion in EMOTIONS and sure >= self._options.emotion_score:
            found.append(Finding("emotion", emotion, sure))
        return found


def age_score(age: float) -> float:
    """Probability that an age is right to within five years.

    >>> age_score(3.0), age_score(40.0)
    (0.9539, 0.4056)
    """
    from math import erf, pi, sqrt

    error = next(error for start, error in reversed(REACHES) if age >= start)
    deviation = error * sqrt(pi / 2)  # of a normal distribution with this mean absolute error
    return round(erf(5.0 / (deviation * sqrt(2))), 4)
