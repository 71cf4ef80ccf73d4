"""Crashes of native code: the photos that a process was analysing when it died, and those that are left out for it.

No process can catch its own SIGSEGV. So each chunk in work has a small file that names the photos that the models look
at. A process that ends in order removes it. If one is left, its photos are suspects: from then on they are analysed one
at a time, and a photo over which the process dies again, alone, is not analysed any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ..errors import RunError
from ..utils import parse_json, write_text

DEATHS_BY_KILL, DEATHS_UNSEEN = 2, 3
"""A photo crashes the analysis if the process died so often over it alone. A kill may come from the system, for lack of
memory, or from a user, who did not mean the photo; and without a supervisor even the signal is not known."""
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A photo that was in work when a process died.

    Attributes:
        deaths: How often the process died while this photo alone was analysed.
        how: How it died the last time: a signal's name, an exit code, or empty if that is not known.
    """

    deaths: int = 0
    how: str = ""

    @property
    def reason(self) -> str:
        """Why the photo is left out, for its row; empty if it is to be tried alone."""
        if not self.how:
            return f"crashed the analysis {self.deaths} times" if self.deaths >= DEATHS_UNSEEN else ""
        if self.how == "SIGKILL":
            return "crashed the analysis (SIGKILL, as for lack of memory)" if self.deaths >= DEATHS_BY_KILL else ""
        return f"crashed the analysis ({self.how})" if self.deaths else ""


class Watch:
    """The file that names the photos in work of one chunk; use it as a context manager around the work.

    Two short writes for each batch, and none of them is waited for: what one process wrote is there for the next one
    unless the machine itself stops.

    Args:
        shard: The chunk's table.
        key: As for the table.
    """

    def __init__(self, shard: Path, key: str) -> None:
        self._path, self._key = _in_work(shard), key
        self._file = -1
        self._longest = 0

    def __enter__(self) -> Watch:
        with contextlib.suppress(OSError):  # such as a full disk, which the table's own error names
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file >= 0:
            os.close(self._file)
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def over(self, photo_ids: Sequence[str]) -> Iterator[None]:
        """Around the analysis of these photos."""
        self._write(photo_ids)
        try:
            yield
        finally:
            self._write(())

    def _write(self, photo_ids: Sequence[str]) -> None:
        if self._file < 0:
            return
        line = " ".join([str(os.getpid()), self._key, *photo_ids])
        self._longest = max(self._longest, len(line))
        with contextlib.suppress(OSError):
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, line.ljust(self._longest).encode() + b"\n")


def note_death(run: Path, pid: int, how: str) -> int:
    """Note how a process died that analysed photos of a run, and return how many were in work; 0 if none were.

    Args:
        run: The run directory.
        pid: The process.
        how: A signal's name or an exit code.
    """
    count = 0
    for path in sorted((run / "analysis").glob("_*.in-work")):
        owner, _, photo_ids, _ = _read(path)
        if owner == str(pid) and photo_ids:
            count += len(photo_ids)
            with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as file:
                file.write(f"{how}\n")
    return count


def find_suspects(shard: Path, key: str) -> dict[str, Suspect]:
    """The suspects of a chunk by photo id, those of a process included that has died since the last call.

    Hold the run's lock: what another process has in work would be taken for what a dead one left.

    Args:
        shard: The chunk's table.
        key: As for the table; what was noted of an analysis by other plugins or options counts for nothing.
    """
    path, in_work = _suspects(shard), _in_work(shard)
    known = _kept_suspects(path, key)
    if not in_work.exists():
        return known
    _, of_key, photo_ids, how = _read(in_work)
    if of_key == key and photo_ids:
        for photo_id in photo_ids:
            before = known.get(photo_id, Suspect())
            alone = len(photo_ids) == 1
            known[photo_id] = Suspect(before.deaths + 1, how) if alone else before
        kept = {photo_id: [one.deaths, one.how] for photo_id, one in known.items()}
        write_text(path, json.dumps({"key": key, "photos": kept}))
    with contextlib.suppress(OSError):
        in_work.unlink(missing_ok=True)
    return known


def forget_suspects(shard: Path) -> None:
    """Forget a chunk's suspects: it is done, or its photos are others now."""
    try:
        _suspects(shard).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{_suspects(shard)} cannot be removed: {error.strerror}") from error


def _read(path: Path) -> tuple[str, str, list[str], str]:
    """Process, key, photo ids and how the process died; empty if the file holds anything else."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    owner, key, *photo_ids = [*(lines[0].split() if lines else []), "", ""]
    how = lines[1] if len(lines) > 1 and re.fullmatch(r"[\w ]{1,40}", lines[1]) else ""
    return owner, key, [one for one in photo_ids if _ID.fullmatch(one)], how


def _kept_suspects(path: Path, key: str) -> dict[str, Suspect]:
    """What was kept; nothing if it is damaged, as it will be found again."""
    try:
        kept = parse_json(path.read_text(encoding="utf-8"))
        if kept["key"] != key:
            return {}
        return {
            photo_id: Suspect(int(deaths), str(how))
            for photo_id, (deaths, how) in kept["photos"].items()
            if _ID.fullmatch(photo_id)
        }
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}


def _in_work(shard: Path) -> Path:
    return shard.with_name(f"_{shard.stem}.in-work")  # readers of folders skip "_"


def _suspects(shard: Path) -> Path:
    return shard.with_name(f"_{shard.stem}.suspects")
