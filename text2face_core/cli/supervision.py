"""Supervise the process that analyses photos: a crash of native code over a photo does not end the command."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ..errors import RunError
from ..run import note_death
from .process import say

MOST_CRASHES = 25
"""A command gives up after so many: something else than single photos is wrong."""
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_FORWARDED = (signal.SIGINT, signal.SIGTERM)


def supervise(ctx: click.Context, run: Path) -> int | None:
    """Split this process: None for the one that does the work, and its exit code for the one that supervises it.

    If the worker dies while photos are analysed, another one goes on; see `text2face_core.run.crashes`. Call it before
    anything starts threads. Only on Linux, where a worker ends for certain with its supervisor, and only in a process
    that belongs to `t2f` alone: elsewhere it returns None, and the same command has to be given again after a crash.

    Args:
        ctx: The command's context.
        run: The run directory.

    Raises:
        RunError: The analysis crashed too often.
    """
    if sys.platform != "linux" or not (ctx.find_root().obj or {}).get("alone"):
        return None
    for _ in range(MOST_CRASHES):
        with _held_signals():
            parent = os.getpid()
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            if not (pid := os.fork()):
                _end_with(parent)
                return None
            status, stopped = _wait(pid)
        how = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        count = note_death(run, pid, how)
        if not count or stopped:
            return _end_like(status)
        if not (ctx.find_root().obj or {}).get("quiet"):
            what = "one photo" if count == 1 else f"{count} photos, which are now analysed one at a time"
            say(f"the analysis crashed ({how}) over {what}; it goes on")
    raise RunError(
        f"the analysis crashed {MOST_CRASHES} times, the last time with {how}: leave the detector or an extractor out "
        "(--plugins), or give the same command again to go on without the photos over which it crashed"
    )


def _end_with(parent: int) -> None:
    """Have the system end this process when its parent ends."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def _wait(pid: int) -> tuple[int, bool]:
    """The exit status of a child, negative for a signal, and whether both were asked to stop meanwhile."""
    asked = False

    def forward(number: int, _: object) -> None:
        nonlocal asked
        asked = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    before = {}
    for number in _FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_like(status: int) -> int:
    """The worker's exit code; a signal that ended it ends this process too."""
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


@contextlib.contextmanager
def _held_signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
