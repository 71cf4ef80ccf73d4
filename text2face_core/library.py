"""What `t2f run` does, for programs: list photos, analyse, caption, and leave a data set and a report.

>>> from text2face_core import caption_photos
>>> result = caption_photos("photos", plugins="phrasebook")  # doctest: +SKIP
>>> for row, captions in result:  # doctest: +SKIP
...     print(row.uri, row.reason or captions[0].text)
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .contracts import Progress, Runtime
from .engines import local
from .errors import NothingToDo, RunError
from .images import DecodeLimits
from .models import ModelStore
from .pipeline import Analysis, Captioning, Clock
from .plugins import Plugins, split_names
from .provenance import difference, settings_of
from .recipe import Recipe, Resolved
from .records import AnalysisRow, Caption
from .run import RunDirectory
from .sources import list_photos
from .trust import record_own, require_trust

Source = str | Path | Sequence[str | Path]


class Silent:
    """Progress that nobody watches."""

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Say nothing."""

    def advance(self, count: int, **counts: int) -> None:
        """Say nothing."""

    def say(self, message: str) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run ended with.

    rows: every photo with its captions, in the order listed. counts: photos by status.
    model_seconds: wall time inside each component. out: the run directory, None for a run in memory.
    """

    rows: list[tuple[AnalysisRow, tuple[Caption, ...]]]
    counts: Counter[str]
    seconds: float
    model_seconds: dict[str, float]
    out: Path | None = None

    def __iter__(self) -> Iterator[tuple[AnalysisRow, tuple[Caption, ...]]]:
        return iter(self.rows)


@dataclass(slots=True)
class Session:
    """One use of a run directory: what the command line and `caption_photos` share.

    chunk_size: photos per shard; a run that is killed loses at most what it did of the chunks in work.
    """

    run: RunDirectory
    plugins: Plugins
    models: ModelStore
    progress: Progress = field(default_factory=Silent)
    work: local.Work = field(default_factory=local.Work)
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 0
    chunk_size: int = 128
    clock: Clock = field(default_factory=Clock)

    def analyse(self, source: Sequence[str | Path], recipe: Recipe, *, redo: bool, retry_failed: bool) -> Resolved:
        """List the photos, analyse those that are not done, and commit them chunk by chunk.

        Raises RunError where the directory holds another source's run, or an analysis made otherwise and `redo` is off.
        """
        resolved = recipe.resolve(self.plugins)
        key = resolved.analysis_key()
        now = settings_of(resolved, [str(Path(one).absolute()) for one in source])
        if self.run.exists:
            self._check(now, redo=redo)
        goes_on = self.run.exists
        try:
            listed = list_photos(source, exclude=[self.run.path], warn=self.progress.say)
        except NothingToDo:
            if not goes_on:
                raise
            listed = []
        added = self.run.add_photos(listed, self.chunk_size)
        self.run.write_settings(now)
        record_own(recipe, self.plugins, self.run.path)
        if added and goes_on:
            self.progress.say(f"{added} new photo(s)")
        tasks = local.analysis_tasks(self.run, key, retry_failed=retry_failed)
        if tasks:
            self._analyse(resolved, tasks, key)
        else:
            self.progress.say(f"all {len(self.run.photos())} photo(s) were analysed before")
        return resolved

    def _check(self, now: dict[str, Any], *, redo: bool) -> None:
        before = self.run.settings
        if before["source"] != now["source"]:
            raise RunError(
                f"{self.run.path} holds a run over {', '.join(before['source'])}: choose another --out for these photos"
            )
        if before["keys"]["analysis"] != now["keys"]["analysis"] and self.run.has_analysis and not redo:
            raise RunError(
                f"the photos in {self.run.path} would have to be analysed again ({difference(before, now)}). "
                "Give --redo to do so, or choose another --out"
            )

    def _analyse(self, resolved: Resolved, tasks: list[local.Task], key: str) -> None:
        recipe = resolved.recipe
        analysis = Analysis(resolved, self.plugins, self._runtime(resolved), self.clock)
        limits = DecodeLimits(max_pixels=int(recipe.photos.max_megapixels * 1e6), min_side=recipe.photos.min_side)
        total = len(self.run.photos())
        self.progress.start("analysing", total, total - sum(len(task.pending) for task in tasks))
        local.analyse(self.run, tasks, key, analysis, limits, recipe.dataset, self.work, self.progress)
        self.progress.finish()

    def caption(self, resolved: Resolved, *, retry_failed: bool = False) -> None:
        """Caption what has no captions from this fuser and these settings yet; the analysis stays.

        Raises RunError where the analysis is not finished, FuserError where the fuser can answer nobody.
        """
        analysis = resolved.analysis_key()
        if undone := sum(not self.run.analysis_is_done(chunk, analysis) for chunk in self.run.chunks()):
            raise RunError(
                f"{undone} chunk(s) of {self.run.path} are not analysed yet: "
                "finish that first, with the t2f run that began it"
            )

        def captioning() -> Captioning:
            return Captioning(resolved, self.plugins, self._runtime(resolved), self.clock)

        @cache
        def begun() -> None:
            self.run.write_settings(settings_of(resolved, self.run.settings["source"]))
            record_own(resolved.recipe, self.plugins, self.run.path)

        key = resolved.captions_key()
        local.caption(self.run, key, captioning, begun, self.clock, self.progress, retry_failed=retry_failed)

    def _runtime(self, resolved: Resolved) -> Runtime:
        threads = self.threads or usable_cores()
        seed = resolved.recipe.seed
        return Runtime(self.models, self.device, self.dtype, threads, seed, vocabulary=resolved.vocabulary)


def caption_photos(
    source: Source,
    recipe: str | Path | Recipe = "starter",
    *,
    out: str | Path | None = None,
    plugins: str | Sequence[str] = (),
    settings: Iterable[str] = (),
    progress: Progress | None = None,
    available: Plugins | None = None,
    models: ModelStore | None = None,
    trust: bool = False,
) -> Result:
    """Caption photos: what `t2f run SOURCE` does, in memory or, with `out`, in a run directory that can go on.

    source: a folder, glob, text list or files. plugins: as for --plugins. settings: as for --set.
    trust: allow what a recipe file reaches, as --trust does.
    Raises UntrustedError if a recipe file reaches what was not allowed, UsageError where the request is wrong,
    NothingToDo where there are no photos; a bad photo is a row.
    The yunet detector sets OpenCV to one thread for the whole process and looks at photos side by side instead.
    """
    from .dataset import write_metadata

    start = time.perf_counter()
    found = available or Plugins.load()
    written = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    chosen = written.with_plugins(found, split_names(plugins) if isinstance(plugins, str) else plugins)
    chosen = chosen.with_settings(settings)
    if not isinstance(recipe, Recipe) and (where := Recipe.file_of(recipe)):
        require_trust(written, chosen, found, where, trust=trust)
    with tempfile.TemporaryDirectory(prefix="text2face-") as scratch:
        if out is None:
            chosen = chosen.with_settings(["dataset.enabled=false"])
        run = RunDirectory(Path(out or scratch))
        watcher = progress or Silent()
        session = Session(run, found, models or ModelStore(say=watcher.say), watcher)
        with run.lock():
            sources = [source] if isinstance(source, str | Path) else list(source)
            session.caption(session.analyse(sources, chosen, redo=False, retry_failed=False))
            write_metadata(run)
        rows = [(row, captions.captions) for row, captions in run.rows()]
    counts: Counter[str] = Counter(row.status for row, _ in rows)
    taken = time.perf_counter() - start
    return Result(rows, counts, taken, session.clock.seconds, Path(out) if out else None)


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
