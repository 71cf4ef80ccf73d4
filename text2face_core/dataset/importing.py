"""Read captions that people changed elsewhere back into the run that they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from ..errors import NothingToDo
from ..run import RunDirectory
from ..sources import path_of
from .formats.imagefolder import write_metadata
from .open import open_dataset
from .selection import exported_stem

AMBIGUOUS = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read back: captions that were changed or added, photos that have any, and names of no photo."""

    captions: int
    photos: int
    unknown: tuple[str, ...]


def import_captions(run: RunDirectory, source: Path) -> Imported:
    """Take over captions from an export of the run that people edited, in any format that `open_dataset` reads.

    Photos are found by their id, else by the name of their file. Captions that the run already has are left alone;
    others become corrections, as if they had been changed in metadata.jsonl. No caption is removed, and a photo whose
    line was removed from metadata.jsonl stays without captions.

    Raises SourceError if `source` is not a data set, NothingToDo if none of its photos is in the run.
    """
    names = _names(run)
    edited: dict[str, tuple[str, ...]] = {}
    unknown = []
    for photo in open_dataset(source):
        stem = PurePosixPath(photo.key.partition(" #")[0]).stem
        photo_id = names.get(stem, AMBIGUOUS)
        if photo_id == AMBIGUOUS:
            unknown.append(photo.key)
        else:
            edited[photo_id] = tuple(text for text, _ in photo.captions)
    if not edited:
        raise NothingToDo(
            f"none of the {len(unknown)} images in {source} is a photo of {run.path}: they must have the photo's id or "
            f"file name, as t2f export gives them. The first is {unknown[0]}"
        )
    run.keep_corrections()
    corrections, wording = run.corrections(), run.wording
    removed = corrections.removed
    when = datetime.now(UTC).isoformat(timespec="seconds")
    captions = photos = 0
    for row, captioned in run.rows():
        if row.photo_id in edited and row.photo_id not in removed:
            known = [(number, caption.text) for number, caption in wording.apply(captioned).numbered]
            changed = _changes(known, edited[row.photo_id])
            new = corrections.add(row.photo_id, {number: wording.strip(text) for number, text in changed.items()}, when)
            captions += new
            photos += new > 0
    run.replace_corrections(corrections)
    write_metadata(run)
    return Imported(captions, photos, tuple(unknown))


def _changes(known: Sequence[tuple[int, str]], texts: Sequence[str]) -> dict[int, str]:
    """Texts that the photo does not have, in place of captions that are missing among `texts`, else after the last."""
    given, had = {_one_line(text) for text in texts}, {_one_line(text) for _, text in known}
    new = [text for text in texts if _one_line(text) not in had]
    free = [number for number, text in known if _one_line(text) not in given]
    after = max((number for number, _ in known), default=-1) + 1
    return dict(zip([*free, *range(after, after + len(new))], new, strict=False))


def _names(run: RunDirectory) -> dict[str, str]:
    """The photos by id and by the stem of their file; a stem that several photos have stands for none."""
    names: dict[str, str] = {}
    photos = run.photos()
    for photo in photos:
        for stem in {path_of(photo.uri).stem, exported_stem(photo.uri)}:
            names[stem] = AMBIGUOUS if stem in names else photo.photo_id
    return names | {photo.photo_id: photo.photo_id for photo in photos}


def _one_line(text: str) -> str:
    return " ".join(text.split())
