"""Parts of a chunk, sized so that progress can be reported every few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

FIRST = 8
SOON, LATE = 5.0, 20.0
"""Seconds: a part that is done sooner is followed by one twice as large, a later one by one of half the size."""


class Parts:
    """Cuts chunks into parts by how long the last part took: a language model may need seconds or hours for a chunk.

    last: seconds that the part before took.
    """

    def __init__(self, first: int = FIRST) -> None:
        self._size = first
        self.last = 0.0

    def __call__(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        """The items in order; the time until the next part is asked for is the time that a part takes."""
        at = 0
        while at < len(items):
            part = items[at : at + self._size]
            began = time.monotonic()
            yield part
            self.last = time.monotonic() - began
            at += len(part)
            if self.last < SOON and len(part) == self._size:
                self._size *= 2
            elif self.last > LATE:
                self._size = max(1, self._size // 2)
