"""Parts shared by the formats: captions in a row of metadata, and safe paths of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ..errors import SourceError
from ..records import Captions

# The first is ours and that of most imagefolders, the last img2dataset's.
FIELDS = ("text", "captions", "caption")


def captions_of(row: Mapping[str, Any]) -> Captions:
    """The captions in a line of metadata.jsonl or a shard's json: a text or a list of texts, perhaps with `style`."""
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


def check_inside(name: str, where: str) -> str:
    """The name of an image, if it is inside its folder; `where` says which line names it. Raises SourceError."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise SourceError(
            f"{where} names {name}, which is outside the folder. "
            "Images of an imagefolder must be inside it: copy or link this image there"
        )
    return name
