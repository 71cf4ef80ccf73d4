"""Calibrate, and write the network's record: python -m tools.train_people.calibrate WORK PEOPLE.onnx PEOPLE.toml.

On the 1,000 photos kept for it: slope and offset of the gender's logit by logistic regression (Platt 1999), with an
offset that grows with age, so that older women are not called men; the temperature of the races' logits (Guo et al.
2017); and by the likelihood of the labelled bands, where an age's distribution is centred and how wide it is. A gender
within young, middle and old weighs the same however many people it has; a band weighs by the root of their count.
"""

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from t2f_people._extractor import piecewise, sigmoid, uncorrected_centres
from t2f_people._network import Figures, Network
from t2f_people.signature import EDGES, SIDE

from .augment import cut, view
from .prepare import CALIBRATE

Values = npt.NDArray[np.float64]

PULL = 1.0
"""Of what is fitted towards what changes nothing, in people."""
KNOTS = (3.0, 12.0, 25.0, 40.0, 55.0, 70.0)
"""Years between which the correction of ages is linear."""
STIFF = 0.2
"""Pull of each knot towards its own years, in people per squared year."""
SMALLEST = 1e-6
"""Probability that a band is given at least, so that one wrong label does not decide."""

RECORD = """# The record of people.onnx: what it is, where it came from, and how its figures become probabilities.
# Written by tools/train_people/calibrate.py.

[model]
file = "people.onnx"
sha256 = "{sha256}"
size = {size}
licence = "MIT"
training_data = "FairFace, training part (224 px, padding 0.25): 36,500 photos to learn from, 1,000 to calibrate"
training_data_licence = "CC-BY-4.0"
attribution = '''
Kärkkäinen and Joo, FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age for Bias Measurement and
Mitigation, WACV 2021'''
card = "tools/train_people/README.md"

# Probability of "male": sigmoid(slope * logit + offset + older * (decades over forty)).
[calibration.gender]
slope = {slope:.3f}
offset = {offset:.3f}
older = {older:.3f}

# The logits of the seven groups are divided by it.
[calibration.race]
temperature = {temperature:.3f}

# The centre of an age's distribution is moved along straight lines between these years; its scale is multiplied.
[calibration.age]
from = {knots}
to = {years}
stretch = {stretch:.3f}
"""


def figures_of(weights: Path, work: Path, rows: np.ndarray, *, mirror: bool = True) -> Figures:
    """What the shipped file says of prepared photos."""
    network, images = Network(weights, 1, mirror=mirror), np.load(work / "images.npy", mmap_mode="r")
    parts = []
    for start in range(0, len(rows), 16):
        pixels = np.stack([cut(images[row], view(SIDE), SIDE) for row in rows[start : start + 16]])
        parts.append(network.read(pixels))
    return Figures(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def evenly(group: npt.NDArray[np.int64], power: float = 1.0) -> Values:
    """(N,) weights that add up to N and, at a power of 1, are the same in sum for each group; at 0, for each person."""
    weights = np.bincount(group)[group] ** -power
    return np.asarray(weights * len(group) / weights.sum(), np.float64)


def fit_gender(logits: Values, ages: Values, male: Values, weights: Values) -> list[float]:
    """Slope, offset, and what each decade over forty adds."""
    x = np.stack([logits, np.ones_like(logits), np.maximum(0, ages - 40) / 10], axis=1)
    start = np.array([1.0, 0.0, 0.0])

    def cost(answer: Values) -> float:
        z = x @ answer
        return float(weights @ (np.logaddexp(0, z) - male * z) + PULL / 2 * np.sum((answer - start) ** 2))

    return [float(one) for one in minimize(cost, start, method="Nelder-Mead", options={"maxiter": 5000}).x]


def fit_age(years: Values, band: npt.NDArray[np.int64], weights: Values) -> tuple[list[float], float]:
    """Where each knot is moved to, and by how much the scale is multiplied."""

    def cost(answer: Values) -> float:
        moved = np.stack([piecewise(years[:, 0], KNOTS, answer[:-1]), years[:, 1]], axis=1)
        pull = STIFF / 2 * np.sum((answer[:-1] - KNOTS) ** 2)
        return age_cost(moved, band, float(np.exp(answer[-1])), weights) * len(band) + float(pull)

    found = minimize(cost, np.array([*KNOTS, 0.0]), method="Powell", options={"maxiter": 20000}).x
    return [float(one) for one in found[:-1]], float(np.exp(found[-1]))


def fit_scale(cost: Callable[[float], float]) -> float:
    """The positive number for which the cost is least."""
    found = minimize_scalar(lambda x: cost(float(np.exp(x))), bounds=(-2, 2), method="bounded")
    return float(np.exp(found.x))


def race_cost(logits: Values, race: npt.NDArray[np.int64], temperature: float) -> float:
    """Mean cross-entropy."""
    z = logits / temperature
    largest = z.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(z - largest).sum(axis=1)) + largest[:, 0]
    return float(np.mean(log_sum - z[np.arange(len(z)), race]))


def age_cost(years: Values, band: npt.NDArray[np.int64], stretch: float, weights: Values) -> float:
    """Mean cross-entropy of the labelled bands."""
    edges = np.array(EDGES, np.float64)
    edges[0], edges[-1] = -np.inf, np.inf
    centre, scale = years[:, 0], years[:, 1] * stretch
    share = sigmoid((edges[band + 1] - centre) / scale) - sigmoid((edges[band] - centre) / scale)
    return float(-np.average(np.log(np.maximum(share, SMALLEST)), weights=weights))


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description="Make scores honest.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument("weights", type=Path, help="the network, as exported")
    parser.add_argument("out", type=Path, help="the record to write")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    with np.load(given.work / "labels.npz") as labels:
        rows = np.flatnonzero(labels["use"] == CALIBRATE)
        band, gender, race = (labels[name][rows] for name in ("band", "gender", "race"))
    figures = figures_of(given.weights, given.work, rows)
    grown = band >= EDGES.index(10)
    centres = uncorrected_centres(figures)
    spread = np.stack([centres, figures.years[:, 1]], axis=1)
    years, stretch = fit_age(spread, band, evenly(band, 0.5))
    ages = piecewise(centres, KNOTS, years)
    stage = gender * 3 + (band >= EDGES.index(20)) + (band >= EDGES.index(50))
    slope, offset, older = fit_gender(
        figures.gender[grown], ages[grown], gender[grown].astype(np.float64), evenly(stage[grown])
    )
    temperature = fit_scale(lambda scale: race_cost(figures.race, race, scale))
    data = given.weights.read_bytes()
    given.out.write_text(
        RECORD.format(
            sha256=hashlib.sha256(data).hexdigest(), size=len(data),
            slope=slope, offset=offset, older=older, temperature=temperature, stretch=stretch,
            knots=list(KNOTS), years=[round(one, 1) for one in years],
        ),
        encoding="utf-8",
    )  # fmt: skip
    print(f"gender: slope {slope:.3f}, offset {offset:+.3f}, older {older:+.3f}; race: {temperature:.3f}")
    print(f"age: {KNOTS} to {[round(one, 1) for one in years]}, stretch {stretch:.3f}")


if __name__ == "__main__":
    main()
