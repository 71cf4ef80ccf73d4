"""Cache of answers in SQLite: shared between processes, and intact after a kill."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock

log = logging.getLogger(__name__)

BUSY_SECONDS = 10.0


class Answers:
    """Texts by key, in SQLite; use it in a `with` block, in a single thread.

    A cache must never stop a run: a damaged file is set aside, and if the file cannot be written, nothing is cached;
    both with a warning. path: None disables the cache. option: name of the option for the path, for the warning.
    """

    def __init__(self, path: Path | None, option: str = "cache") -> None:
        self._path = path
        self._option = option
        self._base: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        if self._path:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._base = _opened(self._path)
            except (OSError, sqlite3.DatabaseError) as error:
                self._recover(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def get(self, key: bytes) -> str | None:
        """The text that any process has stored under the key."""
        row = self._run("SELECT text FROM answers WHERE key = ?", key)
        return row[0] if row else None

    def put(self, key: bytes, text: str) -> None:
        """Store a text, unless the key has a text already."""
        self._run("INSERT OR IGNORE INTO answers VALUES (?, ?)", key, text)

    def _run(self, command: str, *values: bytes | str) -> tuple[str, ...] | None:
        if self._base is None:
            return None
        try:
            row: tuple[str, ...] | None = self._base.execute(command, values).fetchone()
        except sqlite3.DatabaseError as error:
            self._recover(error)
            return None
        return row

    def _recover(self, error: Exception) -> None:
        """Set a damaged file aside and create a new file; after any other error, work without a cache."""
        self._close()
        if not self._path:
            raise AssertionError(error)
        if _damaged(error):
            try:
                self._base = _replaced(self._path)
            except (OSError, sqlite3.DatabaseError) as again:
                error = again
            else:
                return
        text = "answers are not cached: %s cannot be used (%s). To use another file, set %s"
        log.warning(text, self._path, error, self._option)

    def _close(self) -> None:
        if self._base is not None:
            with contextlib.suppress(sqlite3.Error):
                self._base.close()
            self._base = None


def _opened(path: Path) -> sqlite3.Connection:
    # Every answer is its own transaction (isolation_level=None), so that a kill loses none. Syncing is left to the
    # system: only a power failure could then damage the file, and a damaged file is set aside.
    base = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        base.execute("PRAGMA synchronous = OFF")
        base.execute("CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID")
    except BaseException:
        base.close()
        raise
    return base


def _damaged(error: Exception) -> bool:
    # Locked, full and read-only are OperationalErrors; "malformed" and "not a database" are plain DatabaseErrors.
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)


def _replaced(path: Path) -> sqlite3.Connection:
    """Replace a damaged file by a new file, unless another process has done so already."""
    with FileLock(f"{path}.lock", timeout=60):
        if not _sound(path):
            number = 1 + sum(1 for _ in path.parent.glob(f"{path.name}.damaged-*"))
            aside = path.with_name(f"{path.name}.damaged-{number}")
            path.replace(aside)
            path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
            log.warning("the cache of answers was damaged; it is now called %s, and a new cache was created", aside)
        return _opened(path)


def _sound(path: Path) -> bool:
    try:
        with contextlib.closing(_opened(path)) as base:
            return bool(base.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError as error:
        if not _damaged(error):
            raise
        return False
