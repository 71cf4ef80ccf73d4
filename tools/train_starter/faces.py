"""Make faces: python -m tools.train_starter.faces WORK --generator DATA --kind wide --count 4000.

Goes on where it stopped. Leaves WORK/faces/SEED.jpg (512 px) and WORK/faces/SEED.npy (the face's style).
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from .generator import Generator


class FaceKind(NamedTuple):
    """A family of faces: where its seeds begin, how much variety, and what is sought."""

    first_seed: int
    truncation: float
    aim: str | None = None  # a direction found by `directions`


KINDS = {
    "wide": FaceKind(1_000_000, 1.0),
    "plain": FaceKind(2_000_000, 0.7),
    "hat": FaceKind(3_000_000, 1.0, "hat"),
    "glasses": FaceKind(4_000_000, 1.0, "glasses"),
    "old": FaceKind(5_000_000, 1.0, "old"),
    "child": FaceKind(6_000_000, 1.0, "child"),
    "serious": FaceKind(7_000_000, 1.0, "serious"),
    "dark": FaceKind(8_000_000, 1.0, "dark"),
    "bald": FaceKind(9_000_000, 1.0, "bald"),
    "sunglasses": FaceKind(10_000_000, 1.0, "sunglasses"),
}
SIDE = 512


def make(folder: Path, generator: "Generator", kind: FaceKind, count: int, directions: Path) -> Iterable[int]:
    """Generate the missing faces of `count` faces of a kind; yields each seed when its face is on disk."""
    aim = np.load(directions)[kind.aim] if kind.aim else None
    for seed, style in generator.styles(range(kind.first_seed, kind.first_seed + count), kind.truncation, aim):
        image = folder / f"{seed}.jpg"
        if not image.exists():
            pixels = cv2.resize(generator.face(style), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            np.save(image.with_suffix(".npy"), style.astype(np.float16))
            scratch = image.with_suffix(".part.jpg")
            cv2.imwrite(str(scratch), pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
            scratch.rename(image)
            yield seed


def main() -> None:
    """Generate faces of a kind."""
    parser = argparse.ArgumentParser(description="Make faces of people who do not exist.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument("--generator", type=Path, required=True, help="the folder random_face/data of the wheel")
    parser.add_argument("--kind", choices=KINDS, default="wide")
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    from .generator import Generator  # only making faces needs openvino

    folder = given.work / "faces"
    folder.mkdir(parents=True, exist_ok=True)
    generator = Generator(given.generator, given.threads)
    made = make(folder, generator, KINDS[given.kind], given.count, given.work / "directions.npz")
    for number, seed in enumerate(made, start=1):
        if number % 100 == 0:
            print(f"{given.kind}: {number} more faces, the last of seed {seed}", flush=True)


if __name__ == "__main__":
    main()
