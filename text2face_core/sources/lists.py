"""Text lists of photos: a path per line, as written by people and programs on any system."""

# Paths are plain strings here, as in `files`.
# ruff: noqa: PTH100, PTH118, PTH120

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import SourceError
from ..utils import quoted
from .names import path_of

_WARNINGS = 5
"""Lines that are named if their files are missing; further ones are counted."""


class Entry(NamedTuple):
    """A line of a list: the name as written, without quotes, and the file that it means."""

    name: str
    path: str


def read_list(path: str, warn: Callable[[str], None]) -> Iterator[Entry]:
    """Read the entries of a list.

    A line is a path, plain or in quotes; # begins a comment. The path is looked up in the list's folder, then in the
    working folder; with backslashes as slashes, and in Latin-1 (Windows-1252) if the UTF-8 name does not exist. A
    missing file is an entry all the same, so that it gets a row; a warning lists the paths that were tried.

    Args:
        path: The list.
        warn: Receives a line for each of the first entries whose file is missing.

    Raises:
        SourceError: The list cannot be read or is not text.
    """
    missing = 0
    for number, line in enumerate(_lines(path), 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        entry, tried = _find(_unquoted(text), os.path.dirname(path))
        if tried:
            missing += 1
            if missing <= _WARNINGS:
                places = " and ".join(quoted(one) for one in tried)
                warn(f"line {number} of {quoted(path)}: there is no {places}")
        yield entry
    if missing > _WARNINGS:
        warn(f"{quoted(path)}: {missing - _WARNINGS} more lines name files that are not there")


def _lines(path: str) -> list[bytes]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"the list {quoted(path)} cannot be read: {error.strerror}") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "replace").encode()
    if b"\0" in content:
        raise SourceError(
            f"{quoted(path)} is not a text list: it holds zero bytes. Save it as UTF-8, with one path per line"
        )
    return content.removeprefix(codecs.BOM_UTF8).splitlines()


def _unquoted(text: bytes) -> bytes:
    for sign in (b'"', b"'"):
        if len(text) > 1 and text.startswith(sign) and text.endswith(sign):
            return text[1:-1]
    return text


def _find(text: bytes, folder: str) -> tuple[Entry, list[str]]:
    """Return the entry, and the paths that were tried if none exists."""
    folders = list(dict.fromkeys([folder, os.path.abspath(".")]))
    names = [os.path.normpath(path_of(os.fsdecode(text)))]
    if b"\\" in text:
        names.append(os.path.normpath(path_of(os.fsdecode(text.replace(b"\\", b"/")))))
    if not text.isascii():
        names.append(os.path.normpath(text.decode("cp1252", "replace").replace("\\", "/")))
    tried = list(dict.fromkeys(os.path.join(one, name) for name in names for one in folders))
    for name in names:
        for one in folders:
            if os.path.lexists(os.path.join(one, name)):
                return Entry(name, os.path.join(one, name)), []
    name = names[1] if b"\\" in text else names[0]
    return Entry(name, os.path.join(folder, name)), tried
