"""How fast photos become captions, and what the toolkit adds to its models.

    python benchmarks/caption.py [FOLDER] [--photos 200] [--side 1024] [--rounds 3]

Prints photos per second of the starter recipe, the share of wall time spent inside models, and the ratio to a plain
loop over the same models (decode, detect, read, caption, save the crop; one photo after the other). Both take turns in
one process, so that the machine's mood falls on both. Without FOLDER the example photos are enlarged and repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from text2face_core import FusionRequest, Photo, Plugins, Portrait, Recipe, Runtime, caption_photos
from text2face_core.dataset.crops import save_crop
from text2face_core.language.bag import draw_bag
from text2face_core.models.store import ModelStore
from text2face_core.utils import usable_cores
from text2face_core.utils.seeding import random_stream, stream_seed

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "photos"


def enlarge(photos: list[Path], folder: Path, number: int, side: int) -> None:
    """Write `number` JPEGs of `side` × `side` pixels, mirrored every other time around."""
    for index in range(number):
        image = ImageOps.fit(Image.open(photos[index % len(photos)]).convert("RGB"), (side, side))
        turned = ImageOps.mirror(image) if (index // len(photos)) % 2 else image
        turned.save(folder / f"{index:04d}.jpg", quality=90)


class PlainLoop:
    """What one would write without a toolkit: one photo after the other, each stage in turn."""

    def __init__(self, recipe: Recipe) -> None:
        plugins = Plugins.load(builtin_only=True)
        self.resolved = recipe.resolve(plugins)
        runtime = Runtime(ModelStore(), threads=usable_cores(), vocabulary=self.resolved.vocabulary)
        built = [(part.kind, plugins.build(part.registered, part.options, runtime)) for part in self.resolved.parts]
        self.detector = next(one for kind, one in built if kind == "detector")
        self.extractors = [one for kind, one in built if kind == "extractor"]
        self.fuser = next(one for kind, one in built if kind == "fuser")

    def __call__(self, photos: list[Path], out: Path) -> int:
        """Caption every photo with one face; returns how many that were."""
        recipe, done = self.resolved.recipe, 0
        with (out / "captions.jsonl").open("w") as file:
            for path in photos:
                image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
                photo = Photo(path.stem, str(path), np.asarray(image))
                faces = self.detector.detect([photo.pixels])[0]
                if len(faces) != 1:
                    continue
                portrait = Portrait(photo, faces[0])
                findings = [finding for extractor in self.extractors for finding in extractor.extract([portrait])[0]]
                captions = []
                for number in range(recipe.captions.per_photo):
                    stream = random_stream(0, path.stem, "bag", number)
                    bag = draw_bag(findings, self.resolved.vocabulary, recipe.bag, stream)
                    seed = stream_seed(0, path.stem, "fuser", number, 0)
                    captions += self.fuser.fuse([FusionRequest(path.stem, str(path), number, bag, "long", seed)])[0]
                save_crop(portrait, out / f"{path.stem}.jpg", recipe.dataset)
                file.write(json.dumps({"file": path.name, "text": captions}) + "\n")
                done += 1
        return done


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        folder = given.folder or room / "photos"
        if not given.folder:
            folder.mkdir()
            enlarge(sorted(EXAMPLES.glob("*.jpg")), folder, given.photos, given.side)
        photos = sorted(folder.glob("*.jpg"))[: given.photos]
        ours, shares, plain = [], [], []
        for turn in range(given.rounds):
            result = caption_photos(photos, out=room / f"ours-{turn}")
            ours.append(result.seconds)
            shares.append(sum(result.model_seconds.values()) / result.seconds)
            (room / f"plain-{turn}").mkdir()
            start = time.perf_counter()
            done = PlainLoop(Recipe.load("starter"))(photos, room / f"plain-{turn}")
            plain.append(time.perf_counter() - start)
            if done != result.counts["ok"]:
                raise SystemExit(f"the plain loop captioned {done} photos, the run {result.counts['ok']}")
        best, share = statistics.median(ours), statistics.median(shares)
        print(
            f"{len(photos)} photos, {usable_cores()} cores, median of {given.rounds} rounds, building models included"
        )
        print(f"text2face   {len(photos) / best:6.1f} photos/s, {share:.0%} of wall time inside models")
        print(f"plain loop  {len(photos) / statistics.median(plain):6.1f} photos/s")
        print(f"ratio       {statistics.median(plain) / best:6.2f}")


if __name__ == "__main__":
    main()
