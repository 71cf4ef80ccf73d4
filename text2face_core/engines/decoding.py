"""Batches of decoded photos, in order: read and decoded ahead of the models, within a budget of memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Condition

from .. import sources
from ..errors import BadPhoto, SourceError, UsageError
from ..images import ClosedError, Decoder, difference_hash
from ..pipeline import Decoded, Failure
from ..records import NOTHING_KNOWN, Known, Photo, PhotoRef, Pixels
from ..utils import content_digest

log = logging.getLogger(__name__)


class PhotoStream:
    """Decodes photos with a few threads, and hands them out in order.

    Pixels of photos that are decoded, or are in the batch that was handed out last, take at most `budget` bytes
    together, or are those of a single larger photo.

    Args:
        photos: The photos; taken a few at a time.
        decoder: Decodes each.
        max_bytes: Most bytes of a photo's file.
        threads: Photos that are read and decoded at once.
        ahead: Most photos that are begun before they are asked for.
        budget: Bytes of pixels.
    """

    def __init__(
        self, photos: Iterable[PhotoRef], decoder: Decoder, max_bytes: int, *, threads: int, ahead: int, budget: int
    ) -> None:
        self._photos, self._decoder, self._max_bytes = iter(photos), decoder, max_bytes
        self._ahead, self._budget = ahead, budget
        self._threads = ThreadPoolExecutor(threads, "decode")
        self._changed = Condition()
        self._results: dict[int, Decoded | BaseException] = {}
        self._begun = self._next = 0  # photos begun, and handed out
        self._admitted = 0  # photos that have room, or need none
        self._refused = -1  # the photo that waits for room
        self._held = 0  # bytes, of which those of each photo that was not handed out:
        self._room: dict[int, int] = {}
        self._closed = False

    def batches(self, count: int, size: int) -> Iterator[list[Decoded]]:
        """The next `count` photos in batches of `size`, or fewer if they are large.

        The pixels of a batch count as gone once the next batch is asked for.
        """
        end = self._next + count
        while self._next < end:
            batch: list[Decoded] = []
            taken = 0
            while self._next < end and len(batch) < size and 2 * taken < self._budget:
                place = self._next
                one = self._take(wait_for_room=not batch)
                if one is None:
                    break
                batch.append(one)
                taken += self._room.pop(place, 0)
            yield batch
            with self._changed:
                self._held -= taken
                self._changed.notify_all()

    def close(self) -> None:
        """End at once. Threads are not waited for, as a source may not answer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _take(self, *, wait_for_room: bool) -> Decoded | None:
        """The next photo; None if it has no room before the batch so far is gone."""
        while self._begun <= self._next + self._ahead:
            photo = next(self._photos, None)
            if photo is None:
                break
            self._threads.submit(self._work, self._begun, photo)
            self._begun += 1
        place = self._next

        def is_settled() -> bool:
            return place in self._results or (self._refused == place and not wait_for_room)

        with self._changed:
            self._changed.wait_for(is_settled)
            result = self._results.pop(place, None)
        if isinstance(result, BaseException):
            raise result
        if result is not None:
            self._next += 1
        return result

    def _work(self, place: int, photo: PhotoRef) -> None:
        result: Decoded | BaseException
        try:
            result = self._decode(photo, lambda count: self._admit(place, count))
            self._admit(place, 0)
        except BaseException as error:  # noqa: BLE001  handed to the thread that asks for the photo
            result = error
        with self._changed:
            self._results[place] = result
            self._changed.notify_all()

    def _admit(self, place: int, count: int) -> None:
        """Wait until it is this photo's turn to have so many bytes, and there is room. Once for each photo."""

        def has_room() -> bool:
            if self._closed:
                raise ClosedError
            if self._admitted != place:
                return self._admitted > place
            if not count or not self._held or self._held + count <= self._budget:
                return True
            if self._refused != place:
                self._refused = place
                self._changed.notify_all()
            return False

        with self._changed:
            self._changed.wait_for(has_room)
            if self._admitted == place:
                self._admitted += 1
                self._held += count
                self._room[place] = count
                self._changed.notify_all()

    def _decode(self, photo: PhotoRef, admit: Callable[[int], None]) -> Decoded:
        outcome: Photo | Failure
        look = ""
        try:
            pixels = self._pixels(photo.uri, admit)
            outcome, look = Photo(photo.photo_id, photo.uri, pixels), difference_hash(pixels)
        except SourceError as error:
            return Decoded(photo, Failure(str(error)))
        except (UsageError, ClosedError):
            raise
        except BadPhoto as error:
            outcome = Failure(str(error))
        except Exception as error:  # noqa: BLE001  whatever a source provokes, the other photos are analysed
            outcome = Failure(f"unreadable: {type(error).__name__}: {error}")
        return Decoded(photo, outcome, self._digest(photo.uri) if look else "", look, _known(photo.uri))

    def _pixels(self, uri: str, admit: Callable[[int], None]) -> Pixels:
        content: Path | bytes
        # Files are read by the decoder, which can be ended while it waits for one.
        is_file = sources.scheme_of(uri) == "file"
        content = sources.path_of(uri) if is_file else sources.open(uri, self._max_bytes)
        return self._decoder.decode(content, admit)

    def _digest(self, uri: str) -> str:
        """The digest of a file that was just read; empty for photos of other sources."""
        if sources.scheme_of(uri) != "file":
            return ""
        try:
            return content_digest(sources.open(uri, self._max_bytes))
        except BadPhoto:
            return ""


def _known(uri: str) -> Known:
    """What the photo's source knows about it; nothing if that cannot be read."""
    try:
        return sources.known(uri)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a source provokes, the photo is analysed
        log.warning("what is known about %s is left out: %s", uri, error)
        return NOTHING_KNOWN
