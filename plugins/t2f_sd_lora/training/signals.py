"""A wish to stop, from the system or the keyboard, that waits until the step is done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.wanted = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.wanted and number == signal.SIGINT:  # the second Ctrl-C: at once
            raise KeyboardInterrupt
        self.wanted = True


@contextlib.contextmanager
def listening() -> Iterator[Stop]:
    """Take SIGTERM and SIGINT as wishes while this lasts; outside the main thread, where that cannot be, as before."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {one: signal.signal(one, stop._on_signal) for one in STOPPING}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
