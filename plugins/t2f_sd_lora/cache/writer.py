"""Encode pictures and write them to the latent cache: data first, then their index records."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from text2face_core.records import Pixels

from ..model.vae import encode_pictures
from .index import DONE, UNREADABLE, SlotIndex

COMMIT_SECONDS = 3.0
"""Largest amount of work that is lost if the process is killed."""


@dataclass(slots=True)
class ReadPicture:
    """A picture that was read for the cache.

    slots: those to fill, each with whether it is for the mirror image; as many pixels, or copies: slots that hold the
    same latents already. content: 16 bytes that identify the pixels. size: the number of the size cropped to.
    reason: why it cannot be used, else empty.
    """

    slots: list[tuple[int, bool]]
    content: bytes = b"\0" * 16
    size: int = 0
    pixels: list[Pixels] = field(default_factory=list)
    copies: list[int] = field(default_factory=list)
    reason: str = ""


class LatentWriter:
    """Fills slots; every few seconds data are synced to the disk and their records written."""

    def __init__(self, folder: Path, index: SlotIndex, floats: int, dtype: np.dtype[Any]) -> None:
        self._folder = folder
        self._index = index
        self._bytes, self._dtype = floats * dtype.itemsize, dtype
        self._data = (folder / "data").open("rb+", buffering=0)
        self._settled: list[tuple[int, int, int, bytes]] = []
        self._reasons: list[str] = []
        self._committed = time.monotonic()

    def add(self, vae: Any, group: list[ReadPicture]) -> None:
        """Encode pictures of the same size and write their latents."""
        mean, std = encode_pictures(vae, [pixels for read in group for pixels in read.pixels])
        rows = np.stack([mean.numpy(), std.numpy()], axis=1).astype(self._dtype)
        slots = [(slot, read) for read in group for slot, _ in read.slots]
        for (slot, read), row in zip(slots, rows, strict=True):
            self._write(slot, row.tobytes(), read)
        self._commit_now_and_then()

    def copy(self, read: ReadPicture) -> None:
        """Fill slots from others that hold the same pixels."""
        for (slot, _), other in zip(read.slots, read.copies, strict=True):
            read.size = int(self._index.records["size"][other])
            self._data.seek(other * self._bytes)
            self._write(slot, self._data.read(self._bytes), read)
        self._commit_now_and_then()

    def refuse(self, read: ReadPicture) -> None:
        """Record that a picture cannot be used."""
        for slot, _ in read.slots:
            self._settled.append((slot, UNREADABLE, 0, read.content))
            self._reasons.append(f"{slot}\t{' '.join(read.reason.split())}\n")
        self._commit_now_and_then()

    def commit(self) -> None:
        """Sync data to the disk, then write their records."""
        if self._settled:
            if self._reasons:
                with (self._folder / "reasons.tsv").open("a", encoding="utf-8") as file:
                    file.write("".join(self._reasons))
            os.fsync(self._data.fileno())
            slots, states, sizes, contents = zip(*self._settled, strict=True)
            self._index.settle(
                np.array(slots, np.int64),
                np.array(states, np.uint8),
                np.array(sizes, np.uint16),
                np.frombuffer(b"".join(contents), "V16"),
            )
            self._settled.clear()
            self._reasons.clear()
        self._committed = time.monotonic()

    def close(self) -> None:
        """Close the file; slots that were not committed are filled again next time."""
        self._data.close()

    def _write(self, slot: int, data: bytes, read: ReadPicture) -> None:
        self._data.seek(slot * self._bytes)
        self._data.write(data)
        self._settled.append((slot, DONE, read.size, read.content))

    def _commit_now_and_then(self) -> None:
        if time.monotonic() - self._committed > COMMIT_SECONDS:
            self.commit()


def read_reasons(folder: Path) -> dict[int, str]:
    """Why the pictures of slots cannot be used, by slot."""
    path = folder / "reasons.tsv"
    if not path.is_file():
        return {}
    lines = (line.partition("\t") for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return {int(slot): reason for slot, _, reason in lines if slot.isdigit()}
