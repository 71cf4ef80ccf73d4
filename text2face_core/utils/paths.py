"""The one place where a name from a file becomes part of a path: photo ids, and names of files in a data set."""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath

from ..errors import RunError

_ID = re.compile("[0-9a-f]{16}")


def checked_id(photo_id: object, where: Path | str) -> str:
    """The photo id, 16 hexadecimal digits, which also name files.

    Raises RunError, with `where` it was found, for anything else.

    >>> checked_id("0123456789abcdef", "a table")
    '0123456789abcdef'
    """
    if isinstance(photo_id, str) and _ID.fullmatch(photo_id):
        return photo_id
    raise RunError(
        f"{where} holds {photo_id!r:.80}, and a photo id has 16 hexadecimal digits: text2face did not write it"
    )


def path_inside(folder: Path, *names: str) -> Path:
    r"""`folder` with names joined to it that come from a file, and never anything outside of it.

    Links on the way are followed: a data set may be made of links. Names are judged by the rules of every system, so
    that a data set that opens on one opens on all.

    Raises:
        RunError: A name is absolute, has a drive or a "..", or holds a character that no file name can hold.

    >>> path_inside(Path("data"), "images/1.jpg").as_posix()
    'data/images/1.jpg'
    """
    for name in names:
        pure = PureWindowsPath(name)  # takes both kinds of slashes for separators
        if not name or "\0" in name or pure.is_absolute() or pure.root or pure.drive or ".." in pure.parts:
            raise RunError(f"{folder} has a file with the name {name!r:.200}, which leads out of it: it is not used")
    return folder.joinpath(*names)
