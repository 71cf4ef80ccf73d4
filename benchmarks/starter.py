"""How well the starter analyser sees, and how fast.

    python benchmarks/starter.py --masks CELEBAMASK --portraits FAKER [--landmarker face_landmarker.task] [--speed]

CELEBAMASK holds images/*.jpg and masks/*.png, hand-labelled palette masks of CelebAMask-HQ's 19 classes. FAKER holds
female/ and male/ with portraits of people whose sex the folder states. Neither is part of the project. --landmarker
needs mediapipe and compares smiles with the teacher's. --speed needs nothing: it measures on the example photos.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import t2f_agegender
import t2f_starter
import t2f_yunet
from PIL import Image

from text2face_core import Face, Photo, Portrait, Runtime
from text2face_core.images.regions import Region
from text2face_core.models.store import ModelStore

HAND = (
    "background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear",
    "mouth", "u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth",
)  # fmt: skip
"""The classes of the hand masks, by their number."""
MERGED = {
    "skin": Region.SKIN, "l_brow": Region.SKIN, "r_brow": Region.SKIN, "l_ear": Region.SKIN, "r_ear": Region.SKIN,
    "neck": Region.SKIN, "nose": Region.NOSE, "eye_g": Region.GLASSES, "l_eye": Region.EYES, "r_eye": Region.EYES,
    "mouth": Region.MOUTH, "u_lip": Region.LIPS, "l_lip": Region.LIPS, "hair": Region.HAIR, "hat": Region.HAT,
}  # fmt: skip
TABLE = np.array([MERGED.get(name, Region.BACKGROUND) for name in HAND], np.uint8)

NATURAL = {"eyeglasses": 0.05, "wearing_hat": 0.04}
"""How many portraits of CelebAMask-HQ show them, about."""
PRESENT = {Region.GLASSES: 0.1, Region.HAT: 0.2, Region.MOUTH: 0.01}
"""From what area, in squared inter-ocular distances, a hand mask shows a thing."""
SIDE = 256
"""Masks are compared in crops of this size."""


class Tools(NamedTuple):
    """The components under test."""

    detector: Any
    agegender: Any
    starter: Any


def build() -> Tools:
    """Detector, age and gender, starter, with one thread each."""
    runtime = Runtime(ModelStore())
    return Tools(
        t2f_yunet.build(t2f_yunet.YuNetOptions(), runtime),
        t2f_agegender.build(t2f_agegender.AgeGenderOptions(), runtime),
        t2f_starter.build(t2f_starter.StarterOptions(), runtime),
    )


def portrait_of(tools: Tools, path: Path) -> Portrait | None:
    """The photo with its largest face."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    faces: list[Face] = tools.detector.detect([pixels])[0]
    best = max(faces, key=lambda face: face.size, default=None)
    return None if best is None else Portrait(Photo(path.stem, str(path), pixels), best)


# --- hand masks ---


def aligned(portrait: Portrait, mask: np.ndarray) -> np.ndarray:
    """A hand mask in the framing of the network, (SIDE, SIDE) uint8 of `Region`; 255 outside the photo."""
    from t2f_starter.signature import framing

    scale = portrait.photo.width / mask.shape[1]
    place = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]])
    matrix = np.vstack([framing(SIDE).matrix(portrait.face), [0, 0, 1]]) @ place
    return cv2.warpAffine(
        TABLE[mask], matrix[:2], (SIDE, SIDE), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=255
    )


def masks_table(tools: Tools, folder: Path, landmarker: Path | None) -> None:
    """Overlap of regions; presence of glasses, hat, open mouth; smile compared with the teacher."""
    counts = np.zeros((len(Region), len(Region)), np.int64)
    bare = np.zeros(3, np.int64)  # hair seen and there, seen, there; on photos without hat and glasses
    truth: dict[str, list[bool]] = {"eyeglasses": [], "wearing_hat": [], "mouth_open": []}
    said: dict[str, list[bool]] = {name: [] for name in truth}
    smiles: list[tuple[float, float]] = []
    paths = sorted((folder / "images").glob("*.jpg"))
    teacher = _smile_teacher(landmarker)
    missed = 0
    for path in paths:
        portrait = portrait_of(tools, path)
        if portrait is None:
            missed += 1
            continue
        hand = aligned(portrait, np.asarray(Image.open(folder / "masks" / f"{path.stem}.png")))
        ((face, figures),) = tools.starter.parse([portrait])
        seen = cv2.resize(face.regions, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        known = hand != 255
        pairs = hand[known].astype(int) * len(Region) + seen[known]
        counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)
        if not np.isin(hand, (Region.HAT, Region.GLASSES)).any():
            seen_hair, hair = known & (seen == Region.HAIR), hand == Region.HAIR
            bare += [(seen_hair & hair).sum(), seen_hair.sum(), hair.sum()]
        unit = face.unit * SIDE / face.regions.shape[0]
        for name, region in zip(truth, PRESENT, strict=True):
            truth[name].append(np.count_nonzero(hand == region) / unit**2 > PRESENT[region])
            said[name].append(figures[name] >= 0.5)
        if teacher is not None and (smile := teacher(portrait.photo.pixels)) is not None:
            smiles.append((smile, figures["smile"]))
    overlap = counts.diagonal() / np.maximum(counts.sum(0) + counts.sum(1) - counts.diagonal(), 1)
    print(f"{len(paths) - missed} of {len(paths)} photos with hand masks have a face")
    print("| region | IoU |\n|---|---|")
    for region in Region:
        print(f"| {region.name.lower()} | {overlap[region]:.3f} |")
    print(f"| mean | {overlap.mean():.3f} |")
    print(f"| hair, where there is neither hat nor glasses | {bare[0] / max(bare[1] + bare[2] - bare[0], 1):.3f} |")
    print("| presence | F1 | precision | recall | F1 at natural rate |\n|---|---|---|---|---|")
    for name, shown in truth.items():
        precision, recall, f1, natural = scores(shown, said[name], NATURAL.get(name))
        print(f"| {name} | {f1:.3f} | {precision:.3f} | {recall:.3f} | {natural:.3f} |")
    if smiles:
        theirs, ours = np.array(smiles).T
        agree = np.mean((theirs > 0.5) == (ours > 0.5))
        print(
            f"smile: agrees with the teacher on {agree:.1%} of {len(smiles)}, r {np.corrcoef(theirs, ours)[0, 1]:.3f}"
        )
        # What reaches captions is what the starter says at its usual certainty.
        sure = np.maximum(ours, 1 - ours) >= t2f_starter.StarterOptions().certainty
        agree = np.mean((theirs > 0.5)[sure] == (ours > 0.5)[sure])
        print(f"smile, where the starter says something: {agree:.1%} of {sure.sum()}")


def scores(truth: Sequence[bool], said: Sequence[bool], rate: float | None) -> tuple[float, float, float, float]:
    """Precision, recall, F1; and F1 where a share `rate` of all photos shows the thing (None: as in these photos)."""
    t, s = np.array(truth), np.array(said)
    recall = float(s[t].mean()) if t.any() else 0.0
    alarms = float(s[~t].mean()) if (~t).any() else 0.0

    def at(share: float) -> tuple[float, float]:
        precision = share * recall / max(share * recall + (1 - share) * alarms, 1e-9)
        return precision, 2 * precision * recall / max(precision + recall, 1e-9)

    precision, f1 = at(float(t.mean()))
    return precision, recall, f1, at(float(t.mean()) if rate is None else rate)[1]


def _smile_teacher(landmarker: Path | None) -> Any:
    if landmarker is None:
        return None
    from tools.train_starter.label import Blendshapes

    shapes = Blendshapes(landmarker)

    def smile(pixels: np.ndarray) -> float | None:
        found = shapes(pixels)
        return (found["mouthSmileLeft"] + found["mouthSmileRight"]) / 2 if found else None

    return smile


# --- gender ---


def gender_table(tools: Tools, folder: Path) -> None:
    """Gender through detector and crop; what is not said counts as wrong."""
    right = count = 0
    for sex in ("female", "male"):
        for path in sorted((folder / sex).glob("*.jpg")):
            portrait = portrait_of(tools, path)
            findings = tools.agegender.extract([portrait])[0] if portrait else []
            right += any(finding.name == "gender" and finding.value == sex for finding in findings)
            count += 1
    print(f"gender: {right / count:.3f} of {count} portraits")


# --- speed ---


def speed(tools: Tools, folder: Path, rounds: int = 20) -> None:
    """CPU milliseconds a face, of the network alone and with all that goes with it."""
    portraits = [
        portrait for path in sorted(folder.glob("*.jpg")) if (portrait := portrait_of(tools, path)) is not None
    ]
    network = tools.starter._network
    pixels = np.stack([portrait.crop(network.crop) for portrait in portraits])[:8]
    network.read(pixels)
    best = min(_cpu(lambda: network.read(pixels)) for _ in range(rounds)) / len(pixels)
    whole = min(
        _cpu(lambda: tools.starter.extract([Portrait(portrait.photo, portrait.face) for portrait in portraits]))
        for _ in range(rounds)
    ) / len(portraits)
    print(f"network: {best:.2f} CPU-ms a face; with warp and findings: {whole:.2f}")


def _cpu(work: Any) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=Path, help="a folder with images/ and masks/")
    parser.add_argument("--portraits", type=Path, help="a folder with female/ and male/")
    parser.add_argument("--landmarker", type=Path, help="the smile teacher, face_landmarker.task")
    parser.add_argument("--speed", action="store_true")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    tools = build()
    if given.masks:
        masks_table(tools, given.masks, given.landmarker)
    if given.portraits:
        gender_table(tools, given.portraits)
    if given.speed:
        speed(tools, Path(__file__).parents[1] / "examples" / "photos")


if __name__ == "__main__":
    main()
