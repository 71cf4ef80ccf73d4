"""Compare folders that t2f wrote: every byte, but for measured seconds and times of files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

UNFINISHED = re.compile(r"\.t2f-(tmp|new|old)$|^\.text2face-unfinished$|\.unfinished\.parquet$|\.parts$|^part$")
SKIPPED = re.compile(
    r"(^|/)(\.lock|[^/]*\.lock|report\.html|_\d+\.seconds\.json|\.verified|\.finished)$|(^|/)events\.out\.|(^|/)\.t2f/[^/]*\.json$"
)
"""Locks; the report, which shows seconds; notes of seconds; TensorBoard's events; records with the time of a file."""


def digests(folder: Path) -> dict[str, str]:
    """The digest of what each file holds, by its place in the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder).as_posix()
        if path.is_file() and not SKIPPED.search(place):
            found[place] = hashlib.blake2b(_content(path), digest_size=16).hexdigest()
    return found


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders in the folder and next to it."""
    near = [path for path in folder.parent.iterdir() if path.is_relative_to(folder) or path.name.startswith(".")]
    return [str(path) for path in (*near, *folder.rglob("*")) if UNFINISHED.search(path.name)]


def _content(path: Path) -> bytes:
    if path.name == "written.parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        # the size and time of metadata.jsonl, and the checksum that covers them
        kept = {key: value for key, value in table.schema.metadata.items() if key not in _TIMES}
        return repr((kept, table.to_pylist())).encode()
    if path.name in {"stats.json", "train.jsonl"}:
        return json.dumps([_timeless(json.loads(line)) for line in _documents(path)], sort_keys=True).encode()
    return path.read_bytes()


_TIMES = {b"text2face.state", b"text2face-checksum"}
_SECONDS = re.compile("second|speed|time|per_s|memory")


def _documents(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return text.splitlines() if path.suffix == ".jsonl" else [text]


def _timeless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _timeless(one) for key, one in value.items() if not _SECONDS.search(key)}
    return [_timeless(one) for one in value] if isinstance(value, list) else value
