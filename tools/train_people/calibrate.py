"""Make scores honest, and write the network's record: python -m train_people.calibrate WORK PEOPLE.onnx PEOPLE.toml.

On the 1,000 photos kept for it: slope and offset of the gender's logit by logistic regression (Platt 1999), people from
ten years on; the temperature of the races' logits (Guo et al. 2017); and how much wider than the network says an age's
distribution is, by the likelihood of the labelled bands.
"""

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from t2f_people._extractor import sigmoid
from t2f_people._network import Figures, Network
from t2f_people.signature import EDGES, SIDE

from .augment import cut, view
from .prepare import CALIBRATE

Values = npt.NDArray[np.float64]

PULL = 1.0
"""Of slope and offset towards 1 and 0, in people."""
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
attribution = "Kärkkäinen and Joo, FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age for Bias Measurement and Mitigation, WACV 2021"
card = "tools/train_people/README.md"

# Probability of "male": sigmoid(slope * logit + offset).
[calibration.gender]
slope = {slope:.3f}
offset = {offset:.3f}

# The logits of the seven groups are divided by it.
[calibration.race]
temperature = {temperature:.3f}

# The scale of an age's distribution is multiplied by it.
[calibration.age]
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


def fit_gender(logits: Values, male: Values) -> tuple[float, float]:
    """Slope and offset."""

    def cost(answer: Values) -> float:
        z = answer[0] * logits + answer[1]
        return float(np.sum(np.logaddexp(0, z) - male * z) + PULL / 2 * ((answer[0] - 1) ** 2 + answer[1] ** 2))

    slope, offset = minimize(cost, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope), float(offset)


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


def age_cost(years: Values, band: npt.NDArray[np.int64], stretch: float) -> float:
    """Mean cross-entropy of the labelled bands."""
    edges = np.array(EDGES, np.float64)
    edges[0], edges[-1] = -np.inf, np.inf
    centre, scale = years[:, 0], years[:, 1] * stretch
    share = sigmoid((edges[band + 1] - centre) / scale) - sigmoid((edges[band] - centre) / scale)
    return float(-np.mean(np.log(np.maximum(share, SMALLEST))))


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
    slope, offset = fit_gender(figures.gender[grown], gender[grown].astype(np.float64))
    temperature = fit_scale(lambda scale: race_cost(figures.race, race, scale))
    stretch = fit_scale(lambda scale: age_cost(figures.years, band, scale))
    data = given.weights.read_bytes()
    given.out.write_text(
        RECORD.format(
            sha256=hashlib.sha256(data).hexdigest(), size=len(data),
            slope=slope, offset=offset, temperature=temperature, stretch=stretch,
        ),
        encoding="utf-8",
    )  # fmt: skip
    print(f"gender: slope {slope:.3f}, offset {offset:+.3f}; race: {temperature:.3f}; age: {stretch:.3f}")


if __name__ == "__main__":
    main()
