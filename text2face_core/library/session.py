"""One use of a run directory: list photos, analyse them, caption them, and leave a data set and a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from ..contracts import Progress, Runtime
from ..engines import (
    AnalysisJob,
    AnalysisTasks,
    CaptioningJob,
    Engine,
    LocalEngine,
    Work,
    analysis_tasks,
    captioning_tasks,
)
from ..errors import NothingToDo, RunError
from ..images import start_decoders
from ..models import ModelStore
from ..pipeline import Analysis, Captioning, Clock
from ..plugins import Plugins, require, split_names
from ..provenance import difference, settings_of
from ..recipe import Recipe, Resolved
from ..records import AnalysisRow, Caption
from ..run import Changes, RunDirectory
from ..sources import Sources, iter_photos, listing_stamp, scheme_of, use_sources
from ..trust import record_own
from ..utils import check_device, default_threads

LARGE = 50_000
"""Photos of a run that grows without its list being held in memory."""
Stage = TypeVar("Stage", Analysis, Captioning)


class Silent:
    """Progress that is not shown."""

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
    """The result of a run.

    Attributes:
        rows: Every photo with its captions, in the order listed.
        counts: Photos by status: "ok", "rejected", "failed".
        seconds: Wall time of the whole run.
        model_seconds: Wall time inside each component.
        out: The run directory; None for a run in memory.
    """

    rows: list[tuple[AnalysisRow, tuple[Caption, ...]]]
    counts: Counter[str]
    seconds: float
    model_seconds: dict[str, float]
    out: Path | None = None

    def __iter__(self) -> Iterator[tuple[AnalysisRow, tuple[Caption, ...]]]:
        return iter(self.rows)


@dataclass(slots=True)
class _Built(Generic[Stage]):
    """Analysis or captioning that is built when it is first used, in whatever process that is."""

    kind: Callable[[Resolved, Plugins, Runtime, Clock], Stage]
    resolved: Resolved
    plugins: Plugins
    runtime: Runtime
    clock: Clock
    built: Stage | None = None

    def __call__(self) -> Stage:
        if self.built is None:
            self.built = self.kind(self.resolved, self.plugins, self.runtime, self.clock)
        return self.built

    def __reduce__(self) -> tuple[Any, ...]:
        return _Built, (self.kind, self.resolved, self.plugins, self.runtime, self.clock)


@dataclass(slots=True)
class _Begin:
    """Writes the settings of a run whose captions are about to be replaced, once."""

    run: RunDirectory
    settings: dict[str, Any]
    recipe: Recipe
    plugins: Plugins
    done: bool = False

    def __call__(self) -> None:
        if not self.done:
            self.run.write_settings(self.settings)
            record_own(self.recipe, self.plugins, self.run.path)
            self.done = True

    def __reduce__(self) -> tuple[Any, ...]:
        return _Begin, (self.run, self.settings, self.recipe, self.plugins)


@dataclass(slots=True, kw_only=True)
class Session:
    """One use of a run directory: what `caption_photos` and `caption_again` share.

    Attributes:
        run: The directory; hold its lock while working.
        plugins: The plugins that may be used.
        models: Where model files come from.
        progress: Receives how far the work has come.
        engine: Decides where the work is done.
        work: Sizes of batches and pools.
        device: "cpu", "cuda", "cuda:1" or "mps".
        dtype: "float32", "bfloat16" or "float16".
        threads: Threads of each model; 0 for all cores.
        chunk_size: Photos per shard of a new run.
        clock: Counts the seconds inside each component.
    """

    run: RunDirectory
    plugins: Plugins
    models: ModelStore
    progress: Progress = field(default_factory=Silent)
    engine: Engine = field(default_factory=LocalEngine)
    work: Work = field(default_factory=Work)
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 0
    chunk_size: int = 128
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        use_sources(Sources(self.plugins, self.models))

    def analyse(
        self, source: Sequence[str | Path], recipe: Recipe, *, redo: bool = False, retry_failed: bool = False
    ) -> Resolved:
        """List the photos, analyse those that are not done, and commit them chunk by chunk.

        Args:
            source: Folders, glob patterns, text lists, files and addresses of source plugins.
            recipe: Which plugins run and with what options.
            redo: Analyse again what was analysed with other plugins or options.
            retry_failed: Analyse photos that failed again.

        Raises:
            RunError: The directory holds a run over other photos, or a run that was analysed differently and `redo` is
                off.
        """
        recipe = recipe.with_sources([_absolute(one) for one in source], self.plugins)
        resolved = recipe.resolve(self.plugins)
        use_sources(Sources(self.plugins, self.models, recipe.plugins))
        now = settings_of(resolved, [_absolute(one) for one in source])
        if self.run.exists:
            self._check(now, redo=redo)
        resumed = self.run.exists
        changes = self._list(source, redo=redo)
        if redo:
            self.run.forget_gone()
        self.run.write_settings(now)
        record_own(recipe, self.plugins, self.run.path)
        for message in changes.messages() if resumed else ():
            self.progress.say(message)
        self._analyse_listed(resolved, retry_failed=retry_failed)
        return resolved

    def analyse_listed(self, resolved: Resolved, source: Sequence[str]) -> None:
        """Analyse the photos that the run lists already, from these places."""
        self.run.write_settings(settings_of(resolved, list(source)))
        self._analyse_listed(resolved, retry_failed=False)

    def _analyse_listed(self, resolved: Resolved, *, retry_failed: bool) -> None:
        key = resolved.analysis_key()
        if tasks := analysis_tasks(self.run, key, retry_failed=retry_failed):
            self._analyse(resolved, tasks, key)
        else:
            self.progress.say(f"all {len(self.run.listing)} photo(s) were analysed before")

    def _list(self, source: Sequence[str | Path], *, redo: bool) -> Changes:
        """List the photos, unless the sources say that nothing has changed since the last time."""
        stamp = listing_stamp(source)
        if self.run.listing.exists and stamp and stamp == self.run.listing.stamp and not redo:
            return Changes()
        listed = iter_photos(source, exclude=[self.run.path], warn=self.progress.say)
        if not self.run.listing.exists:
            self.run.list_first(listed, self.chunk_size, stamp)
            return Changes(added=len(self.run.listing))
        if len(self.run.listing) >= LARGE:
            if (changes := self.run.extend_photos(listed, self.chunk_size, stamp)) is not None:
                return changes
            listed = iter_photos(source, exclude=[self.run.path], warn=self.progress.say)
        try:
            found = list(listed)
        except NothingToDo:
            found = []
        return self.run.update_photos(found, self.chunk_size, thorough=redo, stamp=stamp)

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

    def _prepare(self, resolved: Resolved) -> None:
        """Notice before hours of analysis what captioning will lack, and fetch all model files first.

        Raises MissingExtra, ArtifactError or FuserError if something is missing; the message lists all of it.
        """
        needs = require(resolved, self.models)
        for line in needs.lines():
            self.progress.say(line)
        for artifact in needs.files:
            self.models.path(artifact)

    def _analyse(self, resolved: Resolved, tasks: AnalysisTasks, key: str) -> None:
        self._prepare(resolved)
        if not self.engine.elsewhere:
            start_decoders()  # meanwhile the models are built
        recipe = resolved.recipe
        build = _Built(Analysis, resolved, self.plugins, self._runtime(resolved, "analysis"), self.clock)
        if not self.engine.elsewhere:
            build()  # before anything is shown
        total = len(self.run.listing)
        self.progress.start("analysing", total, total - tasks.photos)
        job = AnalysisJob(
            run=self.run,
            key=key,
            build=build,
            limits=recipe.photos.limits(),
            dataset=recipe.dataset,
            work=self.work,
            clock=self.clock,
        )
        self.engine.run(job, tasks, self.progress)
        self.progress.finish()

    def caption(self, resolved: Resolved, *, retry_failed: bool = False) -> None:
        """Caption what has no captions from this fuser and these settings yet; the analysis stays as it is.

        Raises:
            RunError: The analysis is not finished.
            FuserError: The fuser cannot answer any request.
        """
        use_sources(Sources(self.plugins, self.models, resolved.recipe.plugins))
        analysis = resolved.analysis_key()
        chunks = self.run.listing.chunks()
        if undone := sum(not self.run.analysis_is_done(one.number, analysis, one.ids) for one in chunks):
            raise RunError(
                f"{undone} chunk(s) of {self.run.path} are not analysed yet: "
                "finish that first, with the t2f run that began it"
            )
        begun = _Begin(self.run, settings_of(resolved, self.run.settings["source"]), resolved.recipe, self.plugins)
        key = resolved.captions_key()
        tasks = captioning_tasks(self.run, key, retry_failed=retry_failed)
        if not tasks:
            begun()
            return
        build = _Built(Captioning, resolved, self.plugins, self._runtime(resolved, "captioning"), self.clock)
        if not self.engine.elsewhere:
            build()
        total = sum(one.count for one in chunks)
        self.progress.start("captioning", total, total - tasks.photos)
        job = CaptioningJob(run=self.run, key=key, build=build, begun=begun, clock=self.clock)
        self.engine.run(job, tasks, self.progress)
        begun()  # in this process too, if others did the work
        self.progress.finish()

    def _runtime(self, resolved: Resolved, kind: Literal["analysis", "captioning"]) -> Runtime:
        if not self.engine.elsewhere:
            check_device(self.device)
        threads = self.threads or self.engine.threads_per_model(kind, default_threads())
        seed = resolved.recipe.seed
        return Runtime(self.models, self.device, self.dtype, threads, seed, vocabulary=resolved.vocabulary)


def override(
    recipe: Recipe,
    plugins: Plugins,
    *,
    names: str | Sequence[str] = (),
    settings: Iterable[str] = (),
    seed: int | None = None,
    leave_out: str | Sequence[str] | None = None,
) -> Recipe:
    """The recipe with what a command line gives over it.

    Args:
        recipe: The recipe as it is.
        plugins: The plugins that may be used.
        names: As for --plugins.
        settings: As for --set.
        seed: As for --seed.
        leave_out: As for --leave-out: names that are added; empty to leave out nothing any more.
    """
    recipe = recipe.with_plugins(plugins, _names(names)).with_settings(settings)
    if seed is not None:
        recipe = recipe.with_settings([f"seed={seed}"])
    if leave_out is not None:
        listed = _names(leave_out)
        left_out = list(dict.fromkeys([*recipe.bag.leave_out, *listed])) if listed else []
        recipe = recipe.with_settings([f"bag.leave_out={left_out}"])
    return recipe


def _names(names: str | Sequence[str]) -> list[str]:
    return split_names(names) if isinstance(names, str) else list(names)


def _absolute(place: str | Path) -> str:
    elsewhere = scheme_of(str(place)) != "file" and not Path(place).exists()
    return str(place) if elsewhere else str(Path(place).absolute())
