"""A source plugin for tests: photos in the members of a tar file, addressed as tar:FILE!MEMBER."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from text2face_core import BadPhoto, Component, Options, PhotoRef, Runtime, Source, SourceError, hookimpl
from text2face_core.contracts import MAX_PHOTO_BYTES
from text2face_core.utils import photo_id_of


def pack(folder: Path, tar: Path) -> str:
    """Put the files of a folder into a tar; returns its address."""
    with tarfile.open(tar, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    return f"tar:{tar}"


class TarSource(Source):
    def list(self, place: str) -> Iterator[PhotoRef]:
        path = place.removeprefix("tar:")
        try:
            with tarfile.open(path) as archive:
                names = archive.getnames()
        except OSError as error:
            raise SourceError(f"{path} cannot be read as a tar file: {error}") from error
        for name in names:
            yield PhotoRef(photo_id_of(name), f"tar:{path}!{name}")

    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        path, _, name = uri.removeprefix("tar:").partition("!")
        try:
            with tarfile.open(path) as archive:
                member = archive.extractfile(name)
                return member.read() if member else b""
        except (OSError, KeyError) as error:
            raise BadPhoto(f"unreadable: {error}") from error


def build(options: Options, runtime: Runtime) -> TarSource:
    return TarSource()


@hookimpl
def t2f_sources() -> Iterable[Component]:
    yield Component("tar", build, provides=("tar",), summary="members of tar files")
