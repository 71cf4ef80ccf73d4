"""New photos of a large run, appended without holding the list in memory.

Of each photo that is known, 16 bytes are held: its id, and a digest of its address. If anything else has changed, the
lists are compared in full, see `changes`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from ..records import PhotoRef

BATCH = 8192
Numbers = npt.NDArray[np.uint64]


class OtherChange(Exception):
    """Photos were changed, moved or removed."""


class Growth:
    """A run's photos with those of a new listing that are new.

    Args:
        known: The run's photos, twice: they are read to be known, and again when the list is written.
        count: How many there are.
    """

    def __init__(self, known: Iterable[PhotoRef], count: int) -> None:
        self.added = 0
        self._ids, self._uris = np.empty(count, np.uint64), np.empty(count, np.uint64)
        self.is_simple = True
        self.last_chunk = -1
        for place, photo in enumerate(known):
            self._ids[place], self._uris[place] = int(photo.photo_id, 16), _digest(photo.uri)
            self.is_simple &= not photo.gone and photo.size < 0
            self.last_chunk = max(self.last_chunk, photo.chunk)
        order = np.argsort(self._ids)
        self._ids, self._uris = self._ids[order], self._uris[order]
        self._seen = np.zeros(count, bool)

    def new(self, listed: Iterable[PhotoRef], chunk_size: int) -> Iterator[PhotoRef]:
        """Yield the photos that are not known, in chunks of their own.

        Raises:
            OtherChange: A photo has another address, or is not listed any more.
        """
        rest = iter(listed)
        while batch := list(islice(rest, BATCH)):
            ids = np.array([int(photo.photo_id, 16) for photo in batch], np.uint64)
            places = np.minimum(np.searchsorted(self._ids, ids), max(0, len(self._ids) - 1))
            is_known = self._ids[places] == ids if len(self._ids) else np.zeros(len(ids), bool)
            uris = np.array([_digest(photo.uri) for photo in batch], np.uint64)
            if (self._uris[places[is_known]] != uris[is_known]).any():
                raise OtherChange
            self._seen[places[is_known]] = True
            for photo in (batch[place] for place in np.flatnonzero(~is_known)):
                yield PhotoRef(photo.photo_id, photo.uri, self.last_chunk + 1 + self.added // chunk_size)
                self.added += 1
        if not self._seen.all():
            raise OtherChange


def _digest(uri: str) -> int:
    return int.from_bytes(hashlib.blake2b(uri.encode("utf-8", "surrogateescape"), digest_size=8).digest())
