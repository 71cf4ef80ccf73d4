"""Published data sets that are folders of photos in a known layout, with what their authors wrote about each."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

from text2face_core.contracts import MAX_PHOTO_BYTES, Source
from text2face_core.errors import SourceError
from text2face_core.records import PhotoRef
from text2face_core.utils import photo_id_of, quoted, read_regular

from .places import join_uri, split_uri

IMAGES = (".jpg", ".jpeg", ".png", ".webp")


class FolderSource(Source):
    """Photos of one data set in one folder; a subclass says which files they are.

    Attributes:
        scheme: The source's name.
        layout: What its folder holds, for messages.
    """

    scheme: str
    layout: str

    @abstractmethod
    def photos(self, root: Path) -> Iterator[str]:
        """List the photos of a data set as paths below its folder, in a fixed order."""

    def list(self, place: str) -> Iterator[PhotoRef]:
        """List the photos of a data set in its own layout."""
        root = Path(os.path.abspath(place.removeprefix(f"{self.scheme}:")))  # noqa: PTH100  links are kept
        if not root.is_dir():
            raise SourceError(f"there is no folder {quoted(root)}")
        found = False
        for name in self.photos(root):
            found = True
            yield PhotoRef(photo_id_of(f"{self.scheme}/{name}"), join_uri(self.scheme, root, name))
        if not found:
            raise SourceError(f"{quoted(root)} is not laid out as {self.scheme}: wanted {self.layout}")

    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """Read a photo's file."""
        root, name, _ = split_uri(uri)
        return read_regular(root / name, max_bytes)


def images_below(root: Path, *parts: str) -> Iterator[str]:
    """List the images in a folder below `root`, to any depth, as paths below `root`, in the order of their names."""
    folder = root.joinpath(*parts)
    if not folder.is_dir():
        return
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        waiting += [Path(entry.path) for entry in reversed(listed) if entry.is_dir(follow_symlinks=False)]
        for entry in listed:
            if entry.name.lower().endswith(IMAGES) and not entry.name.startswith(".") and entry.is_file():
                yield Path(entry.path).relative_to(root).as_posix()
