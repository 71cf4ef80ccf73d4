"""The process of `t2f`: streams, signals, and unexpected errors."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Iterator

import click

from .._version import __version__

_SYSTEM_SAYS_NO = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE})
"""Errors of the system that no code could prevent."""
_SAME_SECONDS = 2.0
"""A signal that comes again so soon is the same wish to stop."""


def open_streams() -> None:
    """Replace closed streams, and escape signs that the encoding of stdout lacks."""
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the parent process, as with 2>&-
            with contextlib.suppress(OSError):
                opened = os.open(os.devnull, os.O_RDWR)
                if opened != number:  # else a file that is opened later would be taken for the stream
                    os.dup2(opened, number)
                    os.close(opened)
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: PTH123, SIM115
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors="backslashreplace")


class _Interrupt:
    """Raises KeyboardInterrupt, once if a signal comes twice: from a terminal and from the process that supervises."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self, *_: object) -> None:
        now = time.monotonic()
        if now - self._last > _SAME_SECONDS:
            self._last = now
            raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible(*, alone: bool) -> Iterator[None]:
    """Let SIGTERM interrupt the work inside as Ctrl-C does.

    Args:
        alone: The process ends after the work: signals that come later are ignored. Else they do what they did before.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, _Interrupt())
        if before[signal.SIGINT] is not signal.SIG_IGN:  # as nohup and background jobs of a shell want it
            signal.signal(signal.SIGINT, _Interrupt())
    try:
        yield
    finally:
        for number, handler in before.items():
            with contextlib.suppress(ValueError):
                signal.signal(number, signal.SIG_IGN if alone else handler)


def flush(code: int, if_full: int) -> int:
    """Write what is waiting, so that Python has nothing to complain about at its end; returns the exit code.

    Args:
        code: The exit code so far.
        if_full: The exit code if nothing else went wrong, but a disk is full.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            if code == 0 and isinstance(error, OSError) and is_the_systems(error):
                say(explain(error))
                code = if_full
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def say(message: str) -> None:
    """One message on stderr, if that can be written to."""
    from ..utils import printable

    with contextlib.suppress(OSError):
        click.echo(f"t2f: {printable(message)}", err=True)


def is_the_systems(error: OSError) -> bool:
    """Whether this is a system error that no code could prevent: a full disk, a deleted working folder."""
    return error.errno in _SYSTEM_SAYS_NO or not _has_working_folder()


def explain(error: OSError) -> str:
    """The error for the user."""
    if not _has_working_folder():
        return "the working folder does not exist any more: change to another folder"
    return f"{error.strerror}{f': {error.filename}' if error.filename else ''}"


def report(error: BaseException) -> None:
    """Write the traceback of an internal error to a file, and say where."""
    import logging
    import tempfile
    import traceback

    logging.getLogger("text2face_core").debug("internal error", exc_info=error)  # for --log-file and -vv
    what = f"internal error: {type(error).__name__}: {error}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="t2f-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(f"text2face {__version__}, Python {sys.version}\n")
            traceback.print_exception(error, file=file)
    except OSError:
        say(what)
    else:
        say(f"{what}. Please report it; the details are in {file.name}")


def _has_working_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return False
    return True
