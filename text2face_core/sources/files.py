"""Photos in files: folders, glob patterns, text lists and single names."""

# Paths are plain strings here: a hundred thousand Path objects take longer than reading the folders.
# ruff: noqa: PTH100, PTH112, PTH114, PTH116, PTH118, PTH119, PTH120, PTH122, PTH208

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from ..contracts import MAX_PHOTO_BYTES, Source
from ..errors import BadPhoto, NothingToDo, SourceError
from ..records import PhotoRef
from ..utils import photo_id_of, quoted

# What counts as a photo inside a folder. HEIC and JPEG XL cannot be decoded as yet: a row that says so beats silence.
KINDS = frozenset({
    *(".apng", ".avif", ".avifs", ".bmp", ".dib", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg"),
    *(".jpg", ".jpx", ".jxl", ".mpo", ".pbm", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
})  # fmt: skip
LISTS = frozenset({".txt", ".lst", ".list"})
# Thumbnails and waste that NAS boxes, macOS and Windows leave beside photos.
JUNK = frozenset({"@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN", "System Volume Information"})

Warn = Callable[[str], None]
Identity = tuple[int, int]


class _Found(NamedTuple):
    """A file, and the key of its id.

    The key is the path below the folder or the glob's fixed part, the line of a list, or the name of a single file. A
    photo whose key is taken by another has the absolute path for a key.
    """

    path: str
    key: str


class FileSource(Source):
    """Photos in files of this machine: paths, and `file:` URIs for names that are not valid Unicode."""

    def list(self, place: str) -> Iterator[PhotoRef]:
        """As `list_files`."""
        yield from list_files([place])

    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """The file's content. Raises BadPhoto with the system's reason."""
        path = path_of(uri)
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
                raise BadPhoto(
                    "unreadable: it is a folder" if stat.S_ISDIR(status.st_mode) else "unreadable: not a file"
                )
            if status.st_size > max_bytes:
                raise BadPhoto(f"too large: {status.st_size / 1e6:.0f} MB (the limit is {max_bytes / 1e6:g} MB)")
            return path.read_bytes()
        except (OSError, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise BadPhoto(f"unreadable: {what.lower()}") from error


def list_files(
    source: Sequence[str | Path],
    *,
    exclude: Sequence[Path] = (),
    warn: Warn = lambda _: None,
    may_be_empty: bool = False,
) -> list[PhotoRef]:
    """The photos of all sources, each once, in the order of their paths.

    A source is a folder (searched to any depth for known kinds of image; hidden names are left out), a file, a text
    list (.txt, .lst, .list: a path per line, seen from the list's folder; # begins a comment), or a glob pattern, where
    ** stands for folders to any depth. What is named directly, by a list (even if missing) or by a glob that gives an
    extension is taken whatever it is, so that its row can say what is wrong with it. Links to folders are followed
    once; of several names of one file, the one that is no link counts.

    exclude: folders that are not searched. warn: is told of folders that cannot be read and of sources without photos.
    Raises SourceError where a source does not exist or cannot be read, NothingToDo where there is no photo at all and
    that is not allowed.
    """
    sources = list(source)
    if not sources or "" in sources:
        raise SourceError("no photos were named: give a folder, a glob pattern, a text list or files")
    excluded = {identity for identity in map(_identity, exclude) if identity}
    found: list[_Found] = []
    empty: list[str] = []
    for one in sources:
        before = len(found)
        found.extend(_find(os.fspath(one), excluded, warn))
        if len(found) == before:
            empty.append(str(one))
    for name in empty if found or may_be_empty else ():
        warn(f"no photos in {quoted(name)}")
    if not found and not may_be_empty:
        raise no_photos(sources)
    return _with_ids(_once(found))


def no_photos(sources: Sequence[str | Path]) -> NothingToDo:
    """The error that there is no photo in any of the sources."""
    return NothingToDo(
        f"no photos in {', '.join(quoted(str(one)) for one in sources)}. Folders are searched for names that end in "
        ".jpg, .png, .webp, .tiff and the like; files that are named directly or in a .txt list are taken whatever "
        "their name"
    )


def uri_of(path: Path) -> str:
    """The absolute path; for a name that is not valid Unicode, a file: URI of its bytes. The inverse of `path_of`."""
    return _uri(str(path.absolute()))


def path_of(uri: str) -> Path:
    """The path that `uri_of` wrote down.

    >>> path_of("file:///tmp/caf%C3%A9.jpg").name, path_of("/tmp/100%.jpg").name
    ('café.jpg', '100%.jpg')
    """
    if not uri.startswith("file:"):
        return Path(uri)
    path = uri.removeprefix("file:").removeprefix("//localhost").removeprefix("//")
    return Path(os.fsdecode(unquote_to_bytes(path)))


def _uri(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(path))
    return path


def _find(name: str, excluded: set[Identity], warn: Warn) -> Iterator[_Found]:
    path = _absolute(name)
    try:
        mode = os.stat(path).st_mode
    except PermissionError as error:
        raise SourceError(
            f"{quoted(name)} cannot be read: permission denied. Check the permissions of its folder"
        ) from error
    except (OSError, ValueError):
        mode = stat.S_IFREG if os.path.islink(path) else 0  # a broken link is there, and its row says what it lacks
    if stat.S_ISDIR(mode):
        yield from _in_folder(name, path, excluded, warn)
    elif mode and os.path.splitext(path)[1].lower() in LISTS:
        yield from _in_list(name, path)
    elif mode:
        yield _Found(path, os.path.basename(os.path.normpath(name)))
    elif any(map(_is_pattern, Path(name).parts)):
        yield from _in_glob(name, excluded, warn)
    else:
        raise SourceError(f"no file or folder is called {quoted(name)}" + _suggestion(path))


def _in_folder(name: str, root: str, excluded: set[Identity], warn: Warn) -> Iterator[_Found]:
    if _identity(root) in excluded:
        raise SourceError(f"{quoted(name)} is the folder to write to: choose another for the output, or other photos")
    try:
        os.scandir(root).close()
    except OSError as error:
        raise SourceError(
            f"the folder {quoted(name)} cannot be read: {error.strerror}. Check its permissions"
        ) from error
    below = len(os.path.join(root, ""))
    for _, files in _walk(root, excluded, warn):
        for file in files:
            if os.path.splitext(file.name)[1].lower() in KINDS:
                yield _Found(file.path, _posix(file.path[below:]))


def _in_list(name: str, path: str) -> Iterator[_Found]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"the list {quoted(name)} cannot be read: {error.strerror}") from error
    if b"\0" in content:
        raise SourceError(f"{quoted(name)} is no text list: it holds zero bytes. Save it as UTF-8, one path per line")
    for line in content.removeprefix(b"\xef\xbb\xbf").splitlines():
        entry = os.fsdecode(line.strip())
        if entry and not entry.startswith("#"):
            named = os.path.normpath(path_of(entry))
            yield _Found(_absolute(os.path.join(os.path.dirname(path), named)), _posix(named))


def _in_glob(pattern: str, excluded: set[Identity], warn: Warn) -> Iterator[_Found]:
    *folders, last = Path(pattern).parts
    root = ""
    while folders and (not _is_pattern(folders[0]) or os.path.lexists(os.path.join(root, folders[0]))):
        root = os.path.join(root, folders.pop(0))
    root = _absolute(root or ".")
    if not os.path.isdir(root):
        raise SourceError(f"{quoted(pattern)} matches nothing: there is no folder {quoted(root)}")
    below = len(os.path.join(root, ""))
    if last == "**":
        folders, last = [*folders, "**"], "*"
    for file in _matches(root, [*folders, last], excluded, warn):
        if "." in last or os.path.splitext(file.name)[1].lower() in KINDS:
            yield _Found(file.path, _posix(file.path[below:]))


def _matches(folder: str, parts: Sequence[str], excluded: set[Identity], warn: Warn) -> Iterator[os.DirEntry[str]]:
    """The files below `folder` whose path matches the parts of a pattern; one may come several times."""
    part, *rest = parts
    if part == "**":
        for below, _ in _walk(folder, excluded, warn):
            yield from _matches(below, rest, excluded, warn)
        return
    if _identity(folder) in excluded:
        return
    for entry in _entries(folder, warn):
        hidden = entry.name.startswith(".") and not part.startswith(".")
        if entry.name != part and (hidden or not fnmatchcase(entry.name, part)):
            continue
        is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
        if rest and is_folder and (entry.name == part or entry.name not in JUNK):
            yield from _matches(entry.path, rest, excluded, warn)
        elif not rest and not is_folder:
            yield entry


def _walk(root: str, excluded: set[Identity], warn: Warn) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Each folder from `root` down with its files; links last, so that a folder below is entered under its own name."""
    seen = set(excluded)
    folders, links = [root], list[str]()
    while folders or links:
        if not folders:
            links.sort(reverse=True)
            folders.append(links.pop())
        folder = folders.pop()
        identity = _identity(folder)
        if identity in seen:
            continue
        if identity is not None:  # else `_entries` says why it cannot be read
            seen.add(identity)
        files: list[os.DirEntry[str]] = []
        for entry in _entries(folder, warn):
            if entry.name.startswith(".") or entry.name in JUNK:
                continue
            if entry.is_symlink():
                if os.path.isdir(entry.path):
                    links.append(entry.path)
                else:
                    files.append(entry)
            elif entry.is_dir():
                folders.append(entry.path)
            elif entry.is_file():
                files.append(entry)
        yield folder, files


def _entries(folder: str, warn: Warn) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        warn(f"the folder {quoted(folder)} is left out: {error.strerror}. The other photos are used")
        return []


def _once(found: Iterable[_Found]) -> list[_Found]:
    """Each file once: under the name that is no link, else under the first of its names."""
    real_folders: dict[str, str] = {}
    best: dict[str, tuple[bool, bool, bytes, bytes, _Found]] = {}
    for one in found:
        folder, name = os.path.split(one.path)
        if folder not in real_folders:
            real_folders[folder] = os.path.realpath(folder)
        link = os.path.islink(one.path)
        real = os.path.realpath(one.path) if link else os.path.join(real_folders[folder], name)
        rank = (link, real != one.path, os.fsencode(one.path), os.fsencode(one.key), one)
        best[real] = min(best.get(real, rank), rank)
    return [rank[-1] for rank in sorted(best.values(), key=lambda rank: rank[2])]


def _with_ids(found: Iterable[_Found]) -> list[PhotoRef]:
    taken: set[str] = set()
    listed: list[PhotoRef] = []
    for one in found:
        photo_id = photo_id_of(one.key)
        unique = _posix(one.path)
        while photo_id in taken:
            photo_id = photo_id_of(unique)
            unique += "/"
        taken.add(photo_id)
        listed.append(PhotoRef(photo_id, _uri(one.path)))
    return listed


def _absolute(name: str) -> str:
    # ".." after a link leads elsewhere than its text says.
    return os.path.realpath(name) if ".." in Path(name).parts else os.path.abspath(name)


def _identity(folder: str | Path) -> Identity | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_pattern(part: str) -> bool:
    return any(sign in part for sign in "*?[")


def _posix(path: str) -> str:
    return path.replace(os.sep, "/") if os.sep != "/" else path


def _suggestion(path: str) -> str:
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        return f", nor is there a folder {quoted(folder)}"
    near = difflib.get_close_matches(name, os.listdir(folder), n=1) if os.access(folder, os.R_OK) else []
    return f". Did you mean {quoted(near[0])}?" if near else f" in {quoted(folder)}"
