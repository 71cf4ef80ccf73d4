"""Columns of a table of photos: which of them holds the image, and what else a row says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from text2face_core.contracts import Options
from text2face_core.errors import SourceError
from text2face_core.records import Finding, Known

IMAGES = ("image", "img", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes", "picture", "photo")
PATHS = ("image_path", "file_name", "filename", "filepath", "path", "url", "image_url")
ALT_TEXTS = ("alt_text", "alt", "text", "caption", "title")


class ColumnOptions(Options):
    """Which columns hold what."""

    image: str = Field("", description="column of the image: bytes, {bytes, path}, a path or a URL; empty: by its name")
    alt_text: str = Field("", description="column of the alternative text; empty: by its name; -: none")
    captions: tuple[str, ...] = Field((), description="columns of captions by people: texts, or lists of texts")
    labels: dict[str, str] = Field({}, description="columns of labels by people, each with the finding that it states")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one table.

    Attributes:
        source: What reads the image.
        alt_text: The column, or "".
        captions: The columns.
        labels: Findings by column.
    """

    source: str
    alt_text: str
    captions: tuple[str, ...]
    labels: Mapping[str, str]

    @classmethod
    def choose(cls, options: ColumnOptions, names: Sequence[str], where: str) -> Columns:
        """Choose from the names of a table's columns.

        Raises:
            SourceError: A named column does not exist, or none looks like an image.
        """
        for name in (options.image, *options.captions, *options.labels, options.alt_text.removeprefix("-")):
            if name and name not in names:
                raise SourceError(f'{where} has no column "{name}"; it has {_listed(names)}')
        image = options.image or _first(names, (*IMAGES, *PATHS))
        if not image:
            raise SourceError(f"{where} has no column that looks like an image: it has {_listed(names)}. Set image")
        alt_text = options.alt_text or _first(names, ALT_TEXTS)
        taken = {"-", image, *options.captions, *options.labels}
        return cls(image, "" if alt_text in taken else alt_text, options.captions, options.labels)

    @property
    def needed(self) -> list[str]:
        """The columns to read."""
        return list(dict.fromkeys(name for name in (self.source, self.alt_text, *self.captions, *self.labels) if name))

    def image(self, row: Mapping[str, Any]) -> tuple[bytes | None, str]:
        """The image's bytes, or None and its path or URL, which is empty if the row has neither."""
        value = row.get(self.source)
        if isinstance(value, Mapping):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value), ""
        return None, value if isinstance(value, str) else ""

    def known(self, row: Mapping[str, Any]) -> Known:
        """What the row says besides the image."""
        captions = [text for name in self.captions for text in _texts(row.get(name))]
        found = [(finding, row.get(name)) for name, finding in self.labels.items()]
        labels = tuple(Finding(name, value, 1.0) for name, value in found if value is not None and _is_value(value))
        return Known(" ".join(_texts(row.get(self.alt_text))), tuple(captions), labels)


def _is_value(value: Any) -> bool:
    return isinstance(value, bool | str) or (isinstance(value, int | float) and math.isfinite(value))


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text.strip() for text in values if isinstance(text, str) and text.strip()]


def _first(names: Sequence[str], wanted: Sequence[str]) -> str:
    """The first wanted name that there is, in any case: LAION's columns are URL and TEXT."""
    by_name = {name.lower(): name for name in reversed(names)}
    return next((by_name[name] for name in wanted if name in by_name), "")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:20]))
    return f"{shown}, …" if len(names) > 20 else shown or "none"
