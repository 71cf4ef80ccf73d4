"""This machine: photos are decoded and crops written by threads while the models look at the batch before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from ..contracts import Progress
from ..dataset import DatasetSettings, save_crop
from ..images import DecodeLimits
from ..pipeline import Analysis, Captioning, Clock, Decoded
from ..records import AnalysisRow, CaptionRow, PhotoRef
from ..run import RunDirectory, read_analysis, read_captions, write_speed
from .batching import Parts
from .prefetch import decoded

# A batch of very large photos is cut short here, so that memory stays bounded (3 bytes a pixel).
BATCH_PIXELS = 200_000_000


@dataclass(frozen=True, slots=True)
class Work:
    """Sizes that change the speed of a run but never its results."""

    batch: int = 8
    decode_threads: int = 2


@dataclass(frozen=True, slots=True)
class Task:
    """One chunk of photos, and the rows of an earlier try that stay."""

    chunk: int
    photos: tuple[PhotoRef, ...]
    kept: Mapping[str, AnalysisRow] = field(default_factory=dict)

    @property
    def pending(self) -> list[PhotoRef]:
        """The photos that are to be analysed."""
        return [photo for photo in self.photos if photo.photo_id not in self.kept]


def analysis_tasks(run: RunDirectory, key: str, *, retry_failed: bool) -> list[Task]:
    """The chunks that are not done; with `retry_failed` also those in which a photo failed."""
    tasks = []
    for chunk, photos in sorted(run.chunks().items()):
        task = Task(chunk, tuple(photos))
        if run.analysis_is_done(chunk, key):
            if not retry_failed:
                continue
            rows = read_analysis(run.analysis_path(chunk))
            task = Task(chunk, tuple(photos), {row.photo_id: row for row in rows if row.status != "failed"})
        if task.pending:
            tasks.append(task)
    return tasks


def analyse(
    run: RunDirectory,
    tasks: Sequence[Task],
    key: str,
    analysis: Analysis,
    limits: DecodeLimits,
    dataset: DatasetSettings,
    work: Work,
    progress: Progress,
) -> None:
    """Analyse every task and commit its chunk."""
    with ThreadPoolExecutor(work.decode_threads, "decode") as readers, ThreadPoolExecutor(1, "crops") as writers:
        asked = (photo for task in tasks for photo in task.pending)
        stream = decoded(asked, limits, readers, work.batch + work.decode_threads)
        try:
            for task in tasks:
                rows = dict(task.kept)
                crops: list[Future[None]] = []
                for batch in _batches(islice(stream, len(task.pending)), work.batch):
                    analysed = analysis(batch)
                    _finish(crops)  # those of the batch before, written meanwhile
                    rows.update({one.row.photo_id: one.row for one in analysed})
                    if dataset.enabled:
                        crops = [
                            writers.submit(save_crop, one.portrait, run.image_path(one.row), dataset)
                            for one in analysed
                            if one.portrait
                        ]
                    statuses = [one.row.status for one in analysed]
                    progress.advance(len(batch), rejected=statuses.count("rejected"), failed=statuses.count("failed"))
                _finish(crops)
                run.commit_analysis(task.chunk, [rows[photo.photo_id] for photo in task.photos], key)
        except BaseException:
            readers.shutdown(wait=False, cancel_futures=True)
            writers.shutdown(wait=False, cancel_futures=True)
            raise


def caption(
    run: RunDirectory,
    key: str,
    captioning: Callable[[], Captioning],
    begun: Callable[[], None],
    clock: Clock,
    progress: Progress,
    *,
    retry_failed: bool = False,
) -> None:
    """Caption every chunk whose captions are missing or were made otherwise; builds the fuser only if there is one.

    What is done of a chunk is kept after each part, so that a kill costs no more than that, however slow the fuser.
    begun: called, often, before anything of the run is replaced, once the fuser has shown that it works.
    clock: the one that the fusers' time is counted on.
    """
    chunks = {chunk: len(photos) for chunk, photos in sorted(run.chunks().items())}
    pending = [chunk for chunk in chunks if not _captioned(run, chunk, key, retry_failed=retry_failed)]
    if not pending:
        begun()
        return
    make, parts = captioning(), Parts()
    progress.start("captioning", sum(chunks.values()), sum(chunks.values()) - sum(chunks[chunk] for chunk in pending))
    for chunk in pending:
        before = Counter(clock.seconds)
        analysed = read_analysis(run.analysis_path(chunk))
        earlier = run.captions_so_far(chunk, key)
        rows = dict(earlier)
        progress.advance(len(earlier))
        for part in parts([row for row in analysed if row.photo_id not in earlier]):
            made = make(part)
            begun()
            rows.update({row.photo_id: row for row in made})
            if len(rows) < len(analysed):
                run.keep_captions(chunk, list(rows.values()), key)
            _report(made, make.fuser, progress)
        begun()
        run.commit_captions(chunk, [rows[row.photo_id] for row in analysed], key)
        timed = [row for photo_id, row in rows.items() if photo_id not in earlier]
        write_speed(run, chunk, timed, Counter(clock.seconds) - before)
    progress.finish()


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
