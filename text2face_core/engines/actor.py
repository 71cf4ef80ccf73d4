"""What runs inside a Ray actor: one job, whose models are built once, task by task."""

from __future__ import annotations

import logging
import os
import pickle
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .. import sources
from ..errors import Text2FaceError
from .base import Job, Task

MOST_MESSAGES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an actor says of a task.

    Attributes:
        photos: Photos that were done.
        counts: As for `Progress.advance`.
        seconds: Wall time inside each component.
        messages: Levels and texts of log messages.
        error: What ended the task, if it is an error for the user.
        stopped: Whether the task was given up because the engine asked for it.
    """

    photos: int
    counts: dict[str, int]
    seconds: dict[str, float]
    messages: list[tuple[int, str]] = field(default_factory=list)
    error: Text2FaceError | None = None
    stopped: bool = False


class Stopped(KeyboardInterrupt):
    """The engine asked an actor to stop; a job keeps what it has done, as it does at Ctrl-C."""


@dataclass(slots=True)
class _Counting:
    """Progress that is counted, and where a job is stopped."""

    stopping: bool = False
    photos: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Say nothing."""

    def advance(self, count: int, **counts: int) -> None:
        """Count; raises Stopped if the engine asked for it."""
        self.photos += count
        self.counts.update(counts)
        if self.stopping:
            raise Stopped

    def say(self, message: str) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""


class _Messages(logging.Handler):
    """Collects messages for the driver, whose log they go to."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.kept) < MOST_MESSAGES:
            self.kept.append((record.levelno, record.getMessage()))


class Worker:
    """The actor's object.

    Args:
        payload: The pickled job and sources.
        folder: The driver's working folder, to which relative paths of options refer.
    """

    def __init__(self, payload: bytes, folder: str) -> None:
        self._payload, self._folder = payload, folder
        self._job: Job
        self._progress = _Counting()
        self._messages = _Messages()

    def ready(self) -> int:
        """Take up the job, and answer with the process id. An error here is not taken for a death."""
        if Path(self._folder).is_dir():
            os.chdir(self._folder)
        self._job, used = pickle.loads(self._payload)  # noqa: S301  by our own driver
        self._payload = b""
        sources.use_sources(used)
        for name in ("text2face_core", *used.packages()):
            logger = logging.getLogger(name)
            logger.addHandler(self._messages)
            logger.propagate = False
        return os.getpid()

    def do(self, task: Task) -> Report:
        """Do a task and commit it."""
        progress, before = self._progress, dict(self._job.clock.seconds)
        progress.photos, progress.counts = 0, Counter()
        self._messages.kept = []
        error, stopped = None, progress.stopping
        try:
            if not stopped:
                self._job([task], progress)
        except Stopped:
            stopped = True
        except Text2FaceError as raised:
            error = raised
        seconds = {name: one - before.get(name, 0.0) for name, one in self._job.clock.seconds.items()}
        return Report(
            photos=progress.photos,
            counts=dict(progress.counts),
            seconds=seconds,
            messages=self._messages.kept,
            error=error,
            stopped=stopped,
        )

    def stop(self) -> None:
        """Have the task in work end soon, and further ones at once."""
        self._progress.stopping = True
