"""Safe paths from names in files: photo ids, and names of files in a data set. No other code makes such paths."""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath

from ..errors import RunError

_ID = re.compile("[0-9a-f]{16}")


def checked_id(photo_id: object, where: Path | str) -> str:
    """Return the photo id if it is valid: 16 hexadecimal digits, which also name files.

    Raises:
        RunError: It is anything else; the message names `where` it was found.

    >>> checked_id("0123456789abcdef", "a table")
    '0123456789abcdef'
    """
    if isinstance(photo_id, str) and _ID.fullmatch(photo_id):
        return photo_id
    raise RunError(
        f"{where} holds {photo_id!r:.80}, and a photo id has 16 hexadecimal digits: text2face did not write it"
    )


def path_inside(folder: Path, *names: str) -> Path:
    r"""Join names from a file to `folder`; the result is always inside it.

    Links on the way are followed: a data set may consist of links. Names are judged by the rules of every operating
    system, so that a data set opens on all of them or none.

    Raises:
        RunError: A name is absolute, has a drive or a "..", or holds a character that no file name can hold.

    >>> path_inside(Path("data"), "images/1.jpg").as_posix()
    'data/images/1.jpg'
    """
    for name in names:
        pure = PureWindowsPath(name)  # treats both kinds of slashes as separators
        if not name or "\0" in name or pure.is_absolute() or pure.root or pure.drive or ".." in pure.parts:
            raise RunError(f"{folder} has a file with the name {name!r:.200}, which leads out of it: it is not used")
    return folder.joinpath(*names)
