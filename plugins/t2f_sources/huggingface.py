"""Data sets of Hugging Face's library `datasets`: saved on disk, or by their id on the hub, opened without decoding."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pydantic import Field

from text2face_core import hookimpl
from text2face_core.contracts import MAX_PHOTO_BYTES, Component, Runtime, Source
from text2face_core.errors import BadPhoto, SourceError
from text2face_core.records import Known, PhotoRef
from text2face_core.utils import photo_id_of, quoted, read_regular

from .columns import ColumnOptions, Columns
from .places import stamp_files

SCHEME = "datasets"


class HuggingFaceOptions(ColumnOptions):
    """Which split and columns are used."""

    split: str = Field("train", description="split of a data set that has several")


class HuggingFaceSource(Source):
    """Photos in the rows of a data set."""

    def __init__(self, options: HuggingFaceOptions) -> None:
        self.options = options
        self._opened: dict[str, tuple[Any, Columns]] = {}
        self._lock = threading.Lock()

    def list(self, place: str) -> Iterator[PhotoRef]:
        """List the rows."""
        name = place.removeprefix(f"{SCHEME}:")
        if Path(name).exists():
            name = str(Path(name).absolute())
        rows, _ = self._data(name)
        key = Path(name).name if Path(name).exists() else name
        for row in range(len(rows)):
            yield PhotoRef(photo_id_of(f"{key}/{row}"), f"{SCHEME}:{quote(name, safe='/:. ')}#{row}")

    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """Read a photo out of its row, or the file that the row names."""
        columns, row = self._row(uri)
        content, name = columns.image(row)
        if content is None:
            if not name:
                raise BadPhoto("unreadable: the row has no photo")
            return read_regular(name, max_bytes)
        if len(content) > max_bytes:
            raise BadPhoto(f"too large: {len(content) / 1e6:.0f} MB (the limit is {max_bytes / 1e6:g} MB)")
        return content

    def known(self, uri: str) -> Known:
        """Alternative text, captions and labels of the row."""
        columns, row = self._row(uri)
        return columns.known(row)

    def stamp(self, place: str) -> str:
        """Names, sizes and times of the files of a data set on disk; unknown for others."""
        folder = Path(place.removeprefix(f"{SCHEME}:"))
        return stamp_files(sorted(folder.rglob("*.arrow"))) if folder.is_dir() else ""

    def _row(self, uri: str) -> tuple[Columns, dict[str, Any]]:
        name, _, row = uri.removeprefix(f"{SCHEME}:").rpartition("#")
        try:
            rows, columns = self._data(unquote(name))
            with self._lock:  # memory-mapped tables are read by one thread at a time
                found: dict[str, Any] = rows[int(row)]
        except (SourceError, LookupError, ValueError, OSError) as error:
            raise BadPhoto(f"unreadable: {error}") from error
        return columns, found

    def _data(self, name: str) -> tuple[Any, Columns]:
        """The data set without decoding, and its columns."""
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._load(name)
            return self._opened[name]

    def _load(self, name: str) -> tuple[Any, Columns]:
        import datasets

        try:
            if Path(name).exists():
                found = datasets.load_from_disk(name)
            else:
                found = datasets.load_dataset(name, split=self.options.split)
        except Exception as error:  # the library raises errors of many kinds
            what = " ".join(str(error).split())[:300]
            raise SourceError(f"the data set {quoted(name)} cannot be opened: {what}") from error
        if isinstance(found, dict):
            split = self.options.split
            if split not in found:
                raise SourceError(f"{quoted(name)} has no split {split}; it has {', '.join(sorted(found))}")
            found = found[split]
        columns = Columns.choose(self.options, found.column_names, name)
        if isinstance(found.features[columns.source], datasets.Image):
            found = found.cast_column(columns.source, datasets.Image(decode=False))
        return found.select_columns(columns.needed), columns


def build(options: HuggingFaceOptions, runtime: Runtime) -> HuggingFaceSource:  # noqa: ARG001  the form of `build`
    """Build the source; `datasets` is imported here, so that a missing package is named at once."""
    import datasets  # noqa: F401

    return HuggingFaceSource(options)


@hookimpl
def t2f_sources() -> Iterable[Component[HuggingFaceOptions, Source]]:
    """Declare the source."""
    yield Component(
        "datasets",
        build,
        HuggingFaceOptions,
        extra="datasets",
        provides=(SCHEME,),
        summary="data sets of Hugging Face's library, on disk or by id",
    )
