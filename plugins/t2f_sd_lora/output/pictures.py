"""Notice pictures that were replaced, deleted or added since a training began."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from text2face_core.errors import RunError
from text2face_core.utils import explain, replacing

if TYPE_CHECKING:
    from text2face_core.contracts import CaptionedDataset
    from text2face_core.training import Checkpoints, TrainingContext

    from ..options import SdLoraOptions
    from ..training.prepare import TrainingData

NAMES = {True: "pictures.npy", False: "pictures-by-date.npy"}
"""The record of OUT by `TrainingData.by_content`."""
RECORD = np.dtype([("key", "<u8"), ("version", "<u8")])


def check_pictures(
    context: TrainingContext[SdLoraOptions], dataset: CaptionedDataset, data: TrainingData, checkpoints: Checkpoints
) -> None:
    """Compare the pictures with those that the training in `out` began with, then record them.

    Raises RunError if they differ and `options.resume` does not allow it.
    """
    if context.is_main:
        path = context.out / NAMES[data.by_content]
        now = list_pictures(dataset, data)
        if checkpoints.steps() and (changes := describe_changes(_read(path), now)):
            if context.options.resume != "always":
                raise RunError(
                    f"{context.out} holds a training on other pictures ({changes} since). To resume with the current "
                    "pictures: --resume. To start again and remove what is there: --fresh. Or choose another --out"
                )
            context.progress.say(f"resuming with other pictures: {changes}")
        try:
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.save(file, now)
        except OSError as error:
            raise RunError(explain(error, path)) from error
    context.accelerator.wait_for_everyone()


def list_pictures(dataset: CaptionedDataset, data: TrainingData) -> npt.NDArray[np.void]:
    """(M,) RECORD, ordered by key: for each usable picture a hash of its name and its version."""
    pictures = np.zeros(len(data.usable), RECORD)
    pictures["key"] = [_hash(dataset.key(number)) for number in data.usable.tolist()]
    pictures["version"] = data.versions
    return np.sort(pictures, order=["key", "version"])


def describe_changes(before: npt.NDArray[np.void] | None, now: npt.NDArray[np.void]) -> str:
    """The changes in words: "2 replaced, 1 deleted or unreadable, 3 new"; empty without any, or if `before` is unknown.

    before, now: (M,) RECORD.
    """
    if before is None:
        return ""
    gone = np.setdiff1d(before["key"], now["key"])
    new = np.setdiff1d(now["key"], before["key"])
    changed = before["key"][~np.isin(_mixed(before), _mixed(now))]
    replaced = len(np.setdiff1d(changed, gone))
    counts = {"replaced": replaced, "deleted or unreadable": len(gone), "new": len(new)}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _mixed(pictures: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """A single number for key and version."""
    mixed: npt.NDArray[np.uint64] = pictures["key"] * np.uint64(0x9E3779B97F4A7C15) + pictures["version"]
    return mixed


def _read(path: Path) -> npt.NDArray[np.void] | None:
    """The recorded pictures; None without a record, as after a training of release 0.1."""
    try:
        found: npt.NDArray[np.void] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.dtype == RECORD else None


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
