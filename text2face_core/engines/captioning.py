"""Caption chunks of analysed photos, keeping what is done of a chunk after each part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..contracts import Progress
from ..pipeline import Captioning, Clock
from ..records import CaptionRow
from ..run import RunDirectory, read_analysis, read_captions, write_speed
from .base import Task
from .batching import Parts


@dataclass(frozen=True, slots=True)
class CaptioningTasks:
    """The chunks to caption, read one by one when they are asked for.

    Attributes:
        run: The run.
        chunks: The numbers of the chunks.
        photos: How many photos they have.
    """

    run: RunDirectory
    chunks: frozenset[int]
    photos: int

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[Task]:
        for chunk, photos in self.run.listing.by_chunk(self.chunks):
            yield Task(chunk, tuple(photos))


def captioning_tasks(run: RunDirectory, key: str, *, retry_failed: bool) -> CaptioningTasks:
    """The chunks whose captions are missing or were made otherwise; with `retry_failed` also those that lack some."""
    chunks = [
        chunk for chunk in run.listing.chunks() if not _captioned(run, chunk.number, key, retry_failed=retry_failed)
    ]
    return CaptioningTasks(run, frozenset(one.number for one in chunks), sum(one.count for one in chunks))


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptioningJob:
    """Caption chunks and commit them.

    What is done of a chunk is kept after each part, so that a kill costs no more than that, however slow the fuser.

    Attributes:
        run: Where the captions go.
        key: Changes if the captions would be others; is kept with each chunk.
        build: Loads the fusers.
        begun: Called, often, before anything of the run is replaced, when the fuser has shown that it works.
        clock: The clock that counts the fusers' time.
    """

    kind: ClassVar[Literal["captioning"]] = "captioning"
    run: RunDirectory
    key: str
    build: Callable[[], Captioning]
    begun: Callable[[], None]
    clock: Clock

    def resumed(self, task: Task) -> Task:
        """Return the task; what is done of its chunk is found when it is begun."""
        return task

    def __call__(self, tasks: Iterable[Task], progress: Progress) -> None:
        """Caption every task and commit its chunk."""
        captioning, parts = self.build(), Parts()
        for task in tasks:
            self._caption(task.chunk, captioning, parts, progress)

    def _caption(self, chunk: int, captioning: Captioning, parts: Parts, progress: Progress) -> None:
        before = Counter(self.clock.seconds)
        analysed = read_analysis(self.run.analysis_path(chunk))
        earlier = self.run.captions_so_far(chunk, self.key)
        rows = dict(earlier)
        progress.advance(len(earlier))
        for part in parts([row for row in analysed if row.photo_id not in earlier]):
            made = captioning(part)
            self.begun()
            rows.update({row.photo_id: row for row in made})
            if len(rows) < len(analysed):
                self.run.keep_captions(chunk, list(rows.values()), self.key)
            _report(made, captioning.fuser, progress)
        self.begun()
        self.run.commit_captions(chunk, [rows[row.photo_id] for row in analysed], self.key)
        timed = [row for photo_id, row in rows.items() if photo_id not in earlier]
        write_speed(self.run, chunk, timed, Counter(self.clock.seconds) - before)


def _report(rows: Sequence[CaptionRow], fuser: str, progress: Progress) -> None:
    captions = [caption for row in rows for caption in row.captions]
    replaced = Counter(f"by {caption.fuser}" for caption in captions if caption.fuser != fuser)
    progress.advance(len(rows), retried=sum(caption.tries > 1 for caption in captions), **replaced)


def _captioned(run: RunDirectory, chunk: int, key: str, *, retry_failed: bool) -> bool:
    if not run.captions_are_done(chunk, key):
        return False
    if not retry_failed:
        return True
    accepted = {row.photo_id for row in read_analysis(run.analysis_path(chunk)) if row.status == "ok"}
    return accepted == {row.photo_id for row in read_captions(run.captions_path(chunk)) if row.captions}
