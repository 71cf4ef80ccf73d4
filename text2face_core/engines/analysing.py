"""Analyse chunks of photos: threads decode photos and write crops while the models look at the batch before."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, tee

from .. import sources
from ..contracts import Progress
from ..dataset import DatasetSettings, save_crop
from ..errors import BadPhoto, SourceError, Text2FaceError
from ..images import DecodeLimits, decode_image, difference_hash
from ..pipeline import Analysed, Analysis, Decoded, Failure
from ..records import AnalysisRow, Photo, PhotoRef
from ..run import RunDirectory, read_analysis
from ..utils import content_digest
from .base import Task, Work

# A batch of very large photos is cut short here, so that memory stays bounded (3 bytes a pixel).
BATCH_PIXELS = 200_000_000
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
        readers, writers = ThreadPoolExecutor(threads, "decode"), ThreadPoolExecutor(1, "crops")
        try:
            wanted = (photo for task in to_decode for photo in task.pending)
            stream = decoded(wanted, self.limits, readers, self.work.batch + threads)
            for task in to_analyse:
                self._analyse(task, analysis, islice(stream, len(task.pending)), writers, progress)
        finally:
            # Not waited for: after an error or an interruption, a decoder may need minutes for the photo it is at.
            readers.shutdown(wait=False, cancel_futures=True)
            writers.shutdown(cancel_futures=True)

    def _analyse(
        self, task: Task, analysis: Analysis, photos: Iterator[Decoded], writers: Executor, progress: Progress
    ) -> None:
        rows, kept_at = dict(task.kept), time.monotonic()
        crops: list[Future[None]] = []
        try:
            for batch in _batches(photos, self.work.batch):
                analysed = analysis(batch)
                _finish(crops)  # those of the batch before, written meanwhile
                crops = self._crops(analysed, writers)
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


def decoded(refs: Iterable[PhotoRef], limits: DecodeLimits, pool: Executor, ahead: int) -> Iterator[Decoded]:
    """Every photo in order, read and decoded by `pool` at most `ahead` photos before it is asked for."""
    waiting: deque[Future[Decoded]] = deque()
    for ref in refs:
        waiting.append(pool.submit(_decode, ref, limits))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _decode(ref: PhotoRef, limits: DecodeLimits) -> Decoded:
    digest = ""
    try:
        content = sources.open(ref.uri, limits.max_bytes)
        digest = content_digest(content)
        pixels = decode_image(content, limits)
        return Decoded(ref, Photo(ref.photo_id, ref.uri, pixels), digest, difference_hash(pixels))
    except (BadPhoto, SourceError) as error:
        return Decoded(ref, Failure(str(error)), digest)
    except Exception as error:  # noqa: BLE001  whatever a broken file provokes, the other photos are analysed
        return Decoded(ref, Failure(f"unreadable: {type(error).__name__}: {error}"), digest)


def _finish(crops: Iterable[Future[None]]) -> None:
    for crop in crops:
        crop.result()


def _batches(photos: Iterator[Decoded], size: int) -> Iterator[list[Decoded]]:
    batch: list[Decoded] = []
    pixels = 0
    for photo in photos:
        batch.append(photo)
        pixels += getattr(getattr(photo.outcome, "pixels", None), "size", 0) // 3
        if len(batch) == size or pixels >= BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch
