"""Faces and labels as arrays, aligned as the network sees them but wider: python -m tools.train_starter.cache WORK.

Leaves WORK/cache/: images (N, 192, 192, 3) uint8 RGB, regions (N, 192, 192) uint8 of `Region` with 255 for what lies
outside the face's picture, figures (N, len(FIGURES)) float32 with NaN where the teachers are unsure, seeds (N,).
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from t2f_starter.signature import FIGURES, POINTS

from text2face_core.images import Region, similarity, warp
from text2face_core.records import Pixels

from .bisenet import CLASSES
from .store import blendshape, stored_labels

SIDE = 192
SHOWN = 160
"""Of the 192 pixels, the crop of the network takes the middle 160 where nothing is jittered."""
OUTSIDE = 255

SHAPES = {
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "jaw_open": ("jawOpen",),
    "eyes_closed": ("eyeBlinkLeft", "eyeBlinkRight"),
    "squint": ("eyeSquintLeft", "eyeSquintRight"),
}
"""Figure: the blendshapes whose mean it is."""
MERGED = {
    "hair": Region.HAIR, "hat": Region.HAT, "eye_g": Region.GLASSES, "l_eye": Region.EYES, "r_eye": Region.EYES,
    "nose": Region.NOSE, "u_lip": Region.LIPS, "l_lip": Region.LIPS, "mouth": Region.MOUTH,
    "skin": Region.SKIN, "l_brow": Region.SKIN, "r_brow": Region.SKIN, "l_ear": Region.SKIN, "r_ear": Region.SKIN,
    "neck": Region.SKIN,
}  # fmt: skip
TABLE = np.array([MERGED.get(name, Region.BACKGROUND) for name in CLASSES], np.uint8)

PRESENCE = {
    "eyeglasses": (Region.GLASSES, 0.03, 0.12),
    "wearing_hat": (Region.HAT, 0.05, 0.4),
    "mouth_open": (Region.MOUTH, 0.003, 0.012),
}
"""Figure: region, area in squared inter-ocular distances up to which it is absent, and from which it is present."""


def figures(regions: npt.NDArray[np.uint8], span: float, labels: Mapping[str, np.ndarray]) -> list[float]:
    """The figures of a face in the order of `FIGURES`.

    regions: (256, 256) of `Region`; span: inter-ocular distance in its pixels; labels: see `label`.
    """
    seen = {"female": float(labels["female"][0])}
    for name, (region, absent, present) in PRESENCE.items():
        area = np.count_nonzero(regions == region) / span**2
        seen[name] = 0.0 if area <= absent else 1.0 if area >= present else np.nan
    for name, shapes in SHAPES.items():
        seen[name] = float(np.mean([blendshape(labels["blendshapes"], shape) for shape in shapes]))
    return [seen[name] for name in FIGURES]


def align(
    pixels: Pixels, landmarks: npt.NDArray[np.float32], classes: npt.NDArray[np.uint8]
) -> tuple[Pixels, npt.NDArray[np.uint8]]:
    """The wide crop of a picture (512 px) and of its classes (256 px)."""
    target = (np.array(POINTS) - 0.5) * SHOWN + SIDE / 2 - 0.5
    matrix = similarity(landmarks[None], target[None])[0]
    image = warp(pixels, matrix, SIDE)
    # A pixel of the classes stands for two by two of the picture.
    place = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    regions = cv2.warpAffine(
        TABLE[classes], (np.vstack([matrix, [0, 0, 1]]) @ place)[:2], (SIDE, SIDE),
        flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=OUTSIDE,
    )  # fmt: skip
    return image, np.asarray(regions, np.uint8)


def main() -> None:
    """Align everything that is labelled."""
    parser = argparse.ArgumentParser(description="Gather faces and labels in arrays.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    work = parser.parse_args().work
    images, maps, rows, seeds = [], [], [], []
    for seed, labels in stored_labels(work):
        pixels = cv2.imread(str(work / "faces" / f"{seed}.jpg"))[..., ::-1]
        landmarks = labels["landmarks"]
        image, regions = align(np.ascontiguousarray(pixels), landmarks, labels["classes"])
        span = float(np.linalg.norm(landmarks[1] - landmarks[0])) / 2
        images.append(image)
        maps.append(regions)
        rows.append(figures(TABLE[labels["classes"]], span, labels))
        seeds.append(seed)
    folder = work / "cache"
    folder.mkdir(exist_ok=True)
    np.save(folder / "images.npy", np.stack(images))
    np.save(folder / "regions.npy", np.stack(maps))
    np.save(folder / "figures.npy", np.array(rows, np.float32))
    np.save(folder / "seeds.npy", np.array(seeds))
    for name, column in zip(FIGURES, np.array(rows).T, strict=True):
        print(f"{name}: {np.nanmean(column > 0.5):.1%} of {len(column)} faces, {np.isnan(column).sum()} unsure")


if __name__ == "__main__":
    main()
