"""Find where rare kinds lie among the generator's styles: python -m tools.train_starter.directions WORK.

A ridge regression from styles to what the teachers saw, on all faces of kind "wide" labelled so far. Leaves
WORK/directions.npz, a (512,) float32 direction for each rare kind; `faces --kind hat` draws along it.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from .bisenet import CLASSES
from .faces import KINDS
from .store import blendshape, stored_labels

RIDGE = 300.0


def traits(pixels: np.ndarray, classes: np.ndarray, shapes: np.ndarray, age: float) -> dict[str, float]:
    """How much of each rare kind a face shows.

    pixels: (256, 256, 3) uint8 RGB; classes: (256, 256) of `CLASSES`; shapes: (52,).
    """
    share = np.bincount(classes.ravel(), minlength=len(CLASSES)) / classes.size
    hat, glasses, hair = (share[CLASSES.index(name)] for name in ("hat", "eye_g", "hair"))
    lightness = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    skin = lightness[classes == CLASSES.index("skin")]
    lenses = lightness[classes == CLASSES.index("eye_g")]
    return {
        "hat": min(hat / 0.05, 1.0),
        "glasses": min(glasses / 0.02, 1.0),
        "sunglasses": min(glasses / 0.04, 1.0) * (1 - float(lenses.mean()) / 255) ** 2 if lenses.size else 0.0,
        "old": float(np.clip((age - 40) / 30, 0, 1)),
        "child": float(np.clip((22 - age) / 15, 0, 1)),
        "serious": 1 - blendshape(shapes, "mouthSmileLeft"),
        "dark": 1 - float(skin.mean()) / 255 if skin.size else 0.0,
        "bald": float(np.clip(1 - hair / 0.12, 0, 1)) * (hat < 0.005),
    }


def main() -> None:
    """Fit and store the directions."""
    parser = argparse.ArgumentParser(description="Find where rare kinds lie among the generator's styles.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    work = parser.parse_args().work
    wide = range(KINDS["wide"].first_seed, KINDS["wide"].first_seed + 1_000_000)
    styles, rows = [], []
    for seed, labels in stored_labels(work, wide):
        pixels = cv2.imread(str(work / "faces" / f"{seed}.jpg"), cv2.IMREAD_REDUCED_COLOR_2)[..., ::-1]
        styles.append(np.load(work / "faces" / f"{seed}.npy").astype(np.float64))
        seen = traits(np.ascontiguousarray(pixels), labels["classes"], labels["blendshapes"], float(labels["age"][0]))
        rows.append([seen[name] for name in seen])
    x, y = np.stack(styles), np.array(rows)
    scale = x.std(axis=0)
    z, deviation = (x - x.mean(axis=0)) / scale, y - y.mean(axis=0)
    weights = np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ deviation) / scale[:, None]
    np.savez(work / "directions.npz", **{name: weights[:, n].astype(np.float32) for n, name in enumerate(seen)})
    for n, name in enumerate(seen):
        print(f"{name}: correlation {np.corrcoef(x @ weights[:, n], y[:, n])[0, 1]:.2f} on {len(x)} faces")


if __name__ == "__main__":
    main()
