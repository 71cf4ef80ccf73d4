"""How well and how fast detectors find faces in folders of your own photos.

    python benchmarks/detection.py portraits groups --detector retinaface --set backbone=mobilenet0.25
    python benchmarks/detection.py portraits --detector yunet --sheet faces.jpg

For every folder: photos with exactly one face, with none, with several; faces on each photo that has several or none;
wall time and CPU time per photo, decoding left out. --sheet draws boxes, landmarks and scores on one large image.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from text2face_core import Face, Plugins, Runtime
from text2face_core.contracts import Detector
from text2face_core.models.store import ModelStore
from text2face_core.records import Pixels

TILE = 240
COLOURS = ("red", "deepskyblue", "yellow", "lime", "magenta")
"""Of the landmarks, in their order."""


def photos_of(folder: Path) -> list[Path]:
    """Every photo in the folder and below it; a file stands for itself."""
    if folder.is_file():
        return [folder]
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"})


def read(path: Path) -> Pixels:
    """(H, W, 3) uint8 RGB, upright."""
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


def drawn(pixels: Pixels, faces: Sequence[Face]) -> Image.Image:
    """The photo, small, with what was found on it."""
    zoom = min(1.0, 4 * TILE / max(pixels.shape[:2])) if len(faces) > 3 else TILE / max(pixels.shape[:2])
    image = Image.fromarray(pixels).resize((round(pixels.shape[1] * zoom), round(pixels.shape[0] * zoom)))
    draw = ImageDraw.Draw(image)
    for face in faces:
        x0, y0, x1, y1 = (face.box * zoom).tolist()
        draw.rectangle((x0, y0, x1, y1), outline="lime" if len(faces) == 1 else "orange", width=2)
        draw.text((x0 + 3, y0 + 2), f"{face.score:.2f}", fill="white", stroke_width=1, stroke_fill="black")
        for (x, y), colour in zip(((face.landmarks + 0.5) * zoom).tolist(), COLOURS, strict=True):
            r = 2 if (x1 - x0) > 40 else 1
            draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    return image


def sheet(tiles: Sequence[Image.Image], width: int = 8 * TILE) -> Image.Image:
    """The images in rows, each row as high as its highest."""
    places, x, y, row = [], 0, 0, 0
    for tile in tiles:
        if x and x + tile.width > width:
            x, y, row = 0, y + row, 0
        places.append((x, y))
        x, row = x + tile.width, max(row, tile.height)
    whole = Image.new("RGB", (width, y + row), "black")
    for tile, place in zip(tiles, places, strict=True):
        whole.paste(tile, place)
    return whole


def look_through(detector: Detector, name: str, paths: Sequence[Path], batch: int) -> list[tuple[Pixels, list[Face]]]:
    """Detect, and print what is to be said of one folder."""
    seen: list[tuple[Pixels, list[Face]]] = []
    wall, cpu = [], []
    for start in range(0, len(paths), batch):
        images = [read(path) for path in paths[start : start + batch]]
        before = time.perf_counter(), time.process_time()
        found = detector.detect(images)
        wall += [(time.perf_counter() - before[0]) / len(images)] * len(images)
        cpu += [(time.process_time() - before[1]) / len(images)] * len(images)
        seen += zip(images, found, strict=True)
    counts = [len(faces) for _, faces in seen]
    one, none = counts.count(1), counts.count(0)
    print(
        f"{name}: {one} of {len(counts)} photos with exactly one face ({one / len(counts):.0%}), {none} with "
        f"none, {len(counts) - one - none} with several; {1000 * statistics.median(wall):.0f} ms and "
        f"{1000 * statistics.mean(cpu):.0f} CPU ms per photo"
    )
    odd = [(path, count) for path, count in zip(paths, counts, strict=True) if count != 1]
    for path, count in odd if len(odd) <= 40 else odd[:40]:
        print(f"  {count:3d}  {path.name}")
    return seen


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--detector", default="retinaface")
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="an option of the detector")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--sheet", type=Path, help="write what was found as one image")
    given = parser.parse_args()
    plugins = Plugins.load()
    registered = plugins.component(given.detector, "detector")
    options = registered.component.options.model_validate(dict(one.split("=", 1) for one in given.set))
    runtime = Runtime(ModelStore(), device=given.device, threads=given.threads)
    detector = plugins.build(registered, options, runtime)
    detector.detect([np.zeros((640, 640, 3), np.uint8)])
    tiles = []
    for folder in given.folders:
        if paths := photos_of(folder):
            tiles += [drawn(*one) for one in look_through(detector, folder.name, paths, given.batch)]
    if given.sheet and tiles:
        sheet(tiles).save(given.sheet)


if __name__ == "__main__":
    main()
