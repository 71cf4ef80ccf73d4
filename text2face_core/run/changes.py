"""Photos that changed since they were listed: replaced under their name, gone, or moved.

A photo counts as unchanged if its file has the same size and modification time, so unchanged files are not read.
Otherwise, files with the size of a missing photo are read: a file with the content of an analysed photo is that photo,
under whatever name, and its analysis is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from .. import sources
from ..errors import BadPhoto, SourceError
from ..records import PhotoRef
from ..sources import path_of, scheme_of
from ..utils import content_digest, photo_id_of

Stamp = tuple[int, int]
UNKNOWN: Stamp = (-1, -1)

Contents = Callable[[PhotoRef], str]
"""Digest of the content of a photo's file when it was analysed; empty if unknown."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes among a run's photos since they were last listed.

    added: number of new photos. changed: replaced under the same name. gone: no longer listed. back: number of photos
    that are listed again. moved: renamed photos, with the new name. none_found: whether no photo of the run was listed,
    in which case none is marked as gone.
    """

    added: int = 0
    changed: tuple[PhotoRef, ...] = ()
    gone: tuple[PhotoRef, ...] = ()
    back: int = 0
    moved: tuple[PhotoRef, ...] = ()
    none_found: bool = False

    def messages(self) -> list[str]:
        """One line for each kind of change."""
        lines = []
        if self.none_found:
            lines.append("none of the run's photos was found (is a disk missing?): the run is left unchanged")
        if self.added:
            lines.append(f"{self.added} new photo(s)")
        if self.moved:
            lines.append(f"{len(self.moved)} photo(s) were moved or renamed: their captions are kept")
        if self.changed:
            lines.append(f"{len(self.changed)} photo(s) were replaced by other files: they are analysed again")
        if self.gone:
            lines.append(
                f"{len(self.gone)} photo(s) are gone: data sets, exports and the report leave them out, and their "
                "crops are deleted. --redo also deletes what was found on them"
            )
        if self.back:
            lines.append(f"{self.back} photo(s) are back")
        return lines


def compare_photos(
    before: Sequence[PhotoRef],
    listed: Sequence[PhotoRef],
    chunk_size: int,
    contents: Contents = lambda _: "",
    *,
    thorough: bool = False,
) -> tuple[list[PhotoRef], Changes]:
    """Compare a run's photos with a new listing of its source; return the updated list, and what changed.

    New photos are in chunks of their own. contents: what was analysed. thorough: also read files whose size and time
    are unchanged.
    """
    stamps = {one.uri: stamp_of(one.uri) for one in listed}
    places = {photo.uri: place for place, photo in enumerate(before)}
    contents = cache(contents)
    same = {
        places[one.uri]
        for one in listed
        if one.uri in places and _is_same(before[places[one.uri]], stamps[one.uri], contents, thorough=thorough)
    }
    others = [one for one in listed if places.get(one.uri, -1) not in same]
    found = _match(others, stamps, [place for place in range(len(before)) if place not in same], before, contents)

    photos = list(before)
    changed: dict[int, PhotoRef] = {}
    moved: list[PhotoRef] = []
    seen = same | set(found.values())
    new: list[PhotoRef] = []
    for one in listed:
        place = found.get(one.uri, places.get(one.uri, -1))
        if place >= 0 and one.uri not in found and place not in same:
            if place in found.values():  # its photo has moved, and another has taken its name
                place = -1
            else:
                changed[place] = before[place]
                seen.add(place)
        if place < 0:
            new.append(one)
            continue
        size, modified = stamps[one.uri] if stamps[one.uri] != UNKNOWN else before[place].stamp
        photos[place] = replace(before[place], uri=one.uri, size=size, modified=modified, gone=False)
        if one.uri != before[place].uri:
            moved.append(photos[place])
    back = sum(before[place].gone for place in seen)
    gone = []
    if seen or not before:
        for place, old in enumerate(before):
            if place not in seen and not old.gone and _is_gone(old.uri):
                gone.append(old)
                photos[place] = replace(old, gone=True)
    photos += _added(new, stamps, before, chunk_size)
    none_found = bool(before) and not seen
    return photos, Changes(len(new), tuple(changed.values()), tuple(gone), back, tuple(moved), none_found)


def _is_same(old: PhotoRef, stamp: Stamp, contents: Contents, *, thorough: bool) -> bool:
    """Whether the file of a photo that is still listed under its name has the same content."""
    if UNKNOWN in (stamp, old.stamp) or (stamp == old.stamp and not thorough):
        return True  # a file that cannot be accessed now raises its own error when it is read
    known = contents(old) if stamp[0] == old.size else ""
    return known == _digest(old.uri) if known else stamp == old.stamp


def _match(
    others: Sequence[PhotoRef],
    stamps: dict[str, Stamp],
    free: Iterable[int],
    before: Sequence[PhotoRef],
    contents: Contents,
) -> dict[str, int]:
    """Match listed files to photos that had another name: by address, the photo's place in the list."""
    by_size: dict[int, list[int]] = {}
    for place in free:
        by_size.setdefault(before[place].size, []).append(place)
    found: dict[str, int] = {}
    for one in others:
        stamp = stamps[one.uri]
        candidates = by_size.get(stamp[0], []) if stamp != UNKNOWN else []
        for place in candidates:
            known = contents(before[place])
            if known == _digest(one.uri) if known else stamp == before[place].stamp:
                found[one.uri] = place
                candidates.remove(place)
                break
    return found


def _added(
    new: Sequence[PhotoRef], stamps: dict[str, Stamp], before: Sequence[PhotoRef], chunk_size: int
) -> list[PhotoRef]:
    taken = {photo.photo_id for photo in before}
    first = 1 + max((photo.chunk for photo in before), default=-1)
    added = []
    for number, one in enumerate(new):
        photo_id, unique = one.photo_id, one.uri
        while photo_id in taken:  # by a photo that had this name before it moved
            photo_id = photo_id_of(unique)
            unique += "/"
        taken.add(photo_id)
        added.append(PhotoRef(photo_id, one.uri, first + number // chunk_size, *stamps[one.uri]))
    return added


def _digest(uri: str) -> str:
    try:
        return content_digest(sources.open(uri))
    except (BadPhoto, SourceError):
        return ""


def stamp_of(uri: str) -> Stamp:
    """Size and modification time in nanoseconds; UNKNOWN if the file cannot be accessed, or is not a file."""
    if scheme_of(uri) != "file":
        return UNKNOWN
    try:
        status = os.stat(path_of(uri))  # noqa: PTH116  called for each of a million photos
    except (OSError, ValueError):
        return UNKNOWN
    return status.st_size, status.st_mtime_ns


def _is_gone(uri: str) -> bool:
    """Whether an unlisted photo was deleted, or still exists but was taken out of the list.

    A photo in a folder that may not be read is out of reach, not gone.
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
