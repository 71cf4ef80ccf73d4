"""The list of a run's photos: a table, or a folder of tables where there are many, read and written part by part.

photos/index.json names the tables, and holds for each chunk how many photos it has and a digest of their ids, so that
what is done can be told without reading the photos. Tables have names that follow from their content: a new list is
complete, or it is still the old one, whenever the process is killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any

from ..records import PhotoRef
from ..utils import parse_json, write_text
from . import tables

PER_TABLE = 50_000
"""Photos of a table; a run of fewer has a single one."""
_INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of the list.

    Attributes:
        number: Its number.
        count: How many photos it has.
        ids: A digest of their ids, see `digest_of_ids`.
        gone: How many of them are gone.
    """

    number: int
    count: int
    ids: str
    gone: int = 0


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    chunks: tuple[Chunk, ...]


_Known = tuple[tuple[Path, int, int, int], tuple[_Table, ...], str]


def digest_of_ids(photo_ids: Iterable[str]) -> str:
    """16 hexadecimal digits of a set of photo ids.

    >>> digest_of_ids(["b", "a"]) == digest_of_ids(["a", "b"])
    True
    """
    return hashlib.blake2b(" ".join(sorted(set(photo_ids))).encode(), digest_size=8).hexdigest()


class PhotoList:
    """The photos of a run, in order of chunks.

    Args:
        run: The run directory.
    """

    def __init__(self, run: Path) -> None:
        self.file = run / "photos.parquet"
        self.folder = run / "photos"
        self._known: _Known | None = None
        self._last: tuple[Path, tuple[int, int, int], dict[int, list[PhotoRef]]] | None = None

    @property
    def place(self) -> Path:
        """The index of the folder, or the only table."""
        index = self.folder / _INDEX
        return index if index.is_file() else self.file

    @property
    def exists(self) -> bool:
        """Whether there is a list."""
        return self.place.is_file()

    def __iter__(self) -> Iterator[PhotoRef]:
        if not self.exists:
            return
        for path, _ in self._tables():
            yield from tables.read_photos(path)

    def __len__(self) -> int:
        return sum(chunk.count for chunk in self.chunks())

    def chunks(self) -> list[Chunk]:
        """What is known of each chunk without reading the photos."""
        return [chunk for _, chunks in self._tables() for chunk in chunks] if self.exists else []

    def by_chunk(self, wanted: Collection[int] | None = None) -> Iterator[tuple[int, list[PhotoRef]]]:
        """The photos of each chunk, or of those that are wanted; only tables with such chunks are read."""
        if not self.exists:
            return
        for path, chunks in self._tables():
            if wanted is None or any(chunk.number in wanted for chunk in chunks):
                for number, photos in self._read(path).items():
                    if wanted is None or number in wanted:
                        yield number, photos

    def of(self, number: int) -> list[PhotoRef]:
        """The photos of a chunk; reading chunks in order reads each table once."""
        for path, chunks in self._tables() if self.exists else ():
            if any(chunk.number == number for chunk in chunks):
                return self._read(path)[number]
        return []

    @property
    def stamp(self) -> str:
        """What `write` was given: the state of the sources that were listed."""
        if self.place == self.file:
            return tables.read_metadata(self.file).get("text2face.listing", "")
        self._tables()
        return self._known[2] if self._known else ""

    def write(self, photos: Iterable[PhotoRef], stamp: str = "") -> None:
        """Replace the list; the photos are in order of chunks, and may come from the list as it is."""
        rest = iter(photos)
        head = list(islice(rest, PER_TABLE + 1))
        if len(head) <= PER_TABLE and self.place == self.file:
            tables.write_photos(self.file, head, {"listing": stamp} if stamp else {})
            self._known = None
            return
        written = [self._write_table(number, part) for number, part in enumerate(_parts(chain(head, rest)))]
        index = {
            "stamp": stamp,
            "tables": [
                {"name": one.name, "chunks": [[c.number, c.count, c.ids, c.gone] for c in one.chunks]}
                for one in written
            ],
        }
        write_text(self.folder / _INDEX, json.dumps({**index, "checksum": _checksum(index)}) + "\n")
        self._known = self._last = None
        kept = {one.name for one in written}
        with contextlib.suppress(OSError):
            self.file.unlink(missing_ok=True)
            for path in self.folder.glob("*.parquet"):
                if path.name not in kept:
                    path.unlink()

    def _write_table(self, number: int, photos: Sequence[PhotoRef]) -> _Table:
        content = hashlib.blake2b(digest_size=8)
        for one in photos:
            content.update(f"{one.photo_id}\0{one.uri}\0{one.chunk}\0{one.stamp}\0{one.gone}\0".encode())
        path = self.folder / f"{number:05d}-{content.hexdigest()}.parquet"
        if not path.is_file():
            tables.write_photos(path, photos)
        return _Table(path.name, _chunks(photos))

    def _tables(self) -> list[tuple[Path, tuple[Chunk, ...]]]:
        place = self.place
        if place == self.file:
            self._known = self._known_of(place, self._only)
            return [(place, self._known[1][0].chunks)]
        self._known = self._known_of(place, self._index)
        return [(self.folder / one.name, one.chunks) for one in self._known[1]]

    def _known_of(self, place: Path, read: Callable[[Path], tuple[tuple[_Table, ...], str]]) -> _Known:
        state = (place, *_state(place))
        return self._known if self._known and self._known[0] == state else (state, *read(place))

    def _only(self, place: Path) -> tuple[tuple[_Table, ...], str]:
        photos = tuple(chain.from_iterable(self._read(place).values()))
        return (_Table(place.name, _chunks(photos)),), ""

    def _index(self, place: Path) -> tuple[tuple[_Table, ...], str]:
        try:
            found: Any = parse_json(place.read_bytes())
            if found.pop("checksum") != _checksum(found):
                raise tables.damaged(place, "it does not match its checksum")
            listed = tuple(
                _Table(tables.plain_name(one["name"]), tuple(Chunk(*chunk) for chunk in one["chunks"]))
                for one in found["tables"]
            )
            return listed, str(found["stamp"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise tables.damaged(place, error) from error

    def _read(self, path: Path) -> dict[int, list[PhotoRef]]:
        """The photos of a table by chunk; those of the table that was read last are kept."""
        state = _state(path)
        if self._last is None or self._last[:2] != (path, state):
            found: dict[int, list[PhotoRef]] = {}
            for photo in tables.read_photos(path):
                found.setdefault(photo.chunk, []).append(photo)
            self._last = (path, state, found)
        return self._last[2]


def _chunks(photos: Sequence[PhotoRef]) -> tuple[Chunk, ...]:
    by_chunk: dict[int, list[PhotoRef]] = {}
    for photo in photos:
        by_chunk.setdefault(photo.chunk, []).append(photo)
    return tuple(
        Chunk(number, len(found), digest_of_ids(one.photo_id for one in found), sum(one.gone for one in found))
        for number, found in sorted(by_chunk.items())
    )


def _parts(photos: Iterable[PhotoRef]) -> Iterator[list[PhotoRef]]:
    """Whole chunks, together at least as many photos as a table has; the last part may have fewer."""
    part: list[PhotoRef] = []
    for _, chunk in groupby(photos, key=lambda photo: photo.chunk):
        part += chunk
        if len(part) >= PER_TABLE:
            yield part
            part = []
    if part:
        yield part


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _checksum(index: Any) -> str:
    return hashlib.blake2b(json.dumps(index, sort_keys=True).encode(), digest_size=16).hexdigest()
