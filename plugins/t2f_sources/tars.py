"""Headers of tar files, read in place: names, sizes and offsets of members, with limits on everything.

The formats ustar, GNU (long names) and pax (path and size), POSIX.1-2008 and the GNU tar manual. Links, devices and
sparse members have no place among photos and are refused, as are names that lead out of a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

BLOCK = 512
MOST_HEADER = 64 * 1024
"""Bytes of a long name or of pax records; more is not a name."""
_FILES, _SKIPPED = b"\0" + b"07", b"5"


class RefusedTar(Exception):
    """The file is not a tar that is safe to use; the text says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in a tar.

    Attributes:
        name: Its path in the tar.
        start: Where its first header begins, in bytes.
        offset: Where its content begins.
        size: Bytes of its content.
    """

    name: str
    start: int
    offset: int
    size: int


def read_members(file: BinaryIO, length: int, start: int = 0) -> Iterator[Member]:
    """Read the regular files of a tar, in order, from the header at `start`.

    Args:
        file: The tar, seekable.
        length: Bytes of the tar.
        start: Where a header begins.

    Raises:
        RefusedTar: The tar is damaged, truncated, or holds what must not be used.
        OSError: It cannot be read.
    """
    at = first = start
    name, size = "", -1
    while at < length:
        file.seek(at)
        header = file.read(BLOCK)
        if len(header) < BLOCK:
            raise RefusedTar(f"truncated at byte {at}")
        if not any(header):
            return
        _check(header, at)
        stated = _number(header[124:136], at)
        if at + BLOCK + stated > length:
            raise RefusedTar(f"truncated: a member at byte {at} has {stated} bytes, and the file ends before")
        following = at + BLOCK + -(-stated // BLOCK) * BLOCK
        kind = header[156:157]
        if kind in {b"L", b"K", b"x", b"g"}:
            if stated > MOST_HEADER:
                raise RefusedTar(f"the header at byte {at} has {stated} bytes (the limit is {MOST_HEADER})")
            content = file.read(stated)
            if kind == b"L":
                name = _text(content)
            elif kind == b"x":
                records = _pax(content, at)
                name = records.get("path", name)
                size = _size(records["size"], at) if "size" in records else size
            at = following
            continue
        name = name or _name(header)
        if size >= 0:
            if at + BLOCK + size > length:
                raise RefusedTar(f"truncated: a member at byte {at} has {size} bytes, and the file ends before")
            stated, following = size, at + BLOCK + -(-size // BLOCK) * BLOCK
        if kind in _FILES:
            _check_name(name)
            yield Member(name, first, at + BLOCK, stated)
        elif kind not in _SKIPPED:
            raise RefusedTar(f"the member {name!r:.100} is not a file or folder (type {kind!r})")
        name, size = "", -1
        at = first = following


def _check(header: bytes, at: int) -> None:
    stated = _number(header[148:156], at)
    if stated != sum(header) - sum(header[148:156]) + 8 * 32:
        raise RefusedTar(f"damaged: the header at byte {at} does not match its checksum")


def _number(field: bytes, at: int) -> int:
    """An octal number, or one in base 256 whose first bit is set."""
    try:
        if field[0] == 0x80:
            return int.from_bytes(field[1:])
        text = field.split(b"\0")[0].strip()
        return int(text, 8) if text else 0
    except ValueError:
        raise RefusedTar(f"damaged: the header at byte {at} holds {field!r} in place of a number") from None


def _size(text: str, at: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise RefusedTar(f"damaged: the header at byte {at} holds {text!r:.40} in place of a size")
    return int(text)


def _pax(content: bytes, at: int) -> dict[str, str]:
    r"""Records of the form "length key=value\n", in which the length counts itself."""
    records: dict[str, str] = {}
    while content:
        digits, space, _ = content.partition(b" ")
        if not space or not digits.isdigit() or len(digits) > 6 or not len(digits) < int(digits) <= len(content):
            raise RefusedTar(f"damaged: the pax header at byte {at} cannot be read")
        record, content = content[len(digits) + 1 : int(digits)], content[int(digits) :]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        if key.startswith(b"GNU.sparse"):
            raise RefusedTar(f"the header at byte {at} is of a sparse member")
        records[_text(key)] = _text(value)
    return records


def _name(header: bytes) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name:
        raise RefusedTar(f"the member name {name!r:.100} leads out of the tar")
