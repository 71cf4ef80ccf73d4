"""What an engine is: work on chunks of photos, wherever it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ..contracts import Progress
from ..pipeline import Clock
from ..records import AnalysisRow, PhotoRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Sizes that change the speed of a run but never its results.

    Attributes:
        batch: Photos per call of a model.
        decode_threads: Photos that are read and decoded at once, each in a process of its own.
        pixel_bytes: Bytes of decoded pixels in memory at once, unless a single photo has more: those of the batch that
            is analysed, and those of photos that are decoded ahead.
    """

    batch: int = 8
    decode_threads: int = 2
    pixel_bytes: int = 512_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """One chunk of photos.

    Attributes:
        chunk: The chunk's number.
        photos: All of its photos, in order.
        kept: Rows of an earlier try that stay, by photo id.
        alone: Ids of photos that are analysed one at a time, as a process may have died over them.
    """

    chunk: int
    photos: tuple[PhotoRef, ...]
    kept: Mapping[str, AnalysisRow] = field(default_factory=dict)
    alone: Collection[str] = ()

    @property
    def pending(self) -> list[PhotoRef]:
        """The photos that are still to be worked on."""
        return [photo for photo in self.photos if photo.photo_id not in self.kept]


class Job(Protocol):
    """Work that a process can do chunk by chunk, such as analysis.

    Each chunk is committed when it is done, so any process may take any chunk, and a job may be stopped at any time. It
    can be pickled, and then builds its models where it arrives.

    Attributes:
        kind: What it does; engines may have other resources for each.
        clock: Counts the seconds inside each component.
    """

    @property
    def kind(self) -> Literal["analysis", "captioning"]:
        """What it does."""
        ...

    @property
    def clock(self) -> Clock:
        """Counts the seconds inside each component."""
        ...

    def __call__(self, tasks: Iterable[Task], progress: Progress) -> None:
        """Work on the tasks in order; models are loaded once, for all of them."""
        ...

    def resumed(self, task: Task) -> Task:
        """Return the task as it is after the process that worked on it died."""
        ...


class Engine(ABC):
    """Decides which process works on which chunk: threads of this machine, or many machines.

    Results do not depend on the engine.

    Attributes:
        elsewhere: Whether other processes do the work, and build the models themselves.
    """

    elsewhere: bool = False

    def threads_per_model(self, kind: Literal["analysis", "captioning"], default: int) -> int:  # noqa: ARG002  for other engines
        """Return how many threads each model of a job has, if the user does not say so."""
        return default

    def close(self) -> None:  # noqa: B027  for engines that hold something
        """Let go of what `run` started, when no further job comes; the engine may be used again."""

    @abstractmethod
    def run(self, job: Job, tasks: Iterable[Task], progress: Progress) -> None:
        """Have every task done.

        Args:
            job: What to do with each task.
            tasks: Chunks that are not done, in order.
            progress: Receives how far the work has come.

        Raises:
            UsageError: What a job raises; tasks that were done until then stay done.
        """
