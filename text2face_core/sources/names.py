"""Conversion between paths of files and URIs that any table can hold."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes


def uri_of(path: Path) -> str:
    """Return the absolute path, or a file: URI of its bytes if it is not valid Unicode. The inverse of `path_of`."""
    return uri_of_text(str(path.absolute()))


def path_of(uri: str) -> Path:
    """Return the path of a URI from `uri_of`.

    >>> path_of("file:///tmp/caf%C3%A9.jpg").name, path_of("/tmp/100%.jpg").name
    ('café.jpg', '100%.jpg')
    """
    if not uri.startswith("file:"):
        return Path(uri)
    path = uri.removeprefix("file:").removeprefix("//localhost").removeprefix("//")
    return Path(os.fsdecode(unquote_to_bytes(path)))


def uri_of_text(path: str) -> str:
    """Do the same as `uri_of` for an absolute path as text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(path))
    return path
