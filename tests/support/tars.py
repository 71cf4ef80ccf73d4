"""Tars as img2dataset writes them, and hostile tars."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], form: int = tarfile.USTAR_FORMAT) -> Path:
    """A tar with these members, in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_shard(path: Path, photos: Iterable[Path], alt_texts: Mapping[str, str] | None = None) -> Path:
    """A shard of img2dataset: NNNNNNNNN.jpg, .json and .txt for each photo."""
    members: list[tuple[str, bytes]] = []
    for number, photo in enumerate(photos):
        key, text = f"{number:09d}", (alt_texts or {}).get(photo.name, f"a picture of {photo.stem}")
        about = {"caption": text, "url": f"https://example.org/{photo.name}", "key": key, "status": "success"}
        members += [
            (f"{key}{photo.suffix}", photo.read_bytes()),
            (f"{key}.json", json.dumps(about).encode()),
            (f"{key}.txt", text.encode()),
        ]
    return write_tar(path, members)
