"""kohya: images next to caption files, as sd-scripts and the trainers that follow it read them.

sd-scripts shows the images of a folder called N_name N times per epoch. With `enable_wildcard` it takes one line of a
caption file at random, else the first (kohya-ss/sd-scripts, library/train_util.py, February 2026).
"""

from __future__ import annotations

import hashlib
import os
import re
from array import array
from collections.abc import Iterable
from math import gcd
from pathlib import Path
from typing import Any

import tomli_w

from ...contracts import CaptionedDataset
from ...errors import SourceError, UsageError
from ...records import Captions
from ...utils import parse_toml
from ..crops import DatasetSettings
from ..folder import place
from ..images import ImageRef
from ..selection import ExportedPhoto, ExportJob, FormatWriter

USAGE = """\
Train on it with sd-scripts: `--dataset_config dataset.toml`, or `--train_data_dir` with this folder. Caption files hold
one caption per line. Of several lines sd-scripts takes one at random where `enable_wildcard` is on, as in dataset.toml,
else the first."""

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp"})
SUFFIXES = (".txt", ".caption")
_CONCEPT = re.compile(r"(\d+)_.+")

NOTE = "# For sd-scripts: --dataset_config dataset.toml. Mend image_dir when this folder moves.\n"


class KohyaFolder(CaptionedDataset):
    """Images with caption files of the same stem: REPEATS_CONCEPT folders, those of dataset.toml, or a single folder.

    Each line of a caption file is a caption. Concepts that are repeated more often than others have their photos listed
    more often, so that an epoch shows them in the same proportion.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        concepts, self._suffixes, self._wildcard = _concepts(folder)
        self._names: list[str] = []
        self._places, self._copies = array("q"), array("i")
        common = gcd(*(repeats for _, repeats in concepts)) or 1
        digest = hashlib.blake2b(digest_size=16)
        try:
            for concept, repeats in concepts:
                for name in sorted(filter(_is_image, os.listdir(concept))):  # noqa: PTH208  names are enough
                    text = self._text(concept / name)
                    if not self._lines(text):
                        self.without_captions += 1
                        continue
                    digest.update(b"\0".join([os.fsencode(name), text, str(repeats).encode()]))
                    for copy in range(repeats // common):
                        self._places.append(len(self._names))
                        self._copies.append(copy)
                    self._names.append(str(concept / name))
        except OSError as error:
            raise SourceError(f"{error.filename} cannot be read: {error.strerror}. Check its permissions") from error
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._places)

    def key(self, index: int) -> str:
        """The image's path in the folder, with a number if it is listed several times."""
        path = Path(self._names[self._places[index]])
        name = path.relative_to(self.path).as_posix() if path.is_relative_to(self.path) else str(path)
        return f"{name} #{self._copies[index] + 1}" if self._copies[index] else name

    def captions(self, index: int) -> Captions:
        """The lines of the caption file."""
        return self._lines(self._text(Path(self._names[self._places[index]])))

    def image(self, index: int) -> ImageRef:
        """The image next to the caption file."""
        return ImageRef(self._names[self._places[index]])

    def remedy(self) -> str:
        """What an image needs."""
        return f"Each image needs a text file of the same name with a caption: a.jpg and a{self._suffixes[0]}"

    def _text(self, image: Path) -> bytes:
        for suffix in self._suffixes:
            if (path := image.with_suffix(suffix)).is_file():  # a pipe would be waited for
                return path.read_bytes()
        return b""

    def _lines(self, text: bytes) -> Captions:
        lines = [line.strip() for line in text.decode("utf-8-sig", "replace").split("\n")]
        return tuple((unescape(line) if self._wildcard else line, "") for line in lines if line)


def is_kohya(folder: Path) -> bool:
    """Whether a folder has dataset.toml, REPEATS_CONCEPT folders with images, or images with caption files."""
    if (folder / "dataset.toml").is_file():
        return True
    if any(map(_holds_images, (path for path in folder.glob("[0-9]*_*") if path.is_dir()))):
        return True
    return any(
        path.with_suffix(suffix).is_file() for path in folder.iterdir() if _is_image(path.name) for suffix in SUFFIXES
    )


def _concepts(folder: Path) -> tuple[list[tuple[Path, int]], tuple[str, ...], bool]:
    """The folders of images with their repeats, the suffixes of caption files, and whether braces are escaped."""
    if (folder / "dataset.toml").is_file():
        return _configured(folder, folder / "dataset.toml")
    named = [(path, _CONCEPT.fullmatch(path.name)) for path in sorted(folder.iterdir()) if path.is_dir()]
    found = [(path, max(int(match[1]), 1)) for path, match in named if match and _holds_images(path)]
    return found or [(folder, 1)], SUFFIXES, False


def _configured(folder: Path, config: Path) -> tuple[list[tuple[Path, int]], tuple[str, ...], bool]:
    try:
        settings = parse_toml(config.read_bytes())
        general = settings.get("general", {})
        subsets = [subset for dataset in settings.get("datasets", []) for subset in dataset["subsets"]]
        found = [(Path(subset["image_dir"]), int(subset.get("num_repeats", 1))) for subset in subsets]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{config} is not a configuration for sd-scripts ({error}). Fix or remove it") from error
    # An export that was moved still names its old place.
    places = [(path if path.is_dir() else folder / path.name, repeats) for path, repeats in found]
    if missing := next((path for path, _ in places if not path.is_dir()), None):
        raise SourceError(f"{config} names a folder of images that is missing: {missing}. Fix image_dir in it")
    suffix = str(general.get("caption_extension", SUFFIXES[0]))
    return places, (suffix, *SUFFIXES), bool(general.get("enable_wildcard", False))


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGES  # noqa: PTH122


def _holds_images(folder: Path) -> bool:
    return any(map(_is_image, os.listdir(folder)))  # noqa: PTH208  names are enough


def write(photos: Iterable[ExportedPhoto], folder: Path, job: ExportJob) -> None:
    """Write N_CONCEPT/NAME.jpg with N_CONCEPT/NAME.txt, and dataset.toml."""
    if job.settings.names == "path":
        raise UsageError("sd-scripts reads pictures side by side in one folder: use --names original with kohya")
    name = f"{job.settings.repeats}_{job.settings.concept}"
    several = job.settings.captions == "all"
    for photo in photos:
        place(photo.picture, folder / name / f"{photo.name}.jpg", link=job.settings.link)
        lines = [escape(line) if several else line for line in photo.lines]
        (folder / name / f"{photo.name}.txt").write_bytes("\n".join([*lines, ""]).encode())
    config = tomli_w.dumps(_config(job, job.out.resolve() / name, several=several))
    (folder / "dataset.toml").write_bytes((NOTE + config).encode())


def escape(caption: str) -> str:
    """A caption that sd-scripts reads literally: with `enable_wildcard`, {a|b} would be a choice.

    >>> escape("a {wide|faint} smile")
    'a {{wide|faint}} smile'
    """
    return caption.replace("{", "{{").replace("}", "}}")


def unescape(line: str) -> str:
    """Inverse of `escape`.

    >>> unescape("a {{wide|faint}} smile")
    'a {wide|faint} smile'
    """
    return line.replace("{{", "{").replace("}}", "}")


def _config(job: ExportJob, pictures: Path, *, several: bool) -> dict[str, Any]:
    recipe = job.run.settings.get("recipe", {})
    size = recipe.get("dataset", {}).get("size", DatasetSettings().size)
    # Buckets go in steps of 64; the training resolution must lie between the smallest and the largest.
    side = max(64, size // 64 * 64)
    return {
        "general": {"caption_extension": ".txt", "enable_wildcard": several, "shuffle_caption": False},
        "datasets": [
            {
                "resolution": side,
                "enable_bucket": True,
                "bucket_no_upscale": True,
                "min_bucket_reso": min(256, side),
                "max_bucket_reso": max(1024, side),
                "subsets": [{"image_dir": str(pictures), "num_repeats": job.settings.repeats}],
            }
        ],
    }


WRITER = FormatWriter(write, USAGE, pictures=lambda _: True)
