"""Photos in files: folders, glob patterns, text lists and single names."""

# Paths are plain strings here: a hundred thousand Path objects take longer than reading the folders.
# ruff: noqa: PTH100, PTH112, PTH113, PTH114, PTH116, PTH118, PTH119, PTH122, PTH208

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from ..contracts import MAX_PHOTO_BYTES, Source
from ..errors import NothingToDo, SourceError
from ..records import PhotoRef
from ..utils import photo_id_of, quoted, read_regular
from .lists import read_list
from .names import path_of, uri_of_text

# What counts as a photo inside a folder. JPEG XL and RAW, and HEIC without its extra, cannot be decoded: a row says so.
IMAGES = frozenset({
    *(".apng", ".avif", ".avifs", ".bmp", ".dib", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg"),
    *(".jpg", ".jpx", ".jxl", ".mpo", ".pbm", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
    *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"),
})  # fmt: skip
LISTS = frozenset({".txt", ".lst", ".list"})
CAPTIONS = frozenset({".txt", ".caption", ".json", ".npz"})
"""What trainers keep next to an image, under its stem."""
# Thumbnails and waste that NAS boxes, macOS and Windows leave next to photos.
# Own output: the file that marks a folder, what it holds, and what the folder is.
_OUTPUTS = (("run.toml", b"text2face", "a run directory"), ("README.md", b"<!-- t2f export", "an export"))
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
        """List files with `list_files`."""
        yield from list_files([place])

    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """Read a regular file. Raises BadPhoto with the system's reason."""
        return read_regular(path_of(uri), max_bytes)


def list_files(
    source: Sequence[str | Path],
    *,
    exclude: Sequence[Path] = (),
    warn: Warn = lambda _: None,
    may_be_empty: bool = False,
) -> list[PhotoRef]:
    """List the photos of all sources, each once, in the order of their paths.

    A source is a folder (searched to any depth for known kinds of image; hidden names, runs and exports of text2face
    are left out), a file, a text list (.txt, .lst, .list: see `read_list`) unless it is the caption of an image next to
    it, or a glob pattern, in which ** stands for folders to any depth. A file that is named directly, by a list (even
    if missing) or by a glob with an extension is listed whatever it is, so that its row can state what is wrong.
    Links to folders are followed once; if a file has several names, a name that is not a link counts.

    Args:
        source: Folders, files, text lists and glob patterns.
        exclude: Folders that are not searched.
        warn: Receives a line for each folder that cannot be read and each source without photos.
        may_be_empty: Whether an empty list is allowed.

    Raises:
        SourceError: A source does not exist or cannot be read.
        NothingToDo: There are no photos at all, and that is not allowed.
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
        if len(found) == before and not _is_caption(_absolute(os.fspath(one))):
            empty.append(str(one))
    for name in empty if found or may_be_empty else ():
        warn(f"no photos in {quoted(name)}")
    if not found and not may_be_empty:
        raise no_photos(sources)
    return _with_ids(_once(found))


def no_photos(sources: Sequence[str | Path]) -> NothingToDo:
    """Return the error for sources without photos."""
    return NothingToDo(
        f"no photos in {', '.join(quoted(str(one)) for one in sources)}. Folders are searched for names that end in "
        ".jpg, .png, .webp, .tiff and the like; files that are named directly or in a .txt list are taken whatever "
        "their name"
    )


def _find(name: str, excluded: set[Identity], warn: Warn) -> Iterator[_Found]:
    path = _absolute(name)
    try:
        mode = os.stat(path).st_mode
    except PermissionError as error:
        raise SourceError(
            f"{quoted(name)} cannot be read: permission denied. Check the permissions of its folder"
        ) from error
    except (OSError, ValueError):
        mode = stat.S_IFREG if os.path.islink(path) else 0  # a broken link exists, and its row states what it lacks
    if stat.S_ISDIR(mode):
        yield from _in_folder(name, path, excluded, warn)
    elif mode and _is_caption(path):
        warn(f"{quoted(name)} is left out: it is the caption of {quoted(image_of(path))}")
    elif mode and os.path.splitext(path)[1].lower() in LISTS:
        for entry in read_list(path, warn):
            yield _Found(_absolute(entry.path), _posix(entry.name))
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
            if os.path.splitext(file.name)[1].lower() in IMAGES:
                yield _Found(file.path, _posix(file.path[below:]))


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
        ending = os.path.splitext(file.name)[1].lower()
        if ending in CAPTIONS and not last.lower().endswith(ending) and image_of(file.path):
            continue
        if "." in last or ending in IMAGES:
            yield _Found(file.path, _posix(file.path[below:]))


def _matches(folder: str, parts: Sequence[str], excluded: set[Identity], warn: Warn) -> Iterator[os.DirEntry[str]]:
    """Yield the files below `folder` whose path matches the parts of a pattern; a file may appear several times."""
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
    """Yield each folder from `root` down with its files; links come last, so that folders keep their own names."""
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
        if identity is not None:  # else `_entries` reports why it cannot be read
            seen.add(identity)
        files: list[os.DirEntry[str]] = []
        entries = _entries(folder, warn)
        if what := output_of(folder, {entry.name for entry in entries}):
            warn(f"the folder {quoted(folder)} is left out: it is {what}. To use its images all the same, name them")
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name in JUNK:
                continue
            if entry.is_symlink():
                if os.path.isdir(entry.path):
                    links.append(entry.path)
                else:
                    files.append(entry)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
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
    """List each file once, under a name that is not a link, else under its first name."""
    real_folders: dict[str, str] = {}
    best: dict[str, tuple[bool, bool, bytes, bytes, _Found]] = {}
    for one in found:
        folder, name = os.path.split(one.path)
        if folder not in real_folders:
            real_folders[folder] = _real(folder)
        link = os.path.islink(one.path)
        real = _real(one.path) if link else os.path.join(real_folders[folder], name)
        rank = (link, real != one.path, os.fsencode(one.path), os.fsencode(one.key), one)
        best[real] = min(best.get(real, rank), rank)
    return [rank[-1] for rank in sorted(best.values(), key=lambda rank: rank[2])]


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except OSError:  # a link through a folder that may not be read
        return os.path.abspath(path)


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
        listed.append(PhotoRef(photo_id, uri_of_text(one.path)))
    return listed


def _absolute(name: str) -> str:
    # ".." after a link leads elsewhere than its text says.
    return _real(name) if ".." in Path(name).parts else os.path.abspath(name)


def _identity(folder: str | Path) -> Identity | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def image_of(caption: str) -> str | None:
    """Find the image next to a caption file, with the same stem: a.jpg for a.txt."""
    folder, name = os.path.split(caption)
    stem = os.path.splitext(name)[0]
    for ending in sorted(IMAGES):
        for written in (ending, ending.upper()):
            if os.path.isfile(os.path.join(folder, stem + written)):
                return stem + written
    return None


def _is_caption(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in CAPTIONS and image_of(path) is not None


def output_of(folder: str, names: Collection[str]) -> str:
    """Return which output of text2face a folder with these entries holds, a run or an export; empty if neither."""
    for name, mark, what in _OUTPUTS:
        if name in names:
            try:
                with Path(folder, name).open("rb") as file:
                    if mark in file.read(1 << 20):
                        return what
            except OSError:
                continue
    return ""


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
