"""Analyse chunks of photos: others are decoded, and crops written, while the models look at a batch."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import tee
from typing import ClassVar, Literal

from ..contracts import Progress
from ..dataset import DatasetSettings, save_crop
from ..errors import Text2FaceError
from ..images import DecodeLimits, open_decoder
from ..pipeline import Analysed, Analysis, Clock, Decoded
from ..records import AnalysisRow, Photo
from ..run import RunDirectory, Suspect, Watch, find_suspects, read_analysis
from .base import Task, Work
from .decoding import PhotoStream

log = logging.getLogger(__name__)

KEEP_SECONDS = 3.0
"""An unfinished chunk is kept this often, so that an interruption loses no more."""


@dataclass(frozen=True, slots=True)
class AnalysisTasks:
    """The chunks to analyse, read one by one when they are asked for; iterate over it once.

    Attributes:
        run: The run.
        key: The fingerprint that its analysis should have.
        retry_failed: Whether photos that failed are done again.
        chunks: The numbers of the chunks.
        photos: How many photos are to be analysed.
    """

    run: RunDirectory
    key: str
    retry_failed: bool
    chunks: frozenset[int]
    photos: int

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[Task]:
        ids = {chunk.number: chunk.ids for chunk in self.run.listing.chunks() if chunk.number in self.chunks}
        for chunk, photos in self.run.listing.by_chunk(self.chunks):
            if self.run.analysis_is_done(chunk, self.key, ids[chunk]):
                rows = {row.photo_id: row for row in read_analysis(self.run.analysis_path(chunk))}
            else:
                rows = self.run.analysis_so_far(chunk, self.key)
            kept = [rows[photo.photo_id] for photo in photos if photo.photo_id in rows]
            task = Task(chunk, tuple(photos), _kept(kept, retry_failed=self.retry_failed))
            yield _without_crashes(task, find_suspects(self.run.analysis_path(chunk), self.key))


def analysis_tasks(run: RunDirectory, key: str, *, retry_failed: bool) -> AnalysisTasks:
    """The chunks that are not done; with `retry_failed` also those in which a photo failed."""
    wanted, count = [], 0
    for chunk in run.listing.chunks():
        if not run.analysis_is_done(chunk.number, key, chunk.ids):
            rows: Iterable[AnalysisRow] = run.analysis_so_far(chunk.number, key).values()
        elif retry_failed:
            rows = read_analysis(run.analysis_path(chunk.number))
        else:
            continue
        kept = len(_kept(rows, retry_failed=retry_failed))
        if kept < chunk.count or not run.analysis_is_done(chunk.number, key, chunk.ids):
            wanted.append(chunk.number)
            count += chunk.count - kept
    return AnalysisTasks(run, key, retry_failed, frozenset(wanted), count)


def _without_crashes(task: Task, suspects: Mapping[str, Suspect]) -> Task:
    """The task with a row for each photo that crashes the analysis, and the other suspects one at a time."""
    kept, alone = dict(task.kept), set()
    for photo in task.pending:
        suspect = suspects.get(photo.photo_id)
        if suspect and suspect.reason:
            log.warning("%s %s", photo.uri, suspect.reason)
            kept[photo.photo_id] = AnalysisRow(photo.photo_id, photo.uri, photo.chunk, "failed", suspect.reason)
        elif suspect:
            alone.add(photo.photo_id)
    return replace(task, kept=kept, alone=alone)


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
        clock: Counts the seconds inside each component.
    """

    kind: ClassVar[Literal["analysis"]] = "analysis"
    run: RunDirectory
    key: str
    build: Callable[[], Analysis]
    limits: DecodeLimits
    dataset: DatasetSettings
    work: Work
    clock: Clock = field(default_factory=Clock)

    def resumed(self, task: Task) -> Task:
        """Return the task with what was kept of it, and the photos that were in work one at a time."""
        rows = self.run.analysis_so_far(task.chunk, self.key)
        kept = {photo.photo_id: rows[photo.photo_id] for photo in task.pending if photo.photo_id in rows}
        task = replace(task, kept={**task.kept, **kept})
        return _without_crashes(task, find_suspects(self.run.analysis_path(task.chunk), self.key))

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
                batches = stream.batches(len(task.pending), self.work.batch)
                with Watch(self.run.analysis_path(task.chunk), self.key) as watch:
                    self._analyse(task, analysis, batches, watch, writers, progress)
        finally:
            decoder.close()
            stream.close()
            writers.shutdown(cancel_futures=True)

    def _analyse(
        self,
        task: Task,
        analysis: Analysis,
        batches: Iterable[Sequence[Decoded]],
        watch: Watch,
        writers: Executor,
        progress: Progress,
    ) -> None:
        rows, kept_at = dict(task.kept), time.monotonic()
        crops: list[Future[None]] = []
        try:
            for batch in batches:
                analysed = [one for part in _parts(batch, task.alone) for one in self._look(part, analysis, watch)]
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

    @staticmethod
    def _look(batch: Sequence[Decoded], analysis: Analysis, watch: Watch) -> list[Analysed]:
        with watch.over([one.ref.photo_id for one in batch if isinstance(one.outcome, Photo)]):
            return analysis(batch)

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


def _parts(batch: Sequence[Decoded], alone: Collection[str]) -> Iterator[Sequence[Decoded]]:
    """The batch; if it holds photos that are analysed one at a time, the others first."""
    if not any(one.ref.photo_id in alone for one in batch):
        yield batch
        return
    if others := [one for one in batch if one.ref.photo_id not in alone]:
        yield others
    for one in batch:
        if one.ref.photo_id in alone:
            yield [one]


def _finish(crops: Iterable[Future[None]]) -> None:
    for crop in crops:
        crop.result()


def _pixel_bytes(one: Decoded) -> int:
    return one.outcome.pixels.nbytes if isinstance(one.outcome, Photo) else 0
