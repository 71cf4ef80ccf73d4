"""Record of which shards are sound, so that a run that resumes does not read all of them again.

OUT/.verified has a line for each shard that this release has written or read in full: its kind, chunk, size, time of
modification, key and digest of photo ids. A shard that is unlike its line is read. The record may be deleted.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

NAME = ".verified"


class Entry(NamedTuple):
    """What is known of a sound shard; stamp: size and time of what it was made from, or of itself."""

    state: str
    key: str
    ids: str


class Verified:
    """The record of one run.

    Args:
        run: The run directory.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / NAME
        self._entries: dict[tuple[str, int], Entry] | None = None
        self._lines = 0

    def knows(self, kind: str, chunk: int, entry: Entry) -> bool:
        """Whether a shard was found sound in this very state."""
        return self._load().get((kind, chunk)) == entry

    def add(self, kind: str, chunk: int, entry: Entry) -> None:
        """Record a shard that is sound. A record that cannot be written is done without."""
        entries = self._load()
        if entries.get((kind, chunk)) == entry:
            return
        entries[kind, chunk] = entry
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(_line(kind, chunk, entry))
            self._lines += 1

    def _load(self) -> dict[tuple[str, int], Entry]:
        if self._entries is None:
            self._entries = {}
            with contextlib.suppress(OSError), self._path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    self._lines += 1
                    parts = line.rstrip("\n").split("\t")
                    if line.endswith("\n") and len(parts) == 5 and parts[1].isdecimal() and parts[1].isascii():
                        self._entries[parts[0], int(parts[1])] = Entry(*parts[2:])
            if self._lines > 1000 and self._lines > 4 * len(self._entries):
                self._rewrite()
        return self._entries

    def _rewrite(self) -> None:
        text = "".join(_line(kind, chunk, entry) for (kind, chunk), entry in (self._entries or {}).items())
        with contextlib.suppress(OSError):
            temporary = self._path.with_name(f"{NAME}.new")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._path)
            self._lines = len(self._entries or {})


def state_of(*paths: Path) -> str:
    """Sizes and times of files; empty if one does not exist."""
    try:
        found = [os.stat(path) for path in paths]  # noqa: PTH116  called for each of a hundred thousand shards
    except OSError:
        return ""
    return " ".join(f"{one.st_size} {one.st_mtime_ns}" for one in found)


def _line(kind: str, chunk: int, entry: Entry) -> str:
    return "\t".join([kind, str(chunk), *entry]) + "\n"
