"""Atomic writes: a file is either complete or absent, whenever the process is killed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import RunError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success it is synced and renamed to `path`, else removed.

    Raises:
        RunError: The disk is full or the folder cannot be written; the message is for the user.
    """
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RunError(explain(error, path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.t2f-tmp")


def temporary_path(path: Path) -> Path:
    """Return a path next to `path` that no other process uses and that `remove_unfinished` recognises."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.t2f-tmp")


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of killed processes from a folder that no other process writes to.

    Files of other programs, such as ".notes.tmp", and all folders stay.
    """
    for temporary in folder.glob(".*.t2f-tmp"):
        if _TEMPORARY.fullmatch(temporary.name):
            with contextlib.suppress(OSError):
                if stat.S_ISREG(temporary.lstat().st_mode):
                    temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, if the system supports it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def explain(error: OSError, path: Path) -> str:
    """Explain in a sentence what failed and what to do."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk is full: {path} could not be written. Free some space and give the same command again"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{path.parent} cannot be written ({error.strerror}). Choose another --out, or change its permissions"
    return f"{path} could not be written: {error.strerror or error}"
