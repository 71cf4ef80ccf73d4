"""From the network's figures to findings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from text2face_core import Extractor, Finding

from ._network import Figures, Network
from .signature import FACIAL_HAIR, GENDERS, LOOKS, MIDDLES, RACES

if TYPE_CHECKING:
    from text2face_core import Portrait

    from . import PeopleOptions

HERE = Path(__file__).parent
WEIGHTS = HERE / "people.onnx"
RECORD = HERE / "people.toml"

AGE_IS_MEANT_WITHIN = 5.0
"""Years on either side of an age; the probability of that range is the age's score."""
OLDEST = 100
WORDS = {
    "White": "white",
    "Black": "black",
    "Indian": "indian",
    "East Asian": "asian",
    "Southeast Asian": "asian",
    "Middle Eastern": "middle_eastern",
    "Latino_Hispanic": "latino_hispanic",
}
"""FairFace's groups as values of the finding `ethnicity`; captions have one word for East and Southeast Asian."""
ETHNICITIES = tuple(dict.fromkeys(WORDS.values()))

GROWN = 15
"""Years, from which facial hair of a man is reported, or its absence."""
CERTAIN_KIND = 0.5
"""Share of a kind among all facial hair, from which the kind is reported."""
KINDS = {"stubble": ("five_o_clock_shadow", True), "mustache": ("mustache", True), "beard": ("no_beard", False)}
"""The finding and value of each kind of facial hair."""
WORN = ("sunglasses", "eyeglasses")
"""Findings of things worn. The network's headscarf is not reported: too few were labelled to trust it."""

Values = npt.NDArray[np.float64]


class Scales:
    """Calibration of raw figures to probabilities; read from the network's record."""

    def __init__(self, figures: Mapping[str, Any]) -> None:
        self._figures = figures

    @classmethod
    def load(cls, record: Path = RECORD) -> Scales:
        """Load the calibration from the record next to the network."""
        return cls(tomllib.loads(record.read_text(encoding="utf-8"))["calibration"])

    def male(self, figures: Figures) -> Values:
        """(N,) probability of "male"; `older` is added for every ten years over forty."""
        scale = self._figures["gender"]
        decades = np.maximum(0, self.centres(figures) - 40) / 10
        return sigmoid(scale["slope"] * figures.gender + scale["offset"] + scale["older"] * decades)

    def races(self, figures: Figures) -> Values:
        """(N, 7) probabilities in the order of RACES."""
        return softmax(figures.race / self._figures["race"]["temperature"])

    def centres(self, figures: Figures) -> Values:
        """(N,) centre of the age's distribution, in years."""
        scale = self._figures["age"]
        return piecewise(uncorrected_centres(figures), scale["from"], scale["to"])

    def years(self, figures: Figures) -> Values:
        """(N, OLDEST + 1): the probability of each age in whole years, as in everyday use."""
        spread = figures.years[:, 1:] * self._figures["age"]["stretch"]
        below = sigmoid((np.arange(OLDEST + 2) - self.centres(figures)[:, None]) / spread)
        mass = np.diff(below, axis=1)
        return np.asarray(mass / mass.sum(axis=1, keepdims=True), np.float64)


class People(Extractor):
    """Age as the expectation of its distribution, gender and ethnicity as the most probable value.

    An age's score is the probability of the years within five of it; its detail "std" is the standard deviation of the
    whole distribution. Ages and deviations are rounded to 0.01 years, scores to 0.0001: far above the last bits in
    which sums may differ between batch sizes.
    """

    def __init__(self, options: PeopleOptions, threads: int = 1) -> None:
        self._options = options
        self._network = Network(WEIGHTS, threads, mirror=options.mirror)
        self._scales = Scales.load()

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Find age, gender and ethnicity of each portrait. Raises DegenerateFace for unusable landmarks."""
        if not portraits:
            return []
        figures = self._network(portraits)
        years, male = self._scales.years(figures), self._scales.male(figures)
        races = self._scales.races(figures)
        return [self._findings(*row) for row in zip(years, male, races, figures.looks, strict=True)]

    def _findings(self, years: Values, male: float, races: Values, looks: Values) -> list[Finding]:
        age = age_of(years)
        found = [age]
        score = round(float(max(male, 1 - male)), 4)
        if score >= self._options.gender_score and float(age.value) >= self._options.gender_from_age:
            found.append(Finding("gender", GENDERS[int(male > 0.5)], score))
        if self._options.ethnicity:
            ethnicity = ethnicity_of(races)
            if ethnicity.score >= self._options.ethnicity_score:
                found.append(ethnicity)
        if self._options.looks:
            if male > 0.5 and float(age.value) >= GROWN:
                shares = softmax(looks[: len(FACIAL_HAIR)])
                found += facial_hair(shares, self._options.looks_score, self._options.clean_score)
            for name in WORN:
                worn = float(sigmoid(looks[LOOKS.index(name)]))
                if worn >= self._options.looks_score:
                    found.append(Finding(name, True, round(worn, 4)))
        return found


def facial_hair(shares: Values, least: float, clean: float) -> list[Finding]:
    """Facial hair by its kind, or its absence; nothing if neither is certain.

    Args:
        shares: (4,) probabilities in the order of FACIAL_HAIR.
        least: The probability from which facial hair is reported.
        clean: The probability from which its absence is.
    """
    kinds = dict(zip(FACIAL_HAIR, (float(share) for share in shares), strict=True))
    none = kinds.pop("none")
    some, kind = 1 - none, max(kinds, key=lambda name: kinds[name])
    if none >= clean:
        return [Finding("no_beard", True, round(none, 4))]
    if some < least:
        return []
    if kinds[kind] < CERTAIN_KIND * some:
        return []
    detail = {name: round(share, 4) for name, share in kinds.items()}
    return [Finding(*KINDS[kind], round(some, 4), detail=detail)]


def uncorrected_centres(figures: Figures) -> Values:
    """(N,) years: the mean of the estimates by the logistic distribution and by the bands; errs less than either."""
    shares = softmax(figures.bands)
    return np.asarray((figures.years[:, 0] + shares @ np.array(MIDDLES)) / 2, np.float64)


def softmax(logits: Values) -> Values:
    """Softmax along the last axis."""
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True), np.float64)


def sigmoid(x: Values) -> Values:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(x) / 2)), np.float64)


def piecewise(x: Values, source: Sequence[float], target: Sequence[float]) -> Values:
    """Piecewise linear map from `source` to `target`; the outer segments extend beyond the ends.

    >>> piecewise(np.array([0.0, 15.0, 40.0]), [10.0, 20.0, 30.0], [10.0, 20.0, 40.0]).tolist()
    [0.0, 15.0, 60.0]
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    n = np.clip(np.searchsorted(a, x) - 1, 0, len(a) - 2)
    return np.asarray(b[n] + (x - a[n]) * (b[n + 1] - b[n]) / (a[n + 1] - a[n]), np.float64)


def age_of(years: Values) -> Finding:
    """The age that a distribution over whole years represents: (OLDEST + 1,) probabilities."""
    ages = np.arange(len(years))  # as in everyday use: 30 until the 31st birthday
    expected = float(years @ ages)
    spread = float(np.sqrt(years @ (ages - expected) ** 2))
    near = min(1.0, float(years[np.abs(ages - expected) <= AGE_IS_MEANT_WITHIN].sum()))
    return Finding("age", round(expected, 2), round(near, 4), detail={"std": round(spread, 2)})


def ethnicity_of(races: Values) -> Finding:
    """The most probable ethnicity, in the words of captions: (7,) probabilities in the order of RACES."""
    shares = dict.fromkeys(ETHNICITIES, 0.0)
    for race, share in zip(RACES, races, strict=True):
        shares[WORDS[race]] += float(share)
    best = max(shares, key=lambda word: shares[word])
    return Finding(
        "ethnicity", best, round(shares[best], 4), detail={word: round(share, 4) for word, share in shares.items()}
    )
