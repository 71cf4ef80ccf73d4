"""Photos that changed since they were listed: replaced under their name, gone, or moved.

A photo counts as unchanged while the size and the modification time of its file are the same, which costs no reading.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..records import PhotoRef
from ..sources import path_of, scheme_of

Stamp = tuple[int, int]
UNKNOWN: Stamp = (-1, -1)


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of a run's photos since they were listed last.

    added: how many are new, those that moved included. changed: replaced under their name. gone: no longer listed.
    back: how many are listed again. moved: how many of those gone have the same size and time as a new one.
    none_found: whether no photo of the run was listed, so that none was marked as gone.
    """

    added: int = 0
    changed: tuple[PhotoRef, ...] = ()
    gone: tuple[PhotoRef, ...] = ()
    back: int = 0
    moved: int = 0
    none_found: bool = False

    def messages(self) -> list[str]:
        """A line for each kind of change."""
        said = []
        if self.none_found:
            said.append("none of the run's photos was found (is a disk missing?): the run stays as it is")
        if self.added:
            moved = f", {self.moved} of them moved or renamed" if self.moved else ""
            said.append(f"{self.added} new photo(s){moved}")
        if self.changed:
            said.append(f"{len(self.changed)} photo(s) were replaced by other files: they are analysed again")
        if self.gone:
            said.append(
                f"{len(self.gone)} photo(s) are gone: data sets, exports and the report leave them out, and their "
                "crops are deleted. --redo also deletes what was found on them"
            )
        if self.back:
            said.append(f"{self.back} photo(s) are back")
        return said


def compare_photos(
    before: Sequence[PhotoRef], listed: Sequence[PhotoRef], chunk_size: int
) -> tuple[list[PhotoRef], Changes]:
    """The photos of a run after its source was listed again, new ones in chunks of their own, and what changed."""
    places = {photo.photo_id: place for place, photo in enumerate(before)}
    uris = {photo.uri: place for place, photo in enumerate(before)}
    photos = list(before)
    new: list[tuple[PhotoRef, Stamp]] = []
    seen, changed = set[int](), []
    for one in listed:
        stamp = stamp_of(one.uri)
        place = places.get(one.photo_id, uris.get(one.uri, -1))
        if place < 0:
            new.append((one, stamp))
            continue
        seen.add(place)
        old = before[place]
        if stamp != old.stamp and UNKNOWN not in (stamp, old.stamp):
            changed.append(old)
        if stamp == UNKNOWN:  # it cannot be looked at now: an error of its own, when it is read
            stamp = old.stamp
        photos[place] = replace(old, size=stamp[0], modified=stamp[1], gone=False)
    gone, back = [], sum(before[place].gone for place in seen)
    if seen or not before:
        for place, old in enumerate(before):
            if place not in seen and not old.gone and _is_gone(old.uri):
                gone.append(old)
                photos[place] = replace(old, gone=True)
    first = 1 + max((photo.chunk for photo in before), default=-1)
    photos += [
        PhotoRef(one.photo_id, one.uri, first + place // chunk_size, *stamp) for place, (one, stamp) in enumerate(new)
    ]
    stamps = Counter(stamp for _, stamp in new if stamp != UNKNOWN)
    moved = (Counter(photo.stamp for photo in gone) & stamps).total()
    none_found = bool(before) and not seen
    return photos, Changes(len(new), tuple(changed), tuple(gone), back, moved, none_found)


def stamp_of(uri: str) -> Stamp:
    """Size and modification time in nanoseconds; UNKNOWN if the file cannot be looked at, or is not a file."""
    if scheme_of(uri) != "file":
        return UNKNOWN
    try:
        status = os.stat(path_of(uri))  # noqa: PTH116  called for each of a million photos
    except (OSError, ValueError):
        return UNKNOWN
    return status.st_size, status.st_mtime_ns


def _is_gone(uri: str) -> bool:
    """Whether a photo that is not listed is not there, or is there and was taken out of the list.

    It may only be out of reach, in a folder without the right to read it; then it is not gone.
    """
    if scheme_of(uri) != "file":
        return True
    try:
        os.stat(path_of(uri))  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return os.access(path_of(uri).parent, os.R_OK | os.X_OK)
