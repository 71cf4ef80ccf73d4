"""Files that an address names: single files, folders, glob patterns and ranges such as {00000..00099}."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from text2face_core.errors import SourceError
from text2face_core.utils import quoted

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_SAFE = "/:,;=@+ ()[]{}~'&$*?"
MOST_FILES = 1_000_000


def find_files(place: str, endings: tuple[str, ...]) -> list[Path]:
    """List the files that an address without its scheme names, as absolute paths in a fixed order.

    Args:
        place: A file, a folder (searched to any depth), a glob pattern, or a pattern with a range, as data sets are
            published: `shards/{00000..00099}.tar`.
        endings: What the names of files in folders end in, in lower case.

    Raises:
        SourceError: There is no such file, or a folder has none.
    """
    if match := _RANGE.search(place):
        first, last = int(match[1]), int(match[2])
        if last - first >= MOST_FILES:
            raise SourceError(f"{quoted(place)} names {last - first + 1} files, which is too many: use a glob pattern")
        names = [f"{number:0{len(match[1])}d}" for number in range(first, last + 1)]
        return [
            path for name in names for path in find_files(place[: match.start()] + name + place[match.end() :], endings)
        ]
    path = Path(os.path.abspath(place))  # noqa: PTH100  `resolve` would follow links
    if path.is_dir():
        found = sorted(
            one for one in path.rglob("*") if one.suffix.lower() in endings and not one.name.startswith((".", "_"))
        )
        if not found:
            raise SourceError(f"the folder {quoted(place)} has no files that end in {' or '.join(endings)}")
        return found
    if path.is_file():
        return [path]
    if glob.has_magic(place):
        found = sorted(Path(os.path.abspath(one)) for one in glob.glob(place, recursive=True))  # noqa: PTH100, PTH207
        if matches := [one for one in found if one.is_file()]:
            return matches
        raise SourceError(f"{quoted(place)} matches no files")
    raise SourceError(f"no file or folder is called {quoted(place)}")


def stamp_files(paths: Iterable[Path]) -> str:
    """Return a text that changes with the names, sizes and times of files; empty if one cannot be accessed."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            return ""
        digest.update(os.fsencode(path) + f"\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def join_uri(scheme: str, path: Path, member: str, place: str = "") -> str:
    """Make the URI of a photo inside a file: `scheme:PATH!MEMBER#PLACE`.

    >>> join_uri("tar", Path("/a#b.tar"), "1.jpg", "512")
    'tar:/a%23b.tar!1.jpg#512'
    """
    return f"{scheme}:{quote(os.fsencode(path), safe=_SAFE)}!{quote(member, safe=_SAFE, errors='surrogateescape')}" + (
        f"#{place}" if place else ""
    )


def split_uri(uri: str) -> tuple[Path, str, str]:
    """Split a URI into the file's path, the member and the place: the inverse of `join_uri`."""
    rest, _, place = uri.partition(":")[2].partition("#")
    path, _, member = rest.partition("!")
    return Path(os.fsdecode(unquote_to_bytes(path))), os.fsdecode(unquote_to_bytes(member)), place
