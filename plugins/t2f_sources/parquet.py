"""Parquet tables with a column of images (bytes, or {bytes, path} as Hugging Face writes them), of paths or of URLs.

Listing reads only footers. A photo is read with a few rows next to it, so that no row group is in memory as a whole.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from text2face_core import hookimpl
from text2face_core.contracts import MAX_PHOTO_BYTES, Component, Runtime, Source
from text2face_core.errors import BadPhoto, SourceError
from text2face_core.records import Known, PhotoRef
from text2face_core.utils import photo_id_of, quoted, read_regular

from .columns import ColumnOptions, Columns
from .fetching import FetchOptions, fetch, is_url
from .places import find_files, join_uri, split_uri, stamp_files

log = logging.getLogger(__name__)

MOST_CHUNK = 4_000_000_000
"""Bytes of a column in a row group; writers cut far earlier, as a reader may need as much memory."""
MOST_COLUMNS = 10_000
BATCH = 8
"""Rows that are read together."""
LIMITS = {"thrift_string_size_limit": 50_000_000, "thrift_container_size_limit": 1_000_000}


class ParquetOptions(ColumnOptions):
    """Which columns hold what."""

    fetch: FetchOptions = Field(FetchOptions(), description="limits on photos at URLs")


class RefusedTable(Exception):
    """The file is not a table that can be used; the text says why."""


class ParquetSource(Source):
    """Photos in the rows of tables."""

    scheme = "parquet"

    def __init__(self, options: ParquetOptions) -> None:
        self.options = options
        self._reader: _Reader | None = None
        self._lock = threading.Lock()  # one reader for all threads, as photos are opened nearly in order

    def list(self, place: str) -> Iterator[PhotoRef]:
        """List the rows of one or several tables."""
        tables = find_files(place.removeprefix(f"{self.scheme}:"), (".parquet",))
        for table in tables:
            try:
                count = self._count(table)
            except (RefusedTable, OSError) as error:
                if len(tables) == 1:
                    raise SourceError(f"{quoted(table)} is not used: {error}") from error
                log.warning("%s is left out: %s", quoted(table), error)
                continue
            for row in range(count):
                yield PhotoRef(photo_id_of(f"{table.name}/{row}"), join_uri(self.scheme, table, str(row)))

    def _count(self, path: Path) -> int:
        """Number of rows of a table with an image column, whose sizes are plausible."""
        with _opened(path) as file:
            self._columns(path, file)
            about = file.metadata
            for group in range(about.num_row_groups):
                for column in range(about.row_group(group).num_columns):
                    size = about.row_group(group).column(column).total_uncompressed_size
                    if not 0 <= size <= MOST_CHUNK:
                        raise RefusedTable(f"row group {group} claims {size} bytes (the limit is {MOST_CHUNK})")
            counts = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
            if min(counts, default=0) < 0 or sum(counts) != about.num_rows:
                raise RefusedTable("damaged: its row groups do not have as many rows as it claims")
            return sum(counts)

    def _columns(self, path: Path, file: Any) -> Columns:
        names = file.schema_arrow.names
        if len(names) > MOST_COLUMNS:
            raise RefusedTable(f"it has {len(names)} columns (the limit is {MOST_COLUMNS})")
        if len(set(names)) < len(names):
            raise RefusedTable("it has a column twice")
        return Columns.choose(self.options, names, path.name)

    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """Read a photo out of its row, or the file or URL that the row names."""
        path, columns, row = self._row(uri)
        content, name = columns.image(row)
        if content is None and is_url(name):
            return fetch(name, max_bytes, self.options.fetch)
        if content is None:
            if not name:
                raise BadPhoto("unreadable: the row has no photo")
            return read_regular(os.path.join(path.parent, name), max_bytes)  # noqa: PTH118  an absolute name stays
        if len(content) > max_bytes:
            raise BadPhoto(f"too large: {len(content) / 1e6:.0f} MB (the limit is {max_bytes / 1e6:g} MB)")
        return content

    def known(self, uri: str) -> Known:
        """Alternative text, captions and labels of the row."""
        _, columns, row = self._row(uri)
        return columns.known(row)

    def stamp(self, place: str) -> str:
        """Names, sizes and times of the tables; empty if they only name files, which may change."""
        tables = find_files(place.removeprefix(f"{self.scheme}:"), (".parquet",))
        return stamp_files(tables)

    def _row(self, uri: str) -> tuple[Path, Columns, Mapping[str, Any]]:
        path, member, _ = split_uri(uri)
        with self._lock:
            try:
                if self._reader is None or self._reader.path != path or not self._reader.is_current():
                    self._reader = _Reader(path, self._columns)
                return path, self._reader.columns, self._reader.row(int(member))
            except (RefusedTable, SourceError, OSError, ValueError, LookupError) as error:
                self._reader = None
                raise BadPhoto(f"unreadable: {error}") from error


class _Reader:
    """Rows of a table, read forwards in small batches; the rows of the last two batches are kept."""

    def __init__(self, path: Path, choose: Any) -> None:
        self.path = path
        self._state = self._stat()
        with _opened(path) as file:
            self.columns: Columns = choose(path, file)
            about = file.metadata
            self._counts = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
        self._batches: Iterator[Any] = iter(())
        self._group, self._next = -1, 0  # whose batches they are, and the first row of the next one
        self._rows: dict[int, Mapping[str, Any]] = {}

    def _stat(self) -> tuple[int, int, int]:
        status = self.path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def is_current(self) -> bool:
        """Whether the file is still the one that was opened."""
        return self._state == self._stat()

    def row(self, number: int) -> Mapping[str, Any]:
        """A row by its number. Raises LookupError if there is none, RefusedTable if it cannot be read."""
        if number in self._rows:
            return self._rows[number]
        group, first = self._group_of(number)
        if group != self._group or not first <= self._next <= number:
            self._batches, self._next, self._group = self._read(group), first, group
        while self._next <= number:
            batch = next(self._batches, None)
            if batch is None:
                raise RefusedTable("damaged: it has fewer rows than it claims")
            rows = dict(enumerate(batch, self._next))
            recent = range(self._next - BATCH, self._next)
            self._rows = {place: row for place, row in self._rows.items() if place in recent} | rows
            self._next += len(batch)
        return self._rows[number]

    def _group_of(self, number: int) -> tuple[int, int]:
        first = 0
        for group, count in enumerate(self._counts):
            if first <= number < first + count:
                return group, first
            first += count
        raise LookupError(f"there is no row {number}")

    def _read(self, group: int) -> Iterator[Sequence[Mapping[str, Any]]]:
        with _opened(self.path) as file, _refusing():
            for batch in file.iter_batches(BATCH, row_groups=[group], columns=self.columns.needed, use_threads=False):
                yield batch.to_pylist()


def _opened(path: Path) -> Any:
    import pyarrow.parquet as pq

    with _refusing():
        return pq.ParquetFile(path, **LIMITS)


class _refusing:  # noqa: N801  used like a function
    """Turns what pyarrow raises for a damaged file into RefusedTable."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        import pyarrow as pa

        if isinstance(error, OSError) and error.errno:  # of the system
            raise RefusedTable(error.strerror or str(error)) from error
        if isinstance(error, pa.ArrowException | OSError | ValueError | OverflowError | MemoryError):
            raise RefusedTable(f"damaged: {' '.join(str(error).split())[:200]}") from error


def build(options: ParquetOptions, runtime: Runtime) -> ParquetSource:  # noqa: ARG001  the form of `Component.build`
    """Build the source."""
    return ParquetSource(options)


@hookimpl
def t2f_sources() -> Iterable[Component[ParquetOptions, Source]]:
    """Declare the source."""
    yield Component(
        "parquet",
        build,
        ParquetOptions,
        provides=("parquet", ".parquet"),
        summary="tables with a column of images, of paths or of URLs",
    )
