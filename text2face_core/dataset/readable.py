"""Find the images of a data set that can be decoded, for training without a cache of latents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..contracts import CaptionedDataset, Progress
from ..errors import BadPhoto, UsageError
from ..utils import parse_json, write_text


def find_readable(
    dataset: CaptionedDataset, folder: Path, *, threads: int = 1, progress: Progress | None = None
) -> npt.NDArray[np.int64]:
    """(M,) int64: the numbers of the photos whose image decodes. Each is tried once; `folder` keeps the result.

    Raises UsageError if none can be read.
    """
    stamps = hashlib.blake2b(digest_size=8)
    for number in range(len(dataset)):
        stamps.update(dataset.image(number).stamp())
    kept = folder / f"readable-{stamps.hexdigest()}.json"
    try:
        bad = {int(number): reason for number, reason in parse_json(kept.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError):
        bad = _look(dataset, threads, progress)
        write_text(kept, json.dumps(bad))
    name_skipped(skipped_path(folder, dataset), dataset, bad)
    usable = np.setdiff1d(np.arange(len(dataset)), np.array(list(bad), np.int64))
    check_some(usable, dataset, skipped_path(folder, dataset))
    return usable


def skipped_path(folder: Path, dataset: CaptionedDataset) -> Path:
    """The text file that lists the images which could not be read."""
    return folder / f"skipped-{dataset.fingerprint[:16]}.txt"


def name_skipped(path: Path, dataset: CaptionedDataset, reasons: Mapping[int, str]) -> None:
    """Write a line for each skipped image: its name, a tab, the reason. Remove the file if there is none."""
    if reasons:
        write_text(path, "".join(f"{dataset.key(number)}\t{reason}\n" for number, reason in sorted(reasons.items())))
    else:
        path.unlink(missing_ok=True)


def check_some(usable: npt.NDArray[np.int64], dataset: CaptionedDataset, named: Path) -> None:
    """Raises UsageError if nothing is left to train on."""
    if not len(usable):
        raise UsageError(f"none of the {len(dataset)} pictures of {dataset.path} can be read; {named} says why")


def _look(dataset: CaptionedDataset, threads: int, progress: Progress | None) -> dict[int, str]:
    def reason(number: int) -> str:
        image = dataset.image(number)
        try:
            image.pixels(image.content())
        except BadPhoto as error:
            return str(error)
        return ""

    bad: dict[int, str] = {}
    if progress:
        progress.start("looking at", len(dataset))
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for first in range(0, len(dataset), 1000):
            numbers = range(first, min(first + 1000, len(dataset)))
            found = {number: why for number, why in zip(numbers, pool.map(reason, numbers), strict=True) if why}
            bad |= found
            if progress:
                progress.advance(len(numbers), skipped=len(found))
    if progress:
        progress.finish()
    return bad
