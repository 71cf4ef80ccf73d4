"""jsonl: everything that is known of each photo, one line each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...records import Face, Finding
from ..samples import Job, Sample, Writer

USAGE = "A line of JSON per photo in photos.jsonl. Boxes and landmarks are in pixels of the upright photo."


def write(samples: Iterable[Sample], folder: Path, job: Job) -> None:  # noqa: ARG001  every format is called alike
    """Write photos.jsonl."""
    with (folder / "photos.jsonl").open("wb") as file:
        for sample in samples:
            file.write(json.dumps(_line(sample), ensure_ascii=False).encode() + b"\n")


def _line(sample: Sample) -> dict[str, Any]:
    row = sample.row
    return {
        "photo_id": row.photo_id,
        "uri": row.uri,
        "chunk": row.chunk,
        "status": row.status,
        "reason": row.reason,
        "width": row.width,
        "height": row.height,
        "file_name": sample.file_name if sample.pictured else None,
        "face": _face(row.face),
        "findings": [_finding(finding) for finding in row.findings],
        "captions": [asdict(caption) | {"bag": asdict(caption.bag)["items"]} for caption in sample.captions],
    }


def _face(face: Face | None) -> dict[str, Any] | None:
    if face is None:
        return None
    return {"box": face.box.tolist(), "landmarks": face.landmarks.tolist(), "score": face.score}


def _finding(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"detail": None if finding.detail is None else dict(finding.detail)}


WRITER = Writer(write, USAGE, pictures=lambda _: False, names_sources=True, whole_run=True)
