"""LAION-Face (https://github.com/FacePerceiver/LAION-Face): img2dataset's tars, or the parquet lists of URLs.

The paper drops faces under 250 pixels, so a run over this source does, unless its recipe says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from text2face_core import hookimpl
from text2face_core.contracts import MAX_PHOTO_BYTES, Component, Runtime, Source
from text2face_core.records import Known, PhotoRef

from .parquet import ParquetOptions, ParquetSource
from .places import split_uri
from .webdataset import WebDataset, WebDatasetOptions


class _Tars(WebDataset):
    scheme = "laion_face"


class _Lists(ParquetSource):
    scheme = "laion_face"


class LaionFace(Source):
    """LAION-Face's photos, from tars or from lists."""

    def __init__(self, options: ParquetOptions) -> None:
        self._tars = _Tars(WebDatasetOptions(text="alt_text"))
        self._lists = _Lists(options)

    def list(self, place: str) -> Iterator[PhotoRef]:
        """List the photos of tars or of parquet lists."""
        return self._of_place(place).list(place)

    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """Read a photo out of its tar, or fetch it."""
        return self._of_uri(uri).open(uri, max_bytes)

    def known(self, uri: str) -> Known:
        """The alternative text."""
        return self._of_uri(uri).known(uri)

    def stamp(self, place: str) -> str:
        """Names, sizes and times of the files."""
        return self._of_place(place).stamp(place)

    def _of_place(self, place: str) -> Source:
        where = Path(place.removeprefix("laion_face:"))
        if where.suffix == ".parquet" or (where.is_dir() and next(where.rglob("*.tar"), None) is None):
            return self._lists
        return self._tars

    def _of_uri(self, uri: str) -> Source:
        return self._lists if split_uri(uri)[0].suffix == ".parquet" else self._tars


def build(options: ParquetOptions, runtime: Runtime) -> LaionFace:  # noqa: ARG001  the form of `Component.build`
    """Build the source."""
    return LaionFace(options)


@hookimpl
def t2f_sources() -> Iterable[Component[ParquetOptions, Source]]:
    """Declare the source."""
    yield Component(
        "laion_face",
        build,
        ParquetOptions,
        provides=("laion_face",),
        summary="LAION-Face: img2dataset's tars or parquet lists; faces under 250 px are dropped",
        faces={"min_size": 250.0},
    )
