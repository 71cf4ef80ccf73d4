"""Rows to and from parquet: the columns of photos, analysis and captions, in one place."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DamagedTable, RunError
from ..records import AnalysisRow, Bag, BagItem, Caption, CaptionRow, Face, Finding, PhotoRef
from ..utils import checked_id, parse_json, replacing

_CHECKSUM = "text2face-checksum"


@cache
def _schemas() -> dict[str, Any]:
    import pyarrow as pa

    text, count, number = pa.string(), pa.int32(), pa.float64()
    numbers, names = pa.list_(pa.float32()), pa.list_(text)
    face = pa.struct({"box": numbers, "landmarks": pa.list_(numbers), "score": number})
    finding = pa.struct({"name": text, "value": text, "score": number, "source": text, "detail": text})
    caption = {"text": text, "fuser": text, "style": text, "tries": count, "bag": text}
    caption |= {"mentioned": names, "missed": names, "invented": names, "tokens": count, "refusals": names}
    photo = {"photo_id": text, "uri": text, "chunk": count}
    analysis = {"status": text, "reason": text, "width": count, "height": count}
    analysis |= {"face": face, "findings": pa.list_(finding), "faces": pa.list_(face)}
    analysis |= {"content": text, "look": text}
    analysis |= {"alt_text": text, "human_captions": names, "truth": pa.list_(finding)}
    return {
        "photos": pa.schema(photo | {"size": pa.int64(), "modified": pa.int64(), "gone": pa.bool_()}),
        "analysis": pa.schema(photo | analysis),
        "captions": pa.schema({"photo_id": text, "captions": pa.list_(pa.struct(caption))}),
    }


def write_photos(path: Path, photos: Sequence[PhotoRef], metadata: Mapping[str, str] | None = None) -> None:
    """Write the list of photos to `path`, atomically."""
    columns: dict[str, list[Any]] = {
        "photo_id": [photo.photo_id for photo in photos],
        "uri": [photo.uri for photo in photos],
        "chunk": [photo.chunk for photo in photos],
        "size": [photo.size for photo in photos],
        "modified": [photo.modified for photo in photos],
        "gone": [photo.gone for photo in photos],
    }
    _write(path, "photos", columns, metadata or {})


def read_photos(path: Path) -> list[PhotoRef]:
    """Read the list of photos, in the order in which they were listed."""
    kept = ("size", "modified", "gone")  # older tables have none of these
    return [
        PhotoRef(
            checked_id(row["photo_id"], path),
            row["uri"],
            row["chunk"],
            **{name: row[name] for name in kept if name in row},
        )
        for row in read_rows(path)
    ]


def write_analysis(path: Path, rows: Sequence[AnalysisRow], metadata: Mapping[str, str]) -> None:
    """Write a chunk's analysis to `path`, atomically, with `metadata` in the file's schema."""
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in rows]
        for name in ("photo_id", "uri", "chunk", "status", "reason", "width", "height", "content", "look", "alt_text")
    }
    columns["human_captions"] = [list(row.human_captions) for row in rows]
    columns["truth"] = [[_finding_to_json(finding) for finding in row.truth] for row in rows]
    columns["face"] = [_face_to_json(row.face) for row in rows]
    columns["findings"] = [[_finding_to_json(finding) for finding in row.findings] for row in rows]
    columns["faces"] = [[_face_to_json(face) for face in row.faces] for row in rows]
    _write(path, "analysis", columns, metadata)


def read_analysis(path: Path) -> list[AnalysisRow]:
    """Read a chunk's analysis."""
    rows = []
    for row in read_rows(path):
        checked_id(row["photo_id"], path)
        face = _face_from_json(row.pop("face"))
        findings = tuple(_finding_from_json(one) for one in row.pop("findings"))
        faces = map(_face_from_json, row.pop("faces", None) or ())  # older tables have neither this nor the next
        row["human_captions"] = tuple(row.pop("human_captions", None) or ())
        row["truth"] = tuple(_finding_from_json(one) for one in row.pop("truth", None) or ())
        rows.append(AnalysisRow(**row, face=face, findings=findings, faces=tuple(one for one in faces if one)))
    return rows


def write_captions(path: Path, rows: Sequence[CaptionRow], metadata: Mapping[str, str]) -> None:
    """Write a chunk's captions to `path`, atomically, with `metadata` in the file's schema."""
    columns: dict[str, list[Any]] = {
        "photo_id": [row.photo_id for row in rows],
        "captions": [[_caption_to_json(caption) for caption in row.captions] for row in rows],
    }
    _write(path, "captions", columns, metadata)


def read_captions(path: Path) -> list[CaptionRow]:
    """Read a chunk's captions."""
    return [
        CaptionRow(checked_id(row["photo_id"], path), tuple(_caption_from_json(caption) for caption in row["captions"]))
        for row in read_rows(path)
    ]


def columns_of(path: Path) -> frozenset[str]:
    """The names of a table's columns, which differ between releases; empty if `path` is not a readable table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return frozenset(pq.read_schema(path).names)
    except (OSError, pa.ArrowException):
        return frozenset()


def read_metadata(path: Path) -> dict[str, str]:
    """Read a table's metadata; empty if `path` is not a readable table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return {}
    return {key: value for key, value in _text(found).items() if key.startswith("text2face.")}


def plain_name(name: str) -> str:
    """Return the name of a table in the folder of photos. Raises ValueError if it is not one."""
    if not re.fullmatch(r"\d{5,}-[0-9a-f]{16}\.parquet", name):
        raise ValueError(f"it names {name!r:.80}")
    return name


def bag_to_json(bag: Bag) -> str:
    """The bag as JSON text: a list of {name, value, phrase, level}."""
    items = [{"name": item.name, "value": item.value, "phrase": item.phrase, "level": item.level} for item in bag.items]
    return json.dumps(items, ensure_ascii=False)


def bag_from_json(text: str) -> Bag:
    """Inverse of `bag_to_json`."""
    return Bag(tuple(BagItem(**item) for item in parse_json(text)))


def save_table(path: Path, table: Any, checksum: str, metadata: Mapping[str, str]) -> None:
    """Write a pyarrow table to `path`, atomically, with checksums of its pages and of its whole content."""
    import pyarrow.parquet as pq

    table = table.replace_schema_metadata({**metadata, _CHECKSUM: checksum})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def load_table(path: Path, columns: Sequence[str] | None = None) -> tuple[Any, dict[str, str], str | None]:
    """Load a pyarrow table from `path`, with its metadata and recorded checksum (None in tables of older releases).

    columns: only these; fields of a list's elements as "name.list.element.field".

    Raises:
        DamagedTable: It cannot be read, or a column is missing.
        RunError: The system denies access to it, or there is not enough memory.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns=columns)
            about = _text(file.schema_arrow.metadata or {})
    except MemoryError as error:  # pyarrow's own is one of these
        raise RunError(f"there is not enough memory to read {path}; it is not damaged") from error
    except OSError as error:
        if error.errno:  # of the system; pyarrow raises OSError for damage too, without a number
            raise RunError(f"{path} cannot be read: {error.strerror}") from error
        raise damaged(path, error) from error
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise damaged(path, error) from error
    if missing := {name.partition(".")[0] for name in columns or ()} - set(table.column_names):
        raise damaged(path, f"it has no column {', '.join(sorted(missing))}")
    return table, about, about.pop(_CHECKSUM, None)


def read_columns(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Read only these columns of a shard. Their pages are verified, but not the checksum of the whole.

    Without findings and bags this takes a tenth of the time.
    """
    rows: list[dict[str, Any]] = load_table(path, columns)[0].to_pylist()
    for row in rows:
        checked_id(row["photo_id"], path)
    return rows


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], schema: Any, metadata: Mapping[str, str]) -> None:
    """Write rows to `path`, atomically, with `metadata` in the file's schema."""
    import pyarrow as pa

    table = pa.Table.from_pylist(list(rows), schema)
    save_table(path, table, _checksum(metadata, table.to_pylist()), metadata)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows; raises DamagedTable if they changed since. Tables of older releases have no checksum."""
    table, metadata, stated = load_table(path)
    rows: list[dict[str, Any]] = table.to_pylist()
    kept = {key: value for key, value in metadata.items() if key.startswith("text2face.")}
    if stated is not None and stated != _checksum(kept, rows):
        raise damaged(path, "its rows do not match its checksum")
    return rows


def _write(path: Path, kind: str, columns: Mapping[str, list[Any]], metadata: Mapping[str, str]) -> None:
    import pyarrow as pa

    kept = {f"text2face.{key}": value for key, value in metadata.items()}
    table = pa.table(dict(columns), schema=_schemas()[kind])
    save_table(path, table, _checksum(kept, table.to_pylist()), kept)


def is_sound(path: Path) -> bool:
    """Whether the table exists and, if it has a checksum, matches it."""
    try:
        read_rows(path)
    except DamagedTable:
        return False
    return True


def damaged(path: Path, why: object) -> DamagedTable:
    """Make the error for a damaged table of a run."""
    run = path.parent.parent if path.parent.name in {"analysis", "captions", "photos", "review"} else path.parent
    return DamagedTable(f"{path} is damaged ({why}). To repair it: t2f repair {run}")


def _checksum(metadata: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
    """32 hexadecimal digits of everything in the table."""
    text = json.dumps([dict(metadata), rows], sort_keys=True, default=repr)  # damage may change a column's type
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _text(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in metadata.items()}


def _face_to_json(face: Face | None) -> dict[str, Any] | None:
    if face is None:
        return None
    return {"box": face.box.tolist(), "landmarks": face.landmarks.tolist(), "score": face.score}


def _face_from_json(face: dict[str, Any] | None) -> Face | None:
    if face is None:
        return None
    box, landmarks = (np.array(face[name], np.float32) for name in ("box", "landmarks"))
    return Face(box, landmarks, face["score"])


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    detail = None if finding.detail is None else json.dumps(dict(finding.detail))
    return {
        "name": finding.name,
        "value": json.dumps(finding.value),
        "score": finding.score,
        "source": finding.source,
        "detail": detail,
    }


def _finding_from_json(row: dict[str, Any]) -> Finding:
    detail = None if row["detail"] is None else parse_json(row["detail"])
    return Finding(row["name"], parse_json(row["value"]), row["score"], row["source"], detail)


def _caption_to_json(caption: Caption) -> dict[str, Any]:
    return {
        "text": caption.text,
        "fuser": caption.fuser,
        "style": caption.style,
        "tries": caption.tries,
        "bag": bag_to_json(caption.bag),
        "mentioned": list(caption.mentioned),
        "missed": list(caption.missed),
        "invented": list(caption.invented),
        "tokens": caption.tokens,
        "refusals": list(caption.refusals),
    }


def _caption_from_json(row: dict[str, Any]) -> Caption:
    return Caption(
        row["text"],
        row["fuser"],
        row["style"],
        row["tries"],
        bag_from_json(row["bag"]),
        tuple(row["mentioned"]),
        tuple(row["missed"]),
        tuple(row["invented"]),
        row.get("tokens") or 0,  # older tables have neither this column nor the next
        tuple(row.get("refusals") or ()),
    )
