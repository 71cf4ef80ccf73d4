"""Records of a model store in its folder `.t2f`: hashes of unchanged files, and accepted licences."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import RunError
from ..utils import write_text

CHANGED = -1
"""In place of a modification time: the file is known to have changed."""


@dataclass(frozen=True, slots=True)
class Record:
    """Result of hashing a file; valid as long as its place, size and mtime stay the same.

    Attributes:
        place: File name if the file is in the store (which may be mounted elsewhere tomorrow), else its path.
        size: In bytes.
        mtime_ns: Time of the last change, in nanoseconds.
        sha256: 64 hexadecimal digits.
        source: Where it was downloaded from.
    """

    place: str
    size: int
    mtime_ns: int
    sha256: str
    source: str = ""


class Records:
    """Records as small JSON files, one per model file.

    If the store cannot be written, records are kept in memory only: files are then hashed once per process.
    """

    def __init__(self, store: Path) -> None:
        self.store = store
        self.folder = store / ".t2f"
        self._hashed: dict[Path, Record] = {}

    def of(self, path: Path, *, trust: bool = True) -> Record:
        """Size and hash of the file at `path`; hashed again if it changed, or if `trust` is False."""
        stat = path.stat()
        state = (self._place(path), stat.st_size, stat.st_mtime_ns)
        for record in (self._hashed.get(path), self.kept(path)) if trust else ():
            if record is not None and (record.place, record.size, record.mtime_ns) == state:
                break
        else:
            record = Record(*state, sha256_of(path))
        self._hashed[path] = record
        return record

    def kept(self, path: Path) -> Record | None:
        """The record that was stored when the file at `path` was last accepted."""
        try:
            return Record(**json.loads(self.file(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None  # missing or damaged: the file is hashed again

    def keep(self, path: Path, record: Record) -> None:
        """Store the record, if the folder can be written."""
        self._hashed[path] = record
        if record != self.kept(path):
            self._write(path, record)

    def distrust(self, path: Path) -> None:
        """Have the file at `path` hashed again next time, but keep the hash that was accepted."""
        if (record := self.kept(path)) is not None and record.mtime_ns != CHANGED:
            self._write(path, replace(record, mtime_ns=CHANGED))

    def adopt(self, path: Path, sha256: str, source: str) -> None:
        """Store the record of a file that has just been moved to `path`."""
        stat = path.stat()
        self.keep(path, Record(self._place(path), stat.st_size, stat.st_mtime_ns, sha256, source))

    def file(self, path: Path) -> Path:
        """Path of the record of the file at `path`."""
        if self._place(path) == path.name:
            return self.folder / f"{path.name}.json"
        digest = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
        return self.folder / "elsewhere" / f"{digest[:16]}.json"

    def _write(self, path: Path, record: Record) -> None:
        with contextlib.suppress(RunError):  # a folder that cannot be written can still be read
            write_text(self.file(path), json.dumps(asdict(record), indent=1))

    def _place(self, path: Path) -> str:
        return path.name if path.parent == self.store else str(path.absolute())


def licence_accepted(folder: Path, artifact: str, licence: str, accept: Collection[str]) -> bool:
    """Whether the licence is accepted, by its own or the artifact's name, in `accept` or in an earlier call.

    Acceptance in `accept` is stored in `folder`. A changed licence must be accepted again.
    """
    from filelock import FileLock

    with FileLock(folder / "accepted.lock"):
        earlier = accepted_before(folder)
        now = accepted_now(artifact, licence, accept)
        if now:
            with contextlib.suppress(RunError):  # accepted for this call, but not stored
                write_text(folder / "accepted.json", json.dumps(earlier | now, indent=1))
        return bool(now) or licence in {earlier.get(artifact), earlier.get(licence)}


def accepted_before(folder: Path) -> dict[str, str]:
    """Licences by the names under which they were accepted in earlier calls; nothing is written."""
    try:
        earlier: dict[str, str] = json.loads((folder / "accepted.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return earlier


def accepted_now(artifact: str, licence: str, accept: Collection[str]) -> dict[str, str]:
    """The licence under each of its two names that is in `accept`, in upper or lower case."""
    given = {name.casefold() for name in accept}
    return {name: licence for name in (artifact, licence) if name.casefold() in given}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
