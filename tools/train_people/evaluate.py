"""Figures on the 2,500 photos kept for testing: python -m tools.train_people.evaluate WORK FOLDER.

FOLDER holds people.onnx and people.toml. Prints what the plugin's findings do not show: race of seven, bands, what the
mirror image is worth, calibration by group. Writes WORK/kept.csv, with which benchmarks/people.py compares the plugin
with others, from the detector on.
"""

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np
from t2f_people._extractor import Scales, softmax
from t2f_people._network import Figures
from t2f_people.signature import EDGES, GENDERS, RACES

from .calibrate import figures_of
from .prepare import BANDS, KEPT

MIDDLES = np.array([1, 6, 15, 25, 35, 45, 55, 65, 76])
"""Years that a band counts as; the same as in benchmarks/people.py."""


def expected_calibration_error(score: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """How far scores are from shares of right answers, over `bins` groups of equal size."""
    order = np.argsort(score)
    return float(
        sum(abs((score[part] - right[part]).sum()) for part in np.array_split(order, bins)) / max(1, len(order))
    )


def summary(figures: Figures, scales: Scales, band: np.ndarray, gender: np.ndarray, race: np.ndarray) -> str:
    """One line."""
    male = scales.male(figures)
    right, adult = (male > 0.5) == (gender == 1), band >= EDGES.index(20)
    women = right[(band >= EDGES.index(50)) & (gender == 0)]
    cells = [right[adult & (race == r) & (gender == g)].mean() for r in range(len(RACES)) for g in (0, 1)]
    years = scales.years(figures) @ np.arange(101)
    shares = softmax(figures.bands)
    errors = {
        "corrected": years - MIDDLES[band],
        "by years": figures.years[:, 0] - MIDDLES[band],
        "by bands": shares @ MIDDLES - MIDDLES[band],
    }
    old, young = band >= EDGES.index(60), band == 1
    ages = ", ".join(
        f"{name} {np.abs(e).mean():.2f} (60+ {e[old].mean():+.1f}, 3-9 {e[young].mean():+.1f})"
        for name, e in errors.items()
    )
    return (
        f"gender of adults {right[adult].mean():.3f}, women 50+ {women.mean():.3f}, worst race and gender "
        f"{min(cells):.3f}; age {ages}; race of seven {(figures.race.argmax(1) == race).mean():.3f}"
    )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description="Figures on the photos kept for testing.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument("folder", type=Path, help="where people.onnx and people.toml are")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    with np.load(given.work / "labels.npz") as labels:
        rows = np.flatnonzero(labels["use"] == KEPT)
        band, gender, race, files = (labels[name][rows] for name in ("band", "gender", "race", "files"))
    with (given.work / "kept.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["file", "age", "gender", "race"])
        for file, *known in zip(files, band, gender, race, strict=True):
            writer.writerow([file, BANDS[known[0]], GENDERS[known[1]], RACES[known[2]]])
    scales = Scales.load(given.folder / "people.toml")
    alone, both = (
        figures_of(given.folder / "people.onnx", given.work, rows, mirror=mirror) for mirror in (False, True)
    )
    print("without the mirror image:", summary(alone, scales, band, gender, race))
    print("with it:", summary(both, scales, band, gender, race))
    said, male = both.race.argmax(1), scales.male(both)
    right, score = (male > 0.5) == (gender == 1), np.maximum(male, 1 - male)
    adult, shares = band >= EDGES.index(20), scales.races(both)
    print("\n| group | n | recall | precision | gender of adults: calibration error |\n|---|---|---|---|---|")
    for number, name in enumerate(RACES):
        there, grown = race == number, adult & (race == number)
        print(
            f"| {name} | {there.sum()} | {(said[there] == number).mean():.2f} | {there[said == number].mean():.2f} | "
            f"{expected_calibration_error(score[grown], right[grown], 5):.3f} |"
        )
    print("\nrows: labelled; columns:", ", ".join(RACES))
    for number, name in enumerate(RACES):
        print(f"{name}: {np.bincount(said[race == number], minlength=len(RACES)).tolist()}")
    best = shares.max(axis=1)
    print(f"race: expected calibration error {expected_calibration_error(best, said == race):.3f}")
    years = scales.years(both)
    for name, low, high in (("under 20", 0, 20), ("20 to 49", 20, 50), ("50 and older", 50, 101)):
        inside = np.array([years[n, EDGES[b] : EDGES[b + 1]].sum() for n, b in enumerate(band)])
        there = (np.array(EDGES)[band] >= low) & (np.array(EDGES)[band] < high)
        print(f"{name}: probability given to the labelled band {inside[there].mean():.2f}, n {there.sum()}")


if __name__ == "__main__":
    main()
