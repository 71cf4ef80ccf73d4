"""jsonl: everything that is known about each photo, a line each."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...contracts import CaptionedDataset
from ...errors import SourceError
from ...images import Framing
from ...records import Captions, Face, Finding
from ...sources import path_of
from ...utils import parse_json
from ..crops import DatasetSettings
from ..images import ImageRef
from ..selection import ExportedPhoto, ExportJob, FormatWriter

USAGE = (
    "A line of JSON per photo in photos.jsonl. Boxes and landmarks are in pixels of the upright photo; crop is how the "
    "run's crops are cut: dataset.crop and dataset.scale."
)
_CROP = {"crop": "shape", "scale": "scale"}
"""Settings of the data set that a line has, and its keys."""


class PhotosJsonl(CaptionedDataset):
    """Lines of photos.jsonl. Images are cropped from the photos themselves, around the face of the line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offsets = array("q")
        digest = hashlib.blake2b(digest_size=16)
        try:
            with path.open("rb") as file:
                offset = 0
                for number, line in enumerate(file, 1):
                    digest.update(line)
                    row = self._parse(line, number)
                    if row.get("status") == "ok" and row["face"]:
                        if _captions(row):
                            self._offsets.append(offset)
                        else:
                            self.without_captions += 1
                    offset += len(line)
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}. Check its permissions") from error
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._offsets)

    def key(self, index: int) -> str:
        """The photo's id."""
        return str(self._row(index)["photo_id"])

    def captions(self, index: int) -> Captions:
        """The line's captions with their styles."""
        return _captions(self._row(index))

    def image(self, index: int) -> ImageRef:
        """The photo that the line names, framed as the run's crops are."""
        row = self._row(index)
        box, landmarks = (np.array(row["face"][name], np.float32) for name in ("box", "landmarks"))
        return ImageRef(str(path_of(row["uri"])), face=Face(box, landmarks, 1.0), framing=_framing(row))

    def remedy(self) -> str:
        """What a line needs."""
        return "Each line of photos.jsonl needs captions: export the run again after t2f fuse"

    def _row(self, index: int) -> dict[str, Any]:
        with self.path.open("rb") as file:
            file.seek(self._offsets[index])
            row: dict[str, Any] = parse_json(file.readline())
        return row

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row: dict[str, Any] = parse_json(line)
            _captions(row)
            _framing(row)
            return {"status": row["status"], "face": row["face"], "captions": row["captions"], "uri": row["uri"]}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f"line {number} of {self.path} is not a line of t2f export --format jsonl ({error}). Fix or remove it"
            ) from error


def _captions(row: dict[str, Any]) -> Captions:
    return tuple((text, one.get("style", "")) for one in row["captions"] if (text := one["text"].strip()))


def _framing(row: dict[str, Any]) -> Framing:
    """How the run's crops were cut; exports of earlier releases do not say it."""
    crop = row.get("crop") or {}
    return DatasetSettings(**{name: crop[key] for name, key in _CROP.items() if key in crop}).framing


def write(photos: Iterable[ExportedPhoto], folder: Path, job: ExportJob) -> None:
    """Write photos.jsonl."""
    settings = DatasetSettings.model_validate(job.run.settings.get("recipe", {}).get("dataset", {}))
    crop = {key: getattr(settings, name) for name, key in _CROP.items()}
    with (folder / "photos.jsonl").open("wb") as file:
        for photo in photos:
            file.write(json.dumps(_line(photo, crop), ensure_ascii=False).encode() + b"\n")


def _line(photo: ExportedPhoto, crop: dict[str, Any]) -> dict[str, Any]:
    row = photo.row
    return {
        "photo_id": row.photo_id,
        "uri": row.uri,
        "chunk": row.chunk,
        "status": row.status,
        "reason": row.reason,
        "width": row.width,
        "height": row.height,
        "file_name": photo.file_name if photo.pictured else None,
        "face": _face(row.face),
        "crop": crop,
        "findings": [_finding(finding) for finding in row.findings],
        "captions": [asdict(caption) | {"bag": asdict(caption.bag)["items"]} for caption in photo.captions],
    }


def _face(face: Face | None) -> dict[str, Any] | None:
    if face is None:
        return None
    return {"box": face.box.tolist(), "landmarks": face.landmarks.tolist(), "score": face.score}


def _finding(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"detail": None if finding.detail is None else dict(finding.detail)}


WRITER = FormatWriter(write, USAGE, pictures=lambda _: False, names_sources=True, whole_run=True)
