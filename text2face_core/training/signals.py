"""Graceful shutdown on SIGTERM and SIGINT."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether a signal asked to stop."""

    def __init__(self) -> None:
        self.wanted = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.wanted and number == signal.SIGINT:  # the second Ctrl-C stops at once
            raise KeyboardInterrupt
        self.wanted = True


@contextlib.contextmanager
def catch_signals(stop: StopRequest) -> Iterator[None]:
    """Turn SIGTERM and SIGINT into a stop request inside the `with` block.

    Outside the main thread, where Python allows no signal handlers, signals keep their effect.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop._on_signal) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
