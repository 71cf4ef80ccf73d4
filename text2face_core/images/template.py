"""The client side of the template process, from which decoders are forked."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

from .decode import DecodeLimits
from .wire import FORK, LIMITS, NUMBER, REAP, receive

CAN_FORK = hasattr(os, "fork") and hasattr(socket, "send_fds")
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from text2face_core.images.worker import run_template; run_template(int(sys.argv[2]), int(sys.argv[3]))"
)
# A worker has one photo at a time; memory that C libraries keep for threads counts against its limit.
_SMALL = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")


class Template:
    """Handle of the template process. It starts in the background, and ends with this process, as do its workers.

    Starting takes half a second on another core. multiprocessing's fork server is not used because it imports the
    program's main module again in each worker.

    Raises OSError if no process can be started.
    """

    def __init__(self) -> None:
        if not sys.executable:
            raise FileNotFoundError("the path of the Python interpreter is not known")
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        # -P: the working folder may contain untrusted files.
        command = [sys.executable, "-P", "-c", _BOOT, json.dumps(sys.path), str(theirs.fileno()), str(self.owner)]
        try:
            with theirs, _without_signals():
                self._process = subprocess.Popen(  # noqa: S603  Python itself
                    command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=os.environ | _SMALL
                )
        except BaseException:
            self._control.close()
            raise

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def fork(self, limits: DecodeLimits) -> tuple[int, socket.socket]:
        """A new worker: its process and the connection to it. Raises OSError if the template is gone."""
        values = (limits.max_pixels, limits.max_bytes, limits.min_side, limits.max_seconds, limits.max_memory)
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                socket.send_fds(self._control, [FORK + LIMITS.pack(*values)], [theirs.fileno()])
                return self._answer(), ours
        except BaseException:
            ours.close()
            raise

    def reap(self, pid: int) -> int:
        """The exit status of a worker that ends, see `wire`. Raises OSError if the template is gone."""
        with self._lock:
            self._control.sendall(REAP + NUMBER.pack(pid))
            return self._answer()

    def _answer(self) -> int:
        (number,) = NUMBER.unpack(receive(self._control, NUMBER.size))
        return int(number)

    def is_usable(self) -> bool:
        """Whether it is running and belongs to this process: a forked child must not use its parent's template."""
        return self.owner == os.getpid() and self._process.poll() is None

    def close(self) -> None:
        """End the template and all its workers."""
        self._control.close()
        if self.owner != os.getpid():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


_shared: Template | None = None
_lock = threading.Lock()


def shared_template() -> Template:
    """The template shared by all pools of this process. Raises OSError if no process can be started."""
    global _shared  # noqa: PLW0603  starting it is what takes time
    with _lock:
        if _shared is None or not _shared.is_usable():
            if _shared is None:
                atexit.register(_close_shared)
            else:
                _shared.close()
            _shared = Template()
        return _shared


def start_decoders() -> None:
    """Start the process that `open_decoder` needs, without waiting for it."""
    if CAN_FORK:
        with contextlib.suppress(OSError):
            shared_template()


def _close_shared() -> None:
    if _shared is not None:
        _shared.close()


@contextlib.contextmanager
def _without_signals() -> Iterator[None]:
    """Block the signals that stop programs; a process that is started inside inherits this."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
