"""imagefolder: images and metadata.jsonl, which the `datasets` library and most trainers open."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from ...contracts import CaptionedDataset
from ...errors import SourceError
from ...records import Captions
from ...run import RunDirectory
from ...utils import parse_json, replacing, write_text
from ..base import captions_of, check_inside
from ..card import render_card
from ..folder import place
from ..images import ImageRef
from ..latents import Latent, read_latent
from ..selection import ExportedPhoto, ExportJob, FormatWriter, pictured

USAGE = 'Opens with `datasets.load_dataset("imagefolder", data_dir="…")`: `text` is what the captions say of `image`.'


class ImageFolder(CaptionedDataset):
    """Lines of metadata.jsonl: {"file_name": "images/1.jpg", "text": "…" or ["…", …]}, read when asked."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._metadata = folder / "metadata.jsonl"
        self._offsets = array("q")
        digest = hashlib.blake2b(digest_size=16)
        try:
            with self._metadata.open("rb") as file:
                offset = 0
                for number, line in enumerate(file, 1):
                    digest.update(line)
                    if line.strip():
                        if captions_of(self._parse(line, number)):
                            self._offsets.append(offset)
                        else:
                            self.without_captions += 1
                    offset += len(line)
        except OSError as error:
            raise SourceError(f"{self._metadata} cannot be read: {error.strerror}. Check its permissions") from error
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._offsets)

    def key(self, index: int) -> str:
        """The line's file_name."""
        return str(self._row(index)["file_name"])

    def captions(self, index: int) -> Captions:
        """The line's texts."""
        return captions_of(self._row(index))

    def image(self, index: int) -> ImageRef:
        """The file that the line names."""
        return ImageRef(str(self.path / self.key(index)))

    def latent(self, index: int) -> Latent | None:
        """The latent in the file, if a renderer made it."""
        return read_latent(Path(self.image(index).path))

    def remedy(self) -> str:
        """What a line needs."""
        return 'Each line of metadata.jsonl needs a caption: "text": "…" or ["…", "…"]'

    def _row(self, index: int) -> dict[str, Any]:
        with self._metadata.open("rb") as file:
            file.seek(self._offsets[index])
            row: dict[str, Any] = parse_json(file.readline())
        return row

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        where = f"line {number} of {self._metadata}"
        try:
            row = parse_json(line)
        except ValueError as error:
            raise SourceError(f"{where} is not valid JSON ({error}). Fix or remove it") from error
        if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
            raise SourceError(
                f'{where} names no picture: each line needs "file_name" and "text"'
                + (f", and this one has {', '.join(map(repr, row))}" if isinstance(row, dict) else "")
            )
        check_inside(row["file_name"], where)
        return row


def metadata_line(file_name: str, text: str | list[str], photo_id: str) -> bytes:
    """One line of metadata.jsonl, UTF-8, with its newline."""
    line = {"file_name": file_name, "text": text, "photo_id": photo_id}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def write(photos: Iterable[ExportedPhoto], folder: Path, job: ExportJob) -> None:
    """Write images/NNNNN/ID.jpg and metadata.jsonl."""
    with (folder / "metadata.jsonl").open("wb") as metadata:
        for photo in photos:
            place(photo.picture, folder / photo.file_name, link=job.settings.link)
            metadata.write(metadata_line(photo.file_name, photo.text, photo.photo_id))


def write_metadata(run: RunDirectory) -> int:
    """Write dataset/metadata.jsonl and the data set's card, and return how many photos are in the data set.

    A line per photo: {"file_name": "images/00000/ID.jpg", "text": [a caption, …], "photo_id": ID}, so that the
    folder opens with `datasets.load_dataset("imagefolder", data_dir=…)`. Nothing is written for a run without crops.
    Crops that are missing are cut again from the photos.
    What people changed in the file is kept first, see `RunDirectory.keep_corrections`.
    """
    run.keep_corrections()
    rows = pictured(run)
    first = next(rows, None)
    if first is None and not run.dataset.is_dir():
        return 0
    count, written = 0, run.written_texts()
    with replacing(run.metadata_path) as temporary:
        with temporary.open("wb") as file:
            for row, captioned in chain([first] if first else [], rows):
                name = run.image_path(row).relative_to(run.dataset).as_posix()
                texts = [caption.text for caption in captioned.captions]
                file.write(metadata_line(name, texts, row.photo_id))
                written.add(captioned)
                count += 1
        written.save(temporary)
    written.settle()
    write_text(run.dataset / "README.md", render_card(run, count, usage=USAGE, pictures=True))
    return count


WRITER = FormatWriter(write, USAGE, pictures=lambda _: True)
