"""Read regular files only: no pipe, device or socket, whatever takes a file's place meanwhile."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import BadPhoto

# Opening a pipe must not wait for a writer; a terminal must not become that of this process.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def read_regular(path: str | Path, max_bytes: int, offset: int = 0, size: int | None = None) -> bytes:
    """Read a regular file, or a part of it.

    Args:
        path: The file; links are followed.
        max_bytes: Refused if there is more to read.
        offset: Where the part begins.
        size: Bytes of the part, fewer if the file ends before; None for all.

    Returns:
        The bytes. Files of the system that have no size, such as those in /proc, count as empty.

    Raises:
        BadPhoto: It is not a regular file, is larger, or cannot be read; the text is the reason recorded for it.
    """
    try:
        _check_kind(os.stat(path))  # noqa: PTH116  opening a device may already do something
        descriptor = os.open(path, _FLAGS)
        with open(descriptor, "rb") as file:  # noqa: PTH123
            status = os.fstat(descriptor)
            _check_kind(status)
            count = max(0, status.st_size - offset) if size is None else size
            if count > max_bytes:
                raise BadPhoto(f"too large: {count / 1e6:.0f} MB (the limit is {max_bytes / 1e6:g} MB)")
            if not status.st_size:
                return b""
            file.seek(offset)
            return file.read(count)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadPhoto(f"unreadable: {what.lower()}") from error


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BadPhoto("unreadable: it is a folder" if stat.S_ISDIR(status.st_mode) else "unreadable: not a file")
