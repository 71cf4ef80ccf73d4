"""parquet: one table, with the pictures in it if wanted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..samples import Job, Sample, Writer

if TYPE_CHECKING:
    import pyarrow as pa

USAGE = """\
Opens with `datasets.load_dataset("parquet", data_files="data.parquet")`, pandas, DuckDB or anything that reads parquet.
It has a row per photo; in `findings`, `value` is JSON text."""

ROWS = 100
"""Rows in a group: with pictures of 100 to 300 kB a reader holds some 30 MB at a time."""


def write(samples: Iterable[Sample], folder: Path, job: Job) -> None:
    """Write data.parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(images=job.settings.images, several=job.settings.captions == "all")
    with pq.ParquetWriter(folder / "data.parquet", schema, compression="zstd") as table:
        found = iter(samples)
        while rows := [_row(sample, images=job.settings.images) for sample in islice(found, ROWS)]:
            table.write_table(pa.Table.from_pylist(rows, schema))


def _row(sample: Sample, *, images: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "photo_id": sample.photo_id,
        "uri": sample.row.uri,
        "file_name": sample.file_name,
        "text": sample.text,
        "findings": sample.findings,
    }
    if images:
        row["image"] = {"bytes": sample.picture.read_bytes(), "path": sample.picture.name}
    return row


def _schema(*, images: bool, several: bool) -> pa.Schema:
    """Columns, with a note by which the `datasets` library knows that `image` is a picture."""
    import pyarrow as pa

    text = pa.string()
    finding = pa.struct([("name", text), ("value", text), ("score", pa.float64()), ("source", text)])
    image = [("image", pa.struct([("bytes", pa.binary()), ("path", text)]))] if images else []
    columns = [
        ("photo_id", text),
        *image,
        ("text", pa.list_(text) if several else text),
        ("uri", text),
        ("file_name", text),
        ("findings", pa.list_(finding)),
    ]
    said = {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = {name: said for name, _ in columns}
    features["findings"] = [
        {"name": said, "value": said, "score": {"dtype": "float64", "_type": "Value"}, "source": said}
    ]
    if several:
        features["text"] = [said]
    if images:
        features["image"] = {"_type": "Image"}
    return pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})


WRITER = Writer(write, USAGE, pictures=lambda settings: settings.images, names_sources=True)
