"""How well BiSeNet's regions and the findings from them agree with hand-labelled masks.

    python benchmarks/parsing.py FOLDER [--weights 79999_iter.pth] [--overlays OUT]

FOLDER holds images/*.jpg and masks/*.png of the same names: palette masks of CelebAMask-HQ's classes, by its numbers.
Masks are compared in the photo, where they count as background what lies outside the square that the network sees.
--overlays leaves a picture for each photo: the photo, the hand mask and ours over it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import t2f_bisenet
import t2f_yunet
from PIL import Image

from text2face_core import Finding, Photo, Portrait, Runtime
from text2face_core.models.store import ModelStore

HAND = (
    "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear",
    "mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip
"""The classes of the hand masks, by their number."""

GROUPS = {
    "skin": ("skin",),
    "hair": ("hair",),
    "nose": ("nose",),
    "lips": ("u_lip", "l_lip"),
    "eyes": ("l_eye", "r_eye"),
}
"""What the mean is taken of. Hand masks show eyes through glasses; the network was taught to see the glasses."""
MORE = {
    "mouth": ("mouth",),
    "glasses": ("eye_g",),
    "hat": ("hat",),
    "ears": ("l_ear", "r_ear"),
    "brows": ("l_brow", "r_brow"),
    "neck": ("neck",),
    "earrings": ("ear_r",),
    "necklace": ("neck_l",),
}
WORN = {"eyeglasses": "eye_g", "wearing_hat": "hat", "wearing_earrings": "ear_r", "wearing_necklace": "neck_l"}
LEAST = 50
"""Pixels of a hand mask of 512 from which a thing is there."""

COLOURS = np.array(
    [(0, 0, 0), (255, 205, 170), (130, 90, 50), (150, 100, 60), (0, 110, 255), (0, 200, 255), (255, 0, 255),
     (205, 150, 100), (180, 130, 90), (255, 255, 0), (255, 150, 120), (255, 255, 255), (255, 0, 0), (170, 0, 60),
     (150, 255, 150), (0, 255, 0), (70, 70, 140), (110, 50, 0), (0, 160, 80)], np.uint8,
)  # fmt: skip


class Seen(NamedTuple):
    """One photo: its hand mask and ours in the network's classes, as large as the hand mask, and what is said."""

    name: str
    pixels: np.ndarray
    hand: np.ndarray
    ours: np.ndarray
    findings: Mapping[str, Finding]


def look(folder: Path, weights: str) -> list[Seen]:
    """Every photo of the folder on which a face is found."""
    from t2f_bisenet._classes import NUMBERS
    from t2f_bisenet._extractor import CROP

    runtime = Runtime(ModelStore())
    detector: Any = t2f_yunet.build(t2f_yunet.YuNetOptions(), runtime)
    regions = t2f_bisenet.build(t2f_bisenet.BiSeNetOptions(weights=weights), runtime)
    table = np.array([NUMBERS[name] for name in HAND], np.uint8)
    rows = []
    paths = sorted((folder / "images").glob("*.jpg"))
    for path in paths:
        hand = table[np.asarray(Image.open(folder / "masks" / f"{path.stem}.png"))]
        side = hand.shape[::-1]
        pixels = np.asarray(Image.open(path).convert("RGB").resize(side, Image.Resampling.LANCZOS))
        faces = detector.detect([pixels])[0]
        if not faces:
            continue
        portrait = Portrait(Photo(path.stem, str(path), pixels), max(faces, key=lambda face: face.size))
        ((face, classes),) = regions.parse([portrait])
        matrix = CROP.matrix(portrait.face)
        ours = cv2.warpAffine(classes, matrix, side, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
        findings = {finding.name: finding for finding in regions.findings(face, classes)}
        rows.append(Seen(path.stem, pixels, hand, ours, findings))
    print(f"{len(rows)} of {len(paths)} photos have a face")
    return rows


def overlap(rows: list[Seen], classes: tuple[str, ...]) -> float:
    """Intersection over union of all pixels of all photos."""
    from t2f_bisenet._classes import NUMBERS

    numbers = [NUMBERS[name] for name in classes]
    both = either = 0
    for row in rows:
        hand, ours = np.isin(row.hand, numbers), np.isin(row.ours, numbers)
        both += np.count_nonzero(hand & ours)
        either += np.count_nonzero(hand | ours)
    return both / max(either, 1)


def tables(rows: list[Seen]) -> None:
    """Overlap of regions, and presence of what is worn."""
    from t2f_bisenet._classes import NUMBERS

    found = {name: overlap(rows, classes) for name, classes in (GROUPS | MORE).items()}
    print("| region | IoU |\n|---|---|")
    print("\n".join(f"| {name} | {one:.3f} |" for name, one in found.items()))
    print(f"| mean of {', '.join(GROUPS)} | {np.mean([found[name] for name in GROUPS]):.3f} |")
    bare = [row for row in rows if not (row.hand == NUMBERS["eye_g"]).any()]
    print(f"| eyes, photos without glasses | {overlap(bare, GROUPS['eyes']):.3f} |")
    print("| presence | there | said | said rightly | right, unsaid as absent |\n|---|---|---|---|---|")
    for name, worn in WORN.items():
        there = np.array([np.count_nonzero(row.hand == NUMBERS[worn]) >= LEAST for row in rows])
        said = np.array([name in row.findings and row.findings[name].value is True for row in rows])
        share = np.mean(there == said)
        print(f"| {name} | {there.sum()} | {said.sum()} | {(there & said).sum()} | {share:.1%} |")


def write_overlays(rows: list[Seen], out: Path) -> None:
    """A picture for each photo."""
    out.mkdir(parents=True, exist_ok=True)
    for row in rows:
        over = [(0.4 * row.pixels + 0.6 * COLOURS[mask]).astype(np.uint8) for mask in (row.hand, row.ours)]
        Image.fromarray(np.hstack([row.pixels, *over])).save(out / f"{row.name}.jpg", quality=90)


def main() -> None:
    """Print the tables, and leave overlays if wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder with images/ and masks/")
    parser.add_argument("--weights", default="", help="the network's file; else it comes from the model store")
    parser.add_argument("--overlays", type=Path, help="a folder for pictures")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    rows = look(given.folder, given.weights)
    tables(rows)
    if given.overlays:
        write_overlays(rows, given.overlays)


if __name__ == "__main__":
    main()
