"""Analyse chunks of photos: others are decoded, and crops written, while the models look at a batch."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import tee

from ..contracts import Progress
from ..dataset import DatasetSettings, save_crop
from ..errors import Text2FaceError
from ..images import DecodeLimits, open_decoder
from ..pipeline import Analysed, Analysis, Decoded
from ..records import AnalysisRow, Photo
from ..run import RunDirectory, read_analysis
from .base import Task, Work
from .decoding import PhotoStream

KEEP_SECONDS = 3.0
"""An unfinished chunk is kept this often, so that an interruption loses no more."""


def analysis_tasks(run: RunDirectory, key: str, *, retry_failed: bool) -> list[Task]:
    """The chunks that are not done; with `retry_failed` also those in which a photo failed."""
    tasks = []
    for chunk, photos in sorted(run.chunks().items()):
        if not run.analysis_is_done(chunk, key):
            rows = run.analysis_so_far(chunk, key)
            kept = [rows[photo.photo_id] for photo in photos if photo.photo_id in rows]
            task = Task(chunk, tuple(photos), _kept(kept, retry_failed=retry_failed))
        elif retry_failed:
            task = Task(chunk, tuple(photos), _kept(read_analysis(run.analysis_path(chunk)), retry_failed=True))
            if not task.pending:
                continue
        else:
            continue
        tasks.append(task)
    return tasks


def _kept(rows: Iterable[AnalysisRow], *, retry_failed: bool) -> dict[str, AnalysisRow]:
    return {row.photo_id: row for row in rows if not (retry_failed and row.status == "failed")}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisJob:
    """Analyse chunks and commit them.

    Attributes:
        run: Where the rows and crops go.
        key: Changes if the analysis would give other results; is kept with each chunk.
        build: Loads the models.
        limits: Which photos are decoded at all.
        dataset: How crops are cut.
        work: Sizes of batches and pools.
    """

    run: RunDirectory
    key: str
    build: Callable[[], Analysis]
    limits: DecodeLimits
    dataset: DatasetSettings
    work: Work

    def __call__(self, tasks: Iterable[Task], progress: Progress) -> None:
        """Analyse every task and commit its chunk; photos are decoded ahead across tasks."""
        analysis = self.build()
        threads = self.work.decode_threads
        to_decode, to_analyse = tee(tasks)
        wanted = (photo for task in to_decode for photo in task.pending)
        decoder, writers = open_decoder(self.limits, threads), ThreadPoolExecutor(1, "crops")
        stream = PhotoStream(
            wanted,
            decoder,
            self.limits.max_bytes,
            threads=threads,
            ahead=self.work.batch + threads,
            budget=self.work.pixel_bytes,
        )
        try:
            for task in to_analyse:
                self._analyse(task, analysis, stream.batches(len(task.pending), self.work.batch), writers, progress)
        finally:
            decoder.close()
            stream.close()
            writers.shutdown(cancel_futures=True)

    def _analyse(
        self,
        task: Task,
        analysis: Analysis,
        batches: Iterable[Sequence[Decoded]],
        writers: Executor,
        progress: Progress,
    ) -> None:
        rows, kept_at = dict(task.kept), time.monotonic()
        crops: list[Future[None]] = []
        try:
            for batch in batches:
                analysed = analysis(batch)
                _finish(crops)  # those of the batch before, written meanwhile
                crops = self._crops(analysed, writers)
                if 4 * sum(map(_pixel_bytes, batch)) > self.work.pixel_bytes:  # crops hold their photos
                    _finish(crops)
                rows.update({one.row.photo_id: one.row for one in analysed})
                statuses = [one.row.status for one in analysed]
                progress.advance(len(batch), rejected=statuses.count("rejected"), failed=statuses.count("failed"))
                if time.monotonic() - kept_at >= KEEP_SECONDS and len(rows) < len(task.photos):
                    _finish(crops)
                    self._keep(task, rows)
                    kept_at = time.monotonic()
        except BaseException:
            if len(rows) > len(task.kept):
                with contextlib.suppress(Text2FaceError):  # such as a full disk, which is raised below already
                    _finish(crops)
                    self._keep(task, rows)
            raise
        _finish(crops)
        self.run.commit_analysis(task.chunk, [rows[photo.photo_id] for photo in task.photos], self.key)

    def _crops(self, analysed: Sequence[Analysed], writers: Executor) -> list[Future[None]]:
        if not self.dataset.enabled:
            return []
        return [
            writers.submit(save_crop, one.portrait, self.run.image_path(one.row), self.dataset)
            for one in analysed
            if one.portrait
        ]

    def _keep(self, task: Task, rows: dict[str, AnalysisRow]) -> None:
        done = [rows[photo.photo_id] for photo in task.photos if photo.photo_id in rows]
        self.run.keep_analysis(task.chunk, done, self.key)


def _finish(crops: Iterable[Future[None]]) -> None:
    for crop in crops:
        crop.result()


def _pixel_bytes(one: Decoded) -> int:
    return one.outcome.pixels.nbytes if isinstance(one.outcome, Photo) else 0
