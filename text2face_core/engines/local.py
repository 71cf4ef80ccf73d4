"""The single-machine engine: a process takes all chunks, and its threads decode photos ahead of the models."""

from __future__ import annotations

from collections.abc import Iterable

from ..contracts import Progress
from .base import Engine, Job, Task


class LocalEngine(Engine):
    """Does the job in this process, chunk by chunk."""

    def run(self, job: Job, tasks: Iterable[Task], progress: Progress) -> None:
        """Have every task done."""
        job(tasks, progress)
