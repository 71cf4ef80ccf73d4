"""Digests of the texts in metadata.jsonl as we wrote them, by which changes made by hand are recognised.

The table is written before metadata.jsonl takes its place and renamed after it. A process that is killed in between
leaves two tables, of which the one that fits metadata.jsonl better counts.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import RunError
from ..records import CaptionRow
from ..utils import replacing
from .wording import Wording

_STATE, _HEAD, _TAIL = b"text2face.state", b"text2face.head", b"text2face.tail"


class WrittenTexts:
    """What is being written to metadata.jsonl: `add` each line, `save` before the rename, `settle` after it."""

    def __init__(self, path: Path, wording: Wording) -> None:
        self._path = path
        self._wording = wording
        self._photos, self._digests, self._ends = array("q"), array("q"), array("i", [0])
        self._numbers = array("i")

    def add(self, row: CaptionRow) -> None:
        """Note a line."""
        self._photos.append(_digest(row.photo_id))
        for number, caption in row.numbered:
            self._digests.append(_digest(caption.text))
            self._numbers.append(number)
        self._ends.append(len(self._digests))

    def save(self, metadata: Path) -> None:
        """Write the table; metadata: the finished file, under whatever name."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        ends = np.array(self._ends, np.int32)
        texts = pa.ListArray.from_arrays(ends, np.array(self._digests, np.int64))
        numbers = pa.ListArray.from_arrays(ends, np.array(self._numbers, np.int32))
        table = pa.table({"photo": np.array(self._photos, np.int64), "texts": texts, "numbers": numbers})
        around = {_HEAD: self._wording.head.encode(), _TAIL: self._wording.tail.encode()}
        with replacing(_next(self._path)) as temporary:
            table = table.replace_schema_metadata({_STATE: _state(metadata), **around})
            pq.write_table(table, temporary, compression="zstd")

    def settle(self) -> None:
        """Let the table count."""
        _next(self._path).replace(self._path)


def find_edits(path: Path, metadata: Path) -> dict[str, dict[int, str | None]]:
    """By photo, the captions in metadata.jsonl that are not as they were written: their texts, or None if removed.

    Lines that were added or removed as a whole are not edits. Raises RunError if a line is not valid JSON.
    """
    if not metadata.is_file():
        return {}
    found = [_edits(table, metadata) for table in (path, _next(path)) if table.is_file()]
    return min(found, key=len, default={})


def _edits(path: Path, metadata: Path) -> dict[str, dict[int, str | None]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path} cannot be read: {error}. Delete it; edits are then not noticed") from error
    about = table.schema.metadata or {}
    if about.get(_STATE) == _state(metadata):
        return {}
    wording = Wording(*(about.get(name, b"").decode() for name in (_HEAD, _TAIL)))
    photos = table["photo"].to_numpy()
    texts, numbers = (table[name].combine_chunks() for name in ("texts", "numbers"))
    order = np.argsort(photos)
    edits = {}
    for photo_id, now in _lines(metadata):
        place = np.searchsorted(photos, key := _digest(photo_id), sorter=order)
        if place < len(photos) and photos[order[place]] == key:
            at = int(order[place])
            if changed := _changes(texts[at].as_py(), numbers[at].as_py(), now):
                edits[photo_id] = {number: text and wording.strip(text) for number, text in changed.items()}
    return edits


def _changes(before: Sequence[int], numbers: Sequence[int], now: Sequence[str]) -> dict[int, str | None]:
    """By number, the texts that differ; texts beyond those that were written get the numbers that follow."""
    first = max(numbers, default=-1) + 1
    places = [*numbers, *range(first, first + max(0, len(now) - len(numbers)))]
    changed: dict[int, str | None] = {
        places[place]: text for place, text in enumerate(now) if place >= len(before) or _digest(text) != before[place]
    }
    return changed | dict.fromkeys(numbers[len(now) :])


def _lines(metadata: Path) -> Iterator[tuple[str, list[str]]]:
    with metadata.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                texts = [row["text"]] if isinstance(row["text"], str) else [str(text) for text in row["text"] or ()]
                photo_id = str(row.get("photo_id") or Path(row["file_name"]).stem)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RunError(
                    f"line {number} of {metadata} is not valid ({error!r}): it needs file_name and text as JSON. Fix "
                    "it, or delete the file to have it written again without the changes made by hand"
                ) from error
            yield photo_id, [text.strip() for text in texts]


def _next(path: Path) -> Path:
    return path.with_name(f"next-{path.name}")


def _state(metadata: Path) -> bytes:
    """Changes when the file is edited; renaming the file does not change it."""
    status = metadata.stat()
    return f"{status.st_size} {status.st_mtime_ns}".encode()


def _digest(text: str) -> int:
    """A number of 63 bits that identifies a text."""
    return int.from_bytes(hashlib.blake2b(text.strip().encode("utf-8", "replace"), digest_size=8).digest()) >> 1
