"""Decoder processes: a template that has imported the decoders, and the workers that it forks.

A worker has limits on memory and CPU time, writes no file, and ends with the process that uses it, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from PIL import Image

from ..errors import BadPhoto
from ..utils import read_regular
from .decode import DecodeLimits, load_strips, open_image
from .wire import (
    FILE,
    FORK,
    GO,
    LENGTH,
    LIMITS,
    NO_MEMORY,
    NO_MEMORY_CODE,
    NUMBER,
    PIXELS,
    REAP,
    REFUSED,
    REPLY,
    ROWS,
    SIZE,
    STILL_THERE,
    receive,
)

CHECK_PARENT_SECONDS = 2.0
END_SECONDS = 2.0
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def run_template(descriptor: int, parent: int) -> NoReturn:
    """Fork workers on demand until the process `parent`, at the other end of the socket, is gone."""
    # These signals are sent to whole process groups; the process that uses the template decides what to do on them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    Image.init()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    _discard_output()
    gc.collect()
    gc.freeze()
    control = socket.socket(fileno=descriptor)
    workers: set[int] = set()
    try:
        while True:
            if not select.select([control], [], [], CHECK_PARENT_SECONDS)[0]:
                if os.getppid() != parent:
                    break
                continue
            message, received, _, _ = socket.recv_fds(control, 64, 1)
            if message[:1] == FORK and received:
                workers.add(pid := _fork(control, received[0], DecodeLimits(*LIMITS.unpack(message[1:])), prctl))
                os.close(received[0])
                control.sendall(NUMBER.pack(pid))
            elif message[:1] == REAP:
                (pid,) = NUMBER.unpack(message[1:])
                workers.discard(pid)
                control.sendall(NUMBER.pack(_status(pid)))
            else:
                break
    finally:
        for pid in workers:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        os._exit(0)


def _fork(control: socket.socket, descriptor: int, limits: DecodeLimits, prctl: Any) -> int:
    template = os.getpid()
    if pid := os.fork():
        return pid
    code = 1
    try:
        control.close()
        if prctl:
            prctl(_DIE_WITH_PARENT, int(signal.SIGKILL))
        if os.getppid() == template:
            serve(socket.socket(fileno=descriptor), limits)
        code = 0
    except MemoryError:
        code = NO_MEMORY_CODE
    finally:
        os._exit(code)


def serve(connection: socket.socket, limits: DecodeLimits) -> None:
    """Decode photos, one at a time, until the connection is closed."""
    _limit_memory(limits.max_memory)
    for name in ("RLIMIT_CORE", "RLIMIT_FSIZE"):
        resource.setrlimit(getattr(resource, name), (0, 0))
    with contextlib.suppress(ConnectionError):
        while True:
            kind, length = LENGTH.unpack(receive(connection, LENGTH.size))
            payload = receive(connection, length)
            signal.setitimer(signal.ITIMER_PROF, limits.max_seconds)  # its signal ends the process
            _answer(connection, kind, payload, limits)
            signal.setitimer(signal.ITIMER_PROF, 0)


def _answer(connection: socket.socket, kind: bytes, payload: bytes, limits: DecodeLimits) -> None:
    pixels = 0
    try:
        content = read_regular(os.fsdecode(payload), limits.max_bytes) if kind == FILE else payload
        image = open_image(content, limits)
        pixels = image.width * image.height
        connection.sendall(REPLY.pack(SIZE, image.height, image.width))
        receive(connection, len(GO))
        height, width, strips = load_strips(image)
        connection.sendall(REPLY.pack(PIXELS, height, width))
        for strip in strips:
            connection.sendall(REPLY.pack(ROWS, len(strip), 0))
            connection.sendall(strip.data.cast("B"))
    except BadPhoto as refusal:
        if isinstance(refusal.__cause__, MemoryError):
            connection.sendall(REPLY.pack(NO_MEMORY, 0, 0))
            return
        text = str(refusal)
        if 16 * pixels > limits.max_memory and text.startswith(("unreadable", "truncated")):  # libraries rarely say why
            text += f", or it takes more than {limits.max_memory / 1e6:g} MB to decode"
        reason = text.encode("utf-8", "replace")
        connection.sendall(REPLY.pack(REFUSED, len(reason), 0) + reason)
    except MemoryError:
        connection.sendall(REPLY.pack(NO_MEMORY, 0, 0))


def _limit_memory(count: int) -> None:
    """Limit this process to `count` more bytes of memory than it has now, if the system supports limits."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123
            now = int(file.read().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        now = 0
    with contextlib.suppress(OSError, ValueError):  # a stricter limit is in force already
        resource.setrlimit(resource.RLIMIT_AS, (now + count, now + count))


def _status(pid: int) -> int:
    """The exit status of a worker in the form of `subprocess`: a signal is negative."""
    until = time.monotonic() + END_SECONDS
    while time.monotonic() < until:
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except OSError:
            break
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return STILL_THERE


def _discard_output() -> None:
    """Discard what C libraries print about photos."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
