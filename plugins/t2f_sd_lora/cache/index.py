"""Index of the latent cache: which picture each slot of the data file belongs to, 64 bytes per slot.

A slot is planned under a lock, filled by a single process, and its record is written again once its data are on the
disk. A record that was half-written when the process was killed fails its check and is ignored; its picture gets a new
slot.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

PLANNED, DONE, UNREADABLE = 1, 2, 3
RECORD = np.dtype([
    ("stamp", "V16"),
    ("content", "V16"),
    ("flip", "u1"),
    ("state", "u1"),
    ("size", "<u2"),
    ("spare", "V20"),
    ("check", "<u8"),
])  # fmt: skip
_FACTORS = np.array([2 * n + 1 for n in (7393, 1543, 9973, 25013, 40009, 1201, 3571)], np.uint64)

Records = npt.NDArray[np.void]
Slots = npt.NDArray[np.int64]


class SlotIndex:
    """The file of records, with lookup by the picture's stamp or content."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self.refresh()

    def refresh(self) -> None:
        """Read what other processes have written."""
        raw = np.fromfile(self.path, np.uint8)
        self.records: Records = raw[: len(raw) // RECORD.itemsize * RECORD.itemsize].view(RECORD).copy()
        self.records["state"][self.records["check"] != _checks(self.records)] = 0
        self._stamps = _Lookup(_keys(self.records["stamp"], self.records["flip"]), self.records["state"] > 0)
        self._contents = _Lookup(_keys(self.records["content"], self.records["flip"]), self.records["state"] == DONE)

    def __len__(self) -> int:
        return len(self.records)

    def find(self, stamps: Records, flip: bool) -> Slots:
        """The slot of each stamp, -1 if there is none. stamps: (N,) V16."""
        return self._stamps.find(_keys(stamps, np.full(len(stamps), flip)))

    def find_content(self, content: bytes, *, flip: bool) -> int:
        """A finished slot that holds the latent of these pixels, -1 if there is none."""
        wanted = np.frombuffer(content, "V16")
        slot = int(self._contents.find(_keys(wanted, np.array([flip])))[0])
        return slot if slot >= 0 and self.records["content"][slot].tobytes() == content else -1

    def plan(self, stamps: Records, *, flip: bool) -> None:
        """Append a slot for each stamp. Only under a lock."""
        added = np.zeros(len(stamps), RECORD)
        added["stamp"], added["flip"], added["state"] = stamps, flip, PLANNED
        added["check"] = _checks(added)
        end = len(self.records) * RECORD.itemsize  # a record that a kill left half-written is overwritten
        _write_at(self.path, added.tobytes(), end)
        self.refresh()

    def settle(
        self, slots: Slots, state: npt.NDArray[np.uint8], size: npt.NDArray[np.uint16], content: Records
    ) -> None:
        """Record the state of slots: DONE (their data must be on the disk) or UNREADABLE."""
        rows = self.records[slots]
        rows["state"], rows["size"], rows["content"] = state, size, content
        rows["check"] = _checks(rows)
        self.records[slots] = rows
        with self.path.open("rb+", buffering=0) as file:
            for slot, row in zip(slots.tolist(), rows, strict=True):
                file.seek(slot * RECORD.itemsize)
                file.write(row.tobytes())


class _Lookup:
    """64-bit keys -> positions, in arrays: a dictionary of a million keys takes ten times the memory."""

    def __init__(self, keys: npt.NDArray[np.uint64], valid: npt.NDArray[np.bool_]) -> None:
        positions = np.flatnonzero(valid)
        self._positions = positions[np.argsort(keys[positions], kind="stable")]
        self._keys = keys[self._positions]

    def find(self, keys: npt.NDArray[np.uint64]) -> Slots:
        if not len(self._keys):
            return np.full(len(keys), -1, np.int64)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[at] == keys, self._positions[at], -1)


def _keys(digests: Records, flip: npt.NDArray[np.generic]) -> npt.NDArray[np.uint64]:
    words: npt.NDArray[np.uint64] = np.ascontiguousarray(digests).view("<u8").reshape(-1, 2)[:, 0]
    keys: npt.NDArray[np.uint64] = (words & ~np.uint64(1)) | (flip != 0).astype(np.uint64)
    return keys


def _checks(records: Records) -> npt.NDArray[np.uint64]:
    words: npt.NDArray[np.uint64] = np.ascontiguousarray(records).view("<u8").reshape(-1, RECORD.itemsize // 8)[:, :-1]
    checks: npt.NDArray[np.uint64] = (words * _FACTORS).sum(axis=1, dtype=np.uint64)
    return checks


def _write_at(path: Path, data: bytes, offset: int) -> None:
    with path.open("rb+") as file:
        file.seek(offset)
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
