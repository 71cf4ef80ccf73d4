"""Decode and align FairFace's training photos once: python -m tools.train_people.prepare FAIRFACE WORK.

FAIRFACE holds `train/N.jpg` and the labels' csv. WORK gets images.npy, (N, STORED, STORED, 3) uint8 RGB, memory-mapped,
and labels.npz with an entry for each of its rows.
"""

import argparse
import csv
import hashlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from t2f_people.signature import GENDERS, POINTS, RACES, framing
from t2f_yunet import YuNetOptions, build

from text2face_core import Detector, Face, Photo, Portrait, Runtime
from text2face_core.models import ModelStore

STORED, MARGIN = 128, 1.25
"""Side of a stored image, and how much more than the network's crop it shows: room to turn, zoom and shift."""
BANDS = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")
DATES = {"03-Sep": "3-9", "Oct-19": "10-19"}
"""Two bands that a spreadsheet has turned into dates in some copies of the csv."""
TEST, CALIBRATION = 2500, 1000
"""Photos kept from training: those whose names have the smallest hashes, and the next smallest."""
LEARN, CALIBRATE, KEPT = 0, 1, 2
"""What a photo is used for: training, calibration, test."""


def read_labels(path: Path) -> list[tuple[str, int, int, int]]:
    """File name, index of band, gender and race of each row, in the order of the csv."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [
            (
                row["file"],
                BANDS.index(DATES.get(row["age"], row["age"])),
                GENDERS.index(row["gender"].lower()),
                RACES.index(row["race"]),
            )
            for row in csv.DictReader(lines)
        ]


def split(files: list[str]) -> np.ndarray:
    """(N,) uint8: LEARN, CALIBRATE or KEPT, by the SHA-1 of each file's bare name."""
    hashes = [hashlib.sha1(Path(file).name.encode(), usedforsecurity=False).digest() for file in files]
    order = sorted(range(len(files)), key=hashes.__getitem__)
    use = np.full(len(files), LEARN, np.uint8)
    use[order[:TEST]] = KEPT
    use[order[TEST : TEST + CALIBRATION]] = CALIBRATE
    return use


def central_face(pixels: np.ndarray, faces: list[Face]) -> tuple[Face, bool]:
    """The face nearest to the middle of the photo; where there is none, landmarks where they usually are, and False."""
    size = np.array([pixels.shape[1], pixels.shape[0]], np.float32)
    if faces:
        return min(faces, key=lambda face: float(np.linalg.norm(face.landmarks.mean(axis=0) - size / 2))), True
    points = np.array(POINTS, np.float32) * size - 0.5
    return Face(np.concatenate([np.zeros(2, np.float32), size]), points, 0.0), False


_detector: list[Detector] = []


def _start() -> None:
    _detector.append(build(YuNetOptions(), Runtime(ModelStore())))


def stored_image(path: Path) -> tuple[np.ndarray, bool]:
    """The aligned image with its margin, and whether a face was found."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    face, found = central_face(pixels, _detector[0].detect([pixels])[0])
    return Portrait(Photo(path.name, str(path), pixels), face).crop(framing(STORED, MARGIN)), found


def stored_images(paths: list[Path], workers: int) -> Iterator[tuple[np.ndarray, bool]]:
    """`stored_image` of each, in order."""
    with ProcessPoolExecutor(workers, initializer=_start) as pool:
        yield from pool.map(stored_image, paths, chunksize=64)


def main() -> None:
    """Decode and align everything."""
    parser = argparse.ArgumentParser(description="Align FairFace's training photos.")
    parser.add_argument("fairface", type=Path, help="the folder with train/ in it")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument("--labels", type=Path, help="the csv; by default fairface_label_train.csv next to the folder")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    rows = read_labels(given.labels or given.fairface.parent / "fairface_label_train.csv")
    given.work.mkdir(parents=True, exist_ok=True)
    images = np.lib.format.open_memmap(given.work / "images.npy", "w+", np.uint8, (len(rows), STORED, STORED, 3))
    found = np.zeros(len(rows), bool)
    paths = [given.fairface / row[0] for row in rows]
    for number, (image, seen) in enumerate(stored_images(paths, given.workers)):
        images[number], found[number] = image, seen
    images.flush()
    files, bands, genders, races = zip(*rows, strict=True)
    np.savez(
        given.work / "labels.npz", files=np.array(files), band=np.array(bands), gender=np.array(genders),
        race=np.array(races), use=split(list(files)), found=found,
    )  # fmt: skip
    print(f"{len(rows)} photos, {len(rows) - found.sum()} without a face that was found")


if __name__ == "__main__":
    main()
