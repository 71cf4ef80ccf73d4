"""Decode photos in separate processes, with limits on memory and time."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET
from typing import Protocol

import numpy as np

from ..errors import BadPhoto, RunError
from ..records import Pixels
from ..utils import read_regular
from .decode import DEFAULT_LIMITS, DecodeLimits, join_strips, load_strips, open_image
from .template import CAN_FORK, Template, shared_template
from .wire import (
    CONTENT,
    FILE,
    GO,
    LENGTH,
    NO_MEMORY,
    NO_MEMORY_CODE,
    PIXELS,
    REFUSED,
    REPLY,
    ROWS,
    SIZE,
    STILL_THERE,
    receive,
    receive_into,
)

log = logging.getLogger(__name__)

Admit = Callable[[int], None]
"""Called with the bytes of a photo's pixels when its header is known; may wait until there is room for them."""

WALL_FACTOR = 3.0
"""A worker that waits, for a file or on a busy machine, is ended after this many times its limit of CPU time."""
_LONGEST_REASON = 10_000


class Decoder(Protocol):
    """Decodes photos for several threads at once."""

    def decode(self, source: Path | bytes, admit: Admit = ..., /) -> Pixels:
        """The photo as `decode_image` gives it. Raises BadPhoto."""
        ...

    def close(self) -> None:
        """End at once; photos that are being decoded fail."""
        ...


class ThreadDecoder:
    """Decodes in this process, for systems that cannot start others."""

    def __init__(self, limits: DecodeLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    def decode(self, source: Path | bytes, admit: Admit = lambda _: None) -> Pixels:
        """The photo as `decode_image` gives it. Raises BadPhoto."""
        content = source if isinstance(source, bytes) else read_regular(source, self._limits.max_bytes)
        image = open_image(content, self._limits)
        admit(3 * image.width * image.height)
        return join_strips(*load_strips(image))

    def close(self) -> None:
        """Nothing to end."""


def open_decoder(limits: DecodeLimits = DEFAULT_LIMITS, workers: int = 2) -> Decoder:
    """A pool of decoder processes; threads of this process if the system cannot start processes."""
    if not CAN_FORK:
        return ThreadDecoder(limits)
    try:
        return DecoderPool(limits, workers)
    except OSError as error:
        log.warning("photos are decoded without limits of time and memory: no process can be started (%s)", error)
        return ThreadDecoder(limits)


class ClosedError(Exception):
    """The pool was closed while a photo was being decoded."""


class _DecoderDied(Exception):
    """A worker ended, or has to be ended, over a photo. reason: for its row. again: whether another try may help."""

    def __init__(self, reason: str, *, again: bool = True) -> None:
        super().__init__(reason)
        self.again = again


class DecoderPool:
    """Processes that decode photos: a process for each thread that calls `decode`.

    A photo whose worker crashes, runs out of memory or takes too long affects only that worker. Unless it was too slow,
    it is tried once more, in a new worker while no other photo is decoded, so that it does not fail because of others.

    Args:
        limits: Limits on photos, and on the time and memory of decoding each.
        workers: Largest number of processes at once.

    Raises:
        OSError: No process can be started.
    """

    def __init__(self, limits: DecodeLimits = DEFAULT_LIMITS, workers: int = 2) -> None:
        self._limits = limits
        self._template = shared_template()
        self._free = threading.Semaphore(workers)
        self._lock = threading.Lock()
        self._turns = _Turns()
        self._closed = False
        self._idle = [_Worker(self._template, limits)]  # shows that the template works
        self._all = set(self._idle)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        with self._lock:
            return sorted(worker.pid for worker in self._all)

    def decode(self, source: Path | bytes, admit: Admit = lambda _: None) -> Pixels:
        """The photo as `decode_image` gives it.

        Args:
            source: The file, or its content.
            admit: Called once with the size of the pixels in bytes before they are decoded, if they are; may wait.

        Raises:
            BadPhoto: As `decode_image`, or with the reason why the worker ended: "crashed the decoder (SIGSEGV)",
                "too slow: …", "too large: …".
            ClosedError: The pool was closed in the meantime.
            RunError: No process can be started any more.
        """
        admitted = False

        def admit_once(count: int) -> None:
            nonlocal admitted
            if not admitted:
                admitted = True
                admit(count)

        with self._free:
            try:
                return self._try(source, admit_once, self._turns.shared())
            except _DecoderDied as death:
                if not death.again:
                    raise BadPhoto(str(death)) from None
            admit_once(0)  # called before taking the turn: what `admit` waits for might itself wait for that turn
            with self._turns.alone():
                try:
                    return self._try(source, admit_once, contextlib.nullcontext())
                except _DecoderDied as death:
                    raise BadPhoto(str(death)) from None

    def close(self) -> None:
        """End all workers at once; photos that are being decoded raise ClosedError."""
        with self._lock:
            self._closed = True
            workers, self._idle = list(self._all), []
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.end()

    def _try(self, source: Path | bytes, admit: Admit, turn: contextlib.AbstractContextManager[None]) -> Pixels:
        worker = self._take()
        usable = False
        try:
            pixels = worker.decode(source, admit, turn)
            usable = True
        except BadPhoto:
            usable = True
            raise
        except OSError as error:
            status = worker.end()
            if self._closed:
                raise ClosedError from error
            raise self._death(status, late=isinstance(error, BlockingIOError)) from error
        finally:
            self._give_back(worker, usable=usable)
        return pixels

    def _take(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            worker = _Worker(self._template, self._limits)
        except OSError:
            worker = self._restart()
        with self._lock:
            if not self._closed:
                self._all.add(worker)
                return worker
        worker.end()
        raise ClosedError

    def _restart(self) -> _Worker:
        """A worker from a new template, as the old template was ended from outside."""
        try:
            self._template = shared_template()
            return _Worker(self._template, self._limits)
        except OSError as error:
            raise RunError(f"photos cannot be decoded: no process can be started ({error})") from error

    def _give_back(self, worker: _Worker, *, usable: bool) -> None:
        with self._lock:
            if usable and not self._closed:
                self._idle.append(worker)
                return
            self._all.discard(worker)
        worker.end()

    def _death(self, status: int, *, late: bool) -> _DecoderDied:
        seconds = self._limits.max_seconds
        if late or status == STILL_THERE:
            return _DecoderDied(f"too slow: not read and decoded within {WALL_FACTOR * seconds:g} s", again=False)
        if status == -signal.SIGPROF:
            return _DecoderDied(f"too slow: decoding takes more than {seconds:g} s", again=False)
        if status == NO_MEMORY_CODE:
            return _DecoderDied(_too_much_memory(self._limits))
        if status >= 0:
            return _DecoderDied(f"crashed the decoder (exit code {status})")
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return _DecoderDied(f"crashed the decoder ({name})")


class _Worker:
    """A decoder process, used by a single thread at a time."""

    def __init__(self, template: Template, limits: DecodeLimits) -> None:
        self._template, self._limits = template, limits
        self._lock = threading.Lock()
        self._status: int | None = None
        self.pid, self._connection = template.fork(limits)
        wait = struct.pack("ll", int(WALL_FACTOR * limits.max_seconds) + 1, 0)
        for option in (SO_RCVTIMEO, SO_SNDTIMEO):
            self._connection.setsockopt(SOL_SOCKET, option, wait)

    def decode(self, source: Path | bytes, admit: Admit, turn: contextlib.AbstractContextManager[None]) -> Pixels:
        """Decode a photo. Raises BadPhoto, _DecoderDied, BlockingIOError if too slow, OSError if the process ended."""
        kind, payload = (
            (CONTENT, source) if isinstance(source, bytes) else (FILE, os.fsencode(os.path.abspath(source)))  # noqa: PTH100
        )
        self._connection.sendall(LENGTH.pack(kind, len(payload)))
        self._connection.sendall(payload)
        height, width = self._expect(SIZE)
        if min(height, width) < 1 or height * width > self._limits.max_pixels:
            raise _DecoderDied("unreadable: its decoder answers nonsense")
        admit(3 * height * width)
        with turn:
            self._connection.sendall(GO)
            return self._receive_pixels((height, width))

    def _receive_pixels(self, size: tuple[int, int]) -> Pixels:
        found = self._expect(PIXELS)
        if found not in {size, size[::-1]}:
            raise _DecoderDied("unreadable: its decoder answers nonsense")
        pixels = np.empty((*found, 3), np.uint8)
        row = 0
        while row < found[0]:
            rows, _ = self._expect(ROWS)
            if not 0 < rows <= found[0] - row:
                raise _DecoderDied("unreadable: its decoder answers nonsense")
            receive_into(self._connection, pixels[row : row + rows].data.cast("B"))
            row += rows
        pixels.flags.writeable = False
        return pixels

    def _expect(self, wanted: bytes) -> tuple[int, int]:
        kind, first, second = REPLY.unpack(receive(self._connection, REPLY.size))
        if kind == REFUSED and 0 <= first < _LONGEST_REASON:
            raise BadPhoto(receive(self._connection, first).decode("utf-8", "replace"))
        if kind == NO_MEMORY:
            raise _DecoderDied(_too_much_memory(self._limits))
        if kind != wanted:
            raise _DecoderDied("unreadable: its decoder answers nonsense")
        return first, second

    def kill(self) -> None:
        """End the process; a thread that waits for it notices."""
        with self._lock:
            if self._status is None:
                with contextlib.suppress(OSError):
                    os.kill(self.pid, signal.SIGKILL)

    def end(self) -> int:
        """End the process if it is still there. Returns its exit status, see `wire`."""
        self.kill()
        with self._lock:
            if self._status is None:
                self._connection.close()
                try:
                    self._status = self._template.reap(self.pid)
                except OSError:
                    self._status = -signal.SIGKILL
            return self._status


class _Turns:
    """A lock that many threads share, or a single thread holds alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = self._waiting = 0

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock together with other threads."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock while no other thread does."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._inside)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._waiting -= 1
                self._changed.notify_all()


def _too_much_memory(limits: DecodeLimits) -> str:
    return f"too large: it takes more than {limits.max_memory / 1e6:g} MB of memory to decode"
