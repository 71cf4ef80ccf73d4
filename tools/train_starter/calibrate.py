"""Make scores honest: python -m tools.train_starter.calibrate WORK ../calibration.toml.

On the faces held back, those of an aimed kind weighed down towards their natural share, slope and offset of a score's
logit are fitted by logistic regression (Platt 1999): of each presence figure against the teacher's, and of each finding
that is derived from masks against the value that the same rules derive from the teacher's mask.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from t2f_starter.signature import FIGURES, POINTS, SIDE

from text2face_core.images import ParsedFace, Thresholds, derive

from .augment import plain
from .cache import OUTSIDE
from .export import load, shift
from .faces import KINDS
from .train import Faces

FITTED = ("eyeglasses", "wearing_hat", "mouth_open")
AIMED_WEIGHT = 0.1
"""Weight of a face of an aimed kind, relative to a freely drawn face."""
ENOUGH = 30
"""Faces from which a finding that masks give is calibrated at all."""
LEAST_SLOPE = 0.2
PRIOR = 1.0
"""Pull of the slope towards 1 and of the offset towards 0, in faces."""

HEADER = (
    "# From the network's figures to probabilities: slope and offset of the logit. "
    "Written by tools/train_starter/calibrate.py."
)

Values = npt.NDArray[np.float64]


def fit(logits: Values, truth: Values, weights: Values) -> tuple[float, float]:
    """Slope and offset that make sigmoid(slope * logit + offset) most likely, by Newton's method."""
    x = np.stack([logits, np.ones_like(logits)], 1)
    start = np.array([1.0, 0.0])

    def cost(answer: Values) -> float:
        z = x @ answer
        likely = np.logaddexp(0, z) - truth * z
        return float(weights @ likely + PRIOR / 2 * np.sum((answer - start) ** 2))

    answer = start
    for _ in range(50):
        p = 1 / (1 + np.exp(-(x @ answer)))
        slope = x.T @ (weights * (p - truth)) + PRIOR * (answer - start)
        bend = (x * (weights * p * (1 - p))[:, None]).T @ x + PRIOR * np.eye(2)
        step = np.linalg.solve(bend, slope)
        while cost(answer - step) > cost(answer) and np.abs(step).max() > 1e-9:
            step = step / 2
        answer = answer - step
    return float(answer[0]), float(answer[1])


def derived(faces: Faces, network: torch.nn.Module) -> dict[str, Values]:
    """Of each finding that masks give: (N, 3) score, whether the teacher's mask gives the same value, weight."""
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for index, seen in zip(faces.check, _masks(faces, network), strict=True):
        pixels, taught = plain(faces.images[index], faces.regions[index])
        place = np.array(POINTS, np.float32) * SIDE - 0.5
        ours, theirs = (
            derive(ParsedFace(pixels, mask, place, taught != OUTSIDE), Thresholds(said_from=0))
            for mask in (seen, taught)
        )
        truth = {finding.name: finding.value for finding in theirs}
        weight = AIMED_WEIGHT if faces.seeds[index] >= KINDS["hat"].first_seed else 1.0
        for finding in ours:
            if finding.name in truth:
                rows.setdefault(finding.name, []).append((finding.score, finding.value == truth[finding.name], weight))
    return {name: np.array(found, np.float64) for name, found in sorted(rows.items())}


@torch.no_grad()
def _masks(faces: Faces, network: torch.nn.Module) -> Iterator[npt.NDArray[np.uint8]]:
    for start in range(0, len(faces.check), 32):
        pixels, _, _ = faces.batch(faces.check[start : start + 32], None)
        yield from network(pixels)[0].argmax(1).to(torch.uint8).numpy()


@torch.no_grad()
def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description="Make scores honest.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument("out", type=Path, help="the file to write")
    given = parser.parse_args()
    faces = Faces(given.work / "cache")
    network = load(given.work / "checkpoint.pt")
    shift(network, given.work / "offsets.npy")
    rows = []
    for start in range(0, len(faces.check), 32):
        pixels, _, _ = faces.batch(faces.check[start : start + 32], None)
        rows.append(network(pixels)[1].double().numpy())
    logits, truth = np.concatenate(rows), faces.figures[faces.check].astype(np.float64)
    aimed = faces.seeds[faces.check] >= KINDS["hat"].first_seed
    lines = [HEADER]
    for name in FITTED:
        column = FIGURES.index(name)
        known = ~np.isnan(truth[:, column])
        weights = np.where(aimed, AIMED_WEIGHT, 1.0)[known]
        slope, offset = fit(logits[known, column], truth[known, column], weights)
        lines += ["", f"[{name}]", f"slope = {slope:.3f}", f"offset = {offset:.3f}"]
        said = slope * logits[known, column] + offset > 0
        right = np.mean(said == truth[known, column])
        print(f"{name}: slope {slope:.2f}, offset {offset:.2f}; right on {right:.1%} of {known.sum()}")
    for name, found in derived(faces, network).items():
        if len(found) < ENOUGH:
            continue
        likely = np.clip(found[:, 0], 1e-3, 1 - 1e-3)
        slope, offset = fit(np.log(likely / (1 - likely)), found[:, 1], found[:, 2])
        if slope < LEAST_SLOPE:
            continue  # right at any score: nothing can be learned of it from these faces
        lines += ["", f"[{name}]", f"slope = {slope:.3f}", f"offset = {offset:.3f}"]
        print(f"{name}: slope {slope:.2f}, offset {offset:.2f}; right on {found[:, 1].mean():.1%} of {len(found)}")
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
