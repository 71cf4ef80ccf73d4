"""Paths of files as URIs that any table can hold, and back."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes


def uri_of(path: Path) -> str:
    """The absolute path; for a name that is not valid Unicode, a file: URI of its bytes. The inverse of `path_of`."""
    return uri_of_text(str(path.absolute()))


def path_of(uri: str) -> Path:
    """The path that `uri_of` wrote down.

    >>> path_of("file:///tmp/caf%C3%A9.jpg").name, path_of("/tmp/100%.jpg").name
    ('café.jpg', '100%.jpg')
    """
    if not uri.startswith("file:"):
        return Path(uri)
    path = uri.removeprefix("file:").removeprefix("//localhost").removeprefix("//")
    return Path(os.fsdecode(unquote_to_bytes(path)))


def uri_of_text(path: str) -> str:
    """As `uri_of`, for an absolute path as text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(path))
    return path
