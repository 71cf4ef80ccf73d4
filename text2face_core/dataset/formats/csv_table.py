"""metadata.csv: the table of an imagefolder with the columns `file_name` and `text`."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

from ...contracts import CaptionedDataset
from ...errors import SourceError
from ...records import Captions
from ..base import FIELDS, check_inside
from ..images import ImageRef


class CsvTable(CaptionedDataset):
    """Rows of metadata.csv. Rows with the same `file_name` are captions of the same image; texts are held in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._texts: dict[str, list[str]] = {}
        digest = hashlib.blake2b(digest_size=16)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                self._read(csv.reader(file, strict=True))
            digest.update(path.read_bytes())
        except (OSError, ValueError, csv.Error) as error:
            raise SourceError(f"{path} cannot be read as CSV in UTF-8: {error}. Save it again in that form") from error
        self._names = [name for name, texts in self._texts.items() if texts]
        self.without_captions = len(self._texts) - len(self._names)
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._names)

    def key(self, index: int) -> str:
        """The row's file_name."""
        return self._names[index]

    def captions(self, index: int) -> Captions:
        """The texts of all rows with this file_name."""
        return tuple((text, "") for text in self._texts[self._names[index]])

    def image(self, index: int) -> ImageRef:
        """The file that the row names."""
        return ImageRef(str(self.path.parent / self._names[index]))

    def remedy(self) -> str:
        """What a row needs."""
        return "Each row needs a caption in the column text"

    def _read(self, rows: Any) -> None:
        header = [name.strip() for name in next(rows, [])]
        text = next((name for name in FIELDS if name in header), None)
        if "file_name" not in header or text is None:
            raise SourceError(
                f"{self.path} needs the columns file_name and text in its first line; it has: "
                f"{', '.join(header) or 'nothing'}"
            )
        name_at, text_at = header.index("file_name"), header.index(text)
        for row in filter(None, rows):
            if len(row) <= name_at or not row[name_at].strip():
                raise SourceError(f"line {rows.line_num} of {self.path} names no picture. Fix or remove it")
            name = check_inside(row[name_at].strip(), f"line {rows.line_num} of {self.path}")
            texts = self._texts.setdefault(name, [])
            if len(row) > text_at and (caption := row[text_at].strip()):
                texts.append(caption)
