"""imagefolder: metadata.jsonl beside pictures, as the `datasets` library opens it and `t2f export` writes it."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from text2face_core.errors import SourceError

from ._data import Captions, Dataset
from ._pictures import Picture

# The first is ours and that of most imagefolders, the last img2dataset's.
FIELDS = ("text", "captions", "caption")


def captions_of(row: Mapping[str, Any]) -> Captions:
    """The captions in a line of metadata.jsonl or a shard's json: a text or a list of them, perhaps with `style`."""
    found = next((row[name] for name in FIELDS if row.get(name)), ())
    texts = [found] if isinstance(found, str) else list(found) if isinstance(found, list | tuple) else []
    styles = row.get("style") or ()
    styles = [styles] if isinstance(styles, str) else list(styles)
    if len(styles) != len(texts):
        styles = [""] * len(texts)
    return tuple(
        (text.strip(), str(style or ""))
        for text, style in zip(texts, styles, strict=True)
        if isinstance(text, str) and text.strip()
    )


class ImageFolder(Dataset):
    """Lines of metadata.jsonl: {"file_name": "images/1.jpg", "text": "…" or ["…", …]}, read where they lie."""

    def __init__(self, folder: Path) -> None:
        self.source = folder
        self._path = folder / "metadata.jsonl"
        self._offsets = array("q")
        digest = hashlib.blake2b(digest_size=16)
        try:
            with self._path.open("rb") as file:
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
            raise SourceError(f"{self._path} cannot be read: {error.strerror}. Check its permissions") from error
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._offsets)

    def key(self, index: int) -> str:
        """The line's file_name."""
        return str(self._row(index)["file_name"])

    def captions(self, index: int) -> Captions:
        """The line's texts."""
        return captions_of(self._row(index))

    def picture(self, index: int) -> Picture:
        """The file that the line names."""
        return Picture(str(self.source / self.key(index)))

    def _row(self, index: int) -> dict[str, Any]:
        with self._path.open("rb") as file:
            file.seek(self._offsets[index])
            row: dict[str, Any] = json.loads(file.readline())
        return row

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise SourceError(f"line {number} of {self._path} is no JSON ({error}). Mend or remove the line") from error
        if not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
            raise SourceError(
                f'line {number} of {self._path} names no picture: each line needs "file_name" and "text"'
                + (f", and this one has {', '.join(map(repr, row))}" if isinstance(row, dict) else "")
            )
        name = PurePosixPath(row["file_name"])
        if name.is_absolute() or ".." in name.parts:
            raise SourceError(
                f"line {number} of {self._path} names {name}, which lies outside the folder. "
                "Pictures of an imagefolder lie inside it: copy or link this one there"
            )
        return row
