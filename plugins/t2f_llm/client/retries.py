"""Retries with exponential back-off, shared by all requests to a server."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from text2face_core.errors import FuserError

from .http import NotNow, RequestRefused

T = TypeVar("T")

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
SPEAK_AFTER, SPEAK_EVERY = 3.0, 15.0


class GaveUp(RequestRefused):
    """A request failed too often, although the server may answer others."""


class Patience:
    """Retry policy shared by all requests of a batch.

    A request that fails while the server answers others is sent again `retries` times. While the server itself is
    unavailable, failures are not counted and all requests wait, until it has answered none of them for `seconds`.
    """

    def __init__(self, name: str, where: str, retries: int, seconds: float) -> None:
        self._name = name
        self._where = where
        self._retries = retries
        self._seconds = seconds
        self._failing_since: float | None = None
        self._not_before = 0.0
        self._spoke: float | None = None

    async def answer(self, send: Callable[[], Awaitable[T]]) -> T:
        """Call `send` until it does not raise NotNow, and return its result.

        Raises RequestRefused or GaveUp if only this request fails, FuserError if the server answers no request.
        """
        failures = tries = 0
        began: float | None = None
        while True:
            await self._turn()
            try:
                answer = await send()
            except NotNow as error:
                now = time.monotonic()
                self._failing_since = self._failing_since or now
                began = began or now
                failures += 1
                tries += not error.away
                pause = _pause(failures) if error.after is None else max(error.after, FIRST_PAUSE / 4)
                until = now + pause if error.away or error.after else now
                if until - self._failing_since > self._seconds:
                    raise self._over(error, now) from None
                if tries > self._retries or (error.away and until - began > self._seconds):
                    raise GaveUp(f"{error}, {failures} times") from None
                self._speak(error, now, until)
                if error.away:
                    self._not_before = max(self._not_before, until)
                else:
                    await asyncio.sleep(pause)
            else:
                self._recovered()
                return answer

    async def _turn(self) -> None:
        """Wait while the server is unavailable; then resume requests singly, not all at once."""
        while (left := self._not_before - time.monotonic()) > 0:
            await asyncio.sleep(left + random.uniform(0, 0.1) * min(left, 5))

    def _over(self, error: NotNow, now: float) -> FuserError:
        gone = now - (self._failing_since or now)
        asked = f" and asks for a pause of {error.after:.0f} s" if error.after else ""
        return FuserError(
            f"{self._where} has answered no request for {gone:.0f} s ({error}){asked}. Check that it runs; the same "
            f"command then resumes where this one stopped ({self._name}.patience={self._seconds:g} is the wait)"
        )

    def _speak(self, error: NotNow, now: float, until: float) -> None:
        since = self._failing_since or now
        if until - since < SPEAK_AFTER or (self._spoke is not None and now - self._spoke < SPEAK_EVERY):
            return
        self._spoke = now
        text = "%s does not answer (%s): waiting for it, %.0f s so far, up to %g s"
        log.warning(text, self._where, error, now - since, self._seconds)

    def _recovered(self) -> None:
        if self._spoke is not None and self._failing_since is not None:
            log.warning("%s answers again after %.0f s", self._where, time.monotonic() - self._failing_since)
        self._failing_since = self._spoke = None


def _pause(failures: int) -> float:
    """Seconds to wait: twice as long each time, less a random part up to half so that requests do not synchronise."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 10)) * random.uniform(0.5, 1))
