"""Digests of the texts that were written to metadata.jsonl, to recognise edits by hand.

The table also stores the size and modification time of metadata.jsonl, so that an untouched file need not be read. This
is the only file in which two runs with the same texts differ.

The table is written before metadata.jsonl is renamed into place, and renamed after it. A process that is killed in
between leaves two tables; the table that matches metadata.jsonl better counts.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunError
from ..records import CaptionRow
from ..utils import parse_json
from .tables import damaged, load_table, save_table
from .wording import Wording

_STATE, _HEAD, _TAIL = "text2face.state", "text2face.head", "text2face.tail"
REMOVED = -1
"""In place of a caption's number: the whole line was removed."""


class WrittenTexts:
    """Record of what is written to metadata.jsonl: `add` each line, `save` before the rename, `settle` after it."""

    def __init__(self, path: Path, wording: Wording) -> None:
        self._path = path
        self._wording = wording
        self._photos, self._digests, self._ends = array("q"), array("q"), array("i", [0])
        self._numbers = array("i")

    def add(self, row: CaptionRow) -> None:
        """Record a line."""
        self._photos.append(_digest(row.photo_id))
        for number, caption in row.numbered:
            self._digests.append(_digest(caption.text))
            self._numbers.append(number)
        self._ends.append(len(self._digests))

    def save(self, metadata: Path) -> None:
        """Write the table. metadata: the finished file, under any name."""
        import pyarrow as pa

        ends = np.array(self._ends, np.int32)
        texts = pa.ListArray.from_arrays(ends, np.array(self._digests, np.int64))
        numbers = pa.ListArray.from_arrays(ends, np.array(self._numbers, np.int32))
        table = pa.table({"photo": np.array(self._photos, np.int64), "texts": texts, "numbers": numbers})
        about = {_STATE: _state(metadata), _HEAD: self._wording.head, _TAIL: self._wording.tail}
        save_table(unsettled(self._path), table, _checksum(table, about), about)

    def settle(self) -> None:
        """Rename the table to its final name."""
        unsettled(self._path).replace(self._path)


Edits = dict[str, dict[int, str | None]]
"""Texts that were edited by hand, by photo and number; None for removed texts."""


def find_edits(path: Path, metadata: Path, photo_ids: Callable[[], Iterable[str]], removed: Collection[str]) -> Edits:
    """Find captions in metadata.jsonl that were edited; {REMOVED: None} for a photo whose line was removed.

    photo_ids: returns the run's photos. removed: photos whose lines were removed earlier; such a line counts if it is
    back. Other lines that were added are not edits, and in a file without any line no line counts as removed.
    Raises RunError if a line is not valid JSON.
    """
    if not metadata.is_file():
        return {}
    found = [_edits(table, metadata, photo_ids, removed) for table in (path, unsettled(path)) if table.is_file()]
    return min(found, key=len, default={})


def read_written(path: Path) -> tuple[Any, dict[str, str]]:
    """Read the pyarrow table and its metadata. Raises DamagedTable if it does not match its checksum."""
    table, about, stated = load_table(path)
    about = {key: value for key, value in about.items() if key.startswith("text2face.")}
    if stated is not None and stated != _checksum(table, about):
        raise damaged(path, "it does not match its checksum")
    if set(table.column_names) != {"photo", "texts", "numbers"}:
        raise damaged(path, "it has other columns")
    return table, about


def forget_written(path: Path, photo_ids: Iterable[str]) -> None:
    """Drop photos from the table, so that changes of their lines in metadata.jsonl do not count as edits."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = pa.array([_digest(photo_id) for photo_id in photo_ids], pa.int64())
    for place in (path, unsettled(path)):
        if place.is_file():
            table, about = read_written(place)
            table = table.filter(pc.invert(pc.is_in(table["photo"], keys))).combine_chunks()
            save_table(place, table, _checksum(table, about), about)


def _checksum(table: Any, about: Mapping[str, str]) -> str:
    """32 hexadecimal digits of everything in the table; computed on the arrays, as there may be millions of rows."""
    digest = hashlib.blake2b(json.dumps([dict(about), table.column_names], sort_keys=True).encode())
    for name in table.column_names:
        column = table[name].combine_chunks()
        for part in (column.offsets, column.values) if hasattr(column, "offsets") else (column,):
            values = part.to_numpy(zero_copy_only=False)
            digest.update(f"{values.dtype} {len(values)}".encode() + values.tobytes())
    return digest.hexdigest()[:32]


def _edits(path: Path, metadata: Path, photo_ids: Callable[[], Iterable[str]], removed: Collection[str]) -> Edits:
    table, about = read_written(path)
    if about.get(_STATE) == _state(metadata):
        return {}
    wording = Wording(about.get(_HEAD, ""), about.get(_TAIL, ""))
    photos = table["photo"].to_numpy()
    texts, numbers = (table[name].combine_chunks() for name in ("texts", "numbers"))
    order = np.argsort(photos)
    seen = np.zeros(len(photos), bool)
    edits: Edits = {}
    for photo_id, now in read_lines(metadata):
        place = np.searchsorted(photos, key := _digest(photo_id), sorter=order)
        if place < len(photos) and photos[order[place]] == key:
            at = int(order[place])
            seen[at] = True
            if changed := _changes(texts[at].as_py(), numbers[at].as_py(), now):
                edits[photo_id] = {number: text and wording.strip(text) for number, text in changed.items()}
        elif photo_id in removed and now:
            edits[photo_id] = {number: wording.strip(text) for number, text in enumerate(now)}
    if seen.any() and not seen.all():
        missing = set(photos[~seen].tolist())
        edits |= {photo_id: {REMOVED: None} for photo_id in photo_ids() if _digest(photo_id) in missing}
    return edits


def _changes(before: Sequence[int], numbers: Sequence[int], now: Sequence[str]) -> dict[int, str | None]:
    """The texts that differ, by number; additional texts get the numbers that follow."""
    first = max(numbers, default=-1) + 1
    places = [*numbers, *range(first, first + max(0, len(now) - len(numbers)))]
    changed: dict[int, str | None] = {
        places[place]: text for place, text in enumerate(now) if place >= len(before) or _digest(text) != before[place]
    }
    return changed | dict.fromkeys(numbers[len(now) :])


def changed_texts(known: Mapping[int, str], numbers: Sequence[int], now: Sequence[str]) -> dict[int, str | None]:
    """The texts that differ from the `known` texts, by number; None for removed texts.

    numbers: the numbers of the captions that the line had when it was written. now: its current texts.
    """
    before = [_digest(known.get(number, "")) for number in numbers]
    return dict.fromkeys(known.keys() - set(numbers)) | _changes(before, numbers, now)


def read_numbers(path: Path, photo_ids: Iterable[str]) -> dict[str, list[int]]:
    """Read the numbers of the captions that were written, by photo."""
    table, _ = read_written(path)
    by_digest = dict(zip(table["photo"].to_pylist(), table["numbers"].to_pylist(), strict=True))
    keys = {photo_id: _digest(photo_id) for photo_id in photo_ids}
    return {photo_id: by_digest[key] for photo_id, key in keys.items() if key in by_digest}


def read_lines(metadata: Path) -> Iterator[tuple[str, list[str]]]:
    """Read the id and the texts of each line of metadata.jsonl. Raises RunError if a line is not valid."""
    with metadata.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                photo_id, texts = _parse(line)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RunError(
                    f"line {number} of {metadata} is not valid ({error!r}): it needs file_name and text as JSON. Fix "
                    f"it, or set the file aside and write it again: t2f repair {metadata.parent.parent}"
                ) from error
            yield photo_id, texts


def is_valid_line(line: bytes) -> bool:
    """Whether a line of metadata.jsonl has a photo and texts."""
    try:
        _parse(line)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _parse(line: bytes) -> tuple[str, list[str]]:
    row = parse_json(line)
    texts = [row["text"]] if isinstance(row["text"], str) else [str(text) for text in row["text"] or ()]
    return str(row.get("photo_id") or Path(row["file_name"]).stem), [text.strip() for text in texts]


def unsettled(path: Path) -> Path:
    """Path of the table until metadata.jsonl has been renamed."""
    return path.with_name(f"next-{path.name}")


def _state(metadata: Path) -> str:
    """A text that changes when the file is edited, but not when it is renamed."""
    status = metadata.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _digest(text: str) -> int:
    """A 63-bit number that identifies a text."""
    return int.from_bytes(hashlib.blake2b(text.strip().encode("utf-8", "replace"), digest_size=8).digest()) >> 1
