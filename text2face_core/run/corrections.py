"""Captions corrected by people: stored apart from the fusers' captions, and applied whenever a run is read.

A person edits dataset/metadata.jsonl. Lines that differ from what was last written there are corrections. They are
stored in review/captions.parquet, one row per caption: photo_id, number (which of the photo's captions), text (null if
the caption was removed) and when. They are kept when another fuser writes new captions. A removed line has a single row
with the number -1: the photo then only has captions that people write for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..records import Bag, Caption, CaptionRow, Captions
from ..utils import checked_id
from .tables import read_rows, write_rows
from .written import REMOVED, find_edits

PERSON = "person"
"""The fuser name of a caption that a person wrote."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A person's correction of a caption: its new text, or None if they removed it."""

    text: str | None
    when: str


class Corrections:
    """Corrections by photo and caption number."""

    def __init__(self) -> None:
        self._by_photo: dict[str, dict[int, Correction]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_photo.values()))

    def of(self, photo_id: str) -> dict[int, str | None]:
        """The photo's corrected texts by caption number; None for a removed caption."""
        return {number: found.text for number, found in self._by_photo.get(photo_id, {}).items()}

    def add(self, photo_id: str, texts: Mapping[int, str | None], when: str) -> int:
        """Add these texts and return how many are new; a text that is already known keeps its time.

        If the photo's line was removed, all its other corrections are dropped.
        """
        kept = self._by_photo.setdefault(photo_id, {})
        if REMOVED in texts and kept.keys() != {REMOVED}:
            kept.clear()
        new = {number: text for number, text in texts.items() if number not in kept or kept[number].text != text}
        kept |= {number: Correction(text, when) for number, text in new.items()}
        return len(new)

    @property
    def removed(self) -> set[str]:
        """Photos whose lines people removed and did not put back."""
        return {photo_id for photo_id, kept in self._by_photo.items() if kept.keys() == {REMOVED}}

    def drop(self, photo_ids: Collection[str]) -> int:
        """Remove the corrections of these photos, and return how many captions they concerned."""
        return sum(len(self._by_photo.pop(photo_id, {})) for photo_id in photo_ids)

    def apply(self, row: CaptionRow) -> CaptionRow:
        """The photo's captions with corrections applied; corrected captions have the fuser "person"."""
        texts = self.of(row.photo_id)
        if not texts:
            return row
        written = dict(enumerate(row.captions))
        made = {number: _caption(text, written.get(number)) for number, text in texts.items() if text}
        known = {} if REMOVED in texts else written
        numbers = sorted((known.keys() - texts.keys()) | made.keys())
        captions = tuple(made.get(number) or known[number] for number in numbers)
        return CaptionRow(row.photo_id, captions, tuple(numbers))

    def apply_texts(self, photo_id: str, captions: Captions) -> Captions:
        """Like `apply`, for pairs of text and style."""
        texts = self.of(photo_id)
        written = dict(enumerate(captions))
        made = {number: (text, written.get(number, ("", ""))[1]) for number, text in texts.items() if text}
        known = {} if REMOVED in texts else written
        return tuple(
            made.get(number) or known[number] for number in sorted((known.keys() - texts.keys()) | made.keys())
        )

    def rows(self) -> list[dict[str, Any]]:
        """One row per correction, in order of photos."""
        return [
            {"photo_id": photo_id, "number": number, "text": found.text, "when": found.when}
            for photo_id, by_number in sorted(self._by_photo.items())
            for number, found in sorted(by_number.items())
        ]


def _caption(text: str, before: Caption | None) -> Caption:
    if before is None:
        return Caption(text, PERSON, "", 1, Bag(()), (), (), ())
    return replace(
        before, text=text, fuser=PERSON, tries=1, mentioned=(), missed=(), invented=(), tokens=0, refusals=()
    )


def read_corrections(path: Path) -> Corrections:
    """Read the stored corrections; empty if there is no such file. Raises DamagedTable if the file is damaged."""
    corrections = Corrections()
    for row in read_rows(path) if path.is_file() else ():
        corrections.add(checked_id(row["photo_id"], path), {row["number"]: row["text"]}, row["when"])
    return corrections


def add_edits(corrections: Corrections, written: Path, metadata: Path, photo_ids: Callable[[], Iterable[str]]) -> int:
    """Add the captions edited by hand in `metadata` since it was `written`, and return how many are new.

    photo_ids: returns the run's photos; only called if lines are missing.
    Raises RunError if a line of metadata.jsonl is not valid JSON.
    """
    edits = find_edits(written, metadata, photo_ids, corrections.removed)
    when = datetime.fromtimestamp(metadata.stat().st_mtime, UTC).isoformat(timespec="seconds") if edits else ""
    return sum(corrections.add(photo_id, texts, when) for photo_id, texts in edits.items())


def write_corrections(path: Path, corrections: Corrections) -> None:
    """Write the corrections to `path`, atomically."""
    import pyarrow as pa

    text = pa.string()
    schema = pa.schema({"photo_id": text, "number": pa.int32(), "text": text, "when": text})
    write_rows(path, corrections.rows(), schema, {})
