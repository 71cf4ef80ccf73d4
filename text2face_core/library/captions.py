"""Caption photos, and caption a finished run again."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..contracts import Progress
from ..errors import RunError
from ..models import ModelStore
from ..plugins import Plugins
from ..recipe import Recipe
from ..run import RunDirectory
from ..trust import require_trust
from ..utils import write_text
from .session import Result, Session, Silent, override

if TYPE_CHECKING:
    from ..stats import Stats

LARGE = 20_000
"""Photos of a run whose data set and report are not written again if nothing has changed."""

PhotoSource = str | Path | Sequence[str | Path]
"""A folder, glob pattern, text list, file or address of a source plugin; or several."""


def caption_photos(
    source: PhotoSource,
    recipe: str | Path | Recipe = "starter",
    *,
    out: str | Path | None = None,
    plugins: str | Sequence[str] = (),
    settings: Iterable[str] = (),
    seed: int | None = None,
    leave_out: str | Sequence[str] | None = None,
    redo: bool = False,
    retry_failed: bool = False,
    report: bool = True,
    progress: Progress | None = None,
    available: Plugins | None = None,
    models: ModelStore | None = None,
    trust: bool = False,
    **session: Any,
) -> Result:
    """Caption photos, as `t2f run SOURCE` does: in memory or, with `out`, in a run directory that can be resumed.

    Args:
        source: A folder, glob pattern, text list or files.
        recipe: A recipe's name, a TOML file, or a recipe.
        out: The run directory; it then holds tables, the data set, report.html and stats.json.
        plugins: As for --plugins.
        settings: As for --set, such as ["captions.per_photo=2"].
        seed: Random seed for word choice and order.
        leave_out: Findings that captions must not mention.
        redo: Analyse again what was analysed with other plugins or options.
        retry_failed: Analyse photos that failed again.
        report: Write report.html as well as stats.json into `out`.
        progress: Receives how far the work has come.
        available: The plugins that may be used; by default all that are installed.
        models: Where model files come from.
        trust: Allow what a recipe file reaches, as --trust does.
        session: `device`, `dtype`, `threads`, `engine`, `work`, `chunk_size`: see `Session`.

    Returns:
        Every photo with its captions. A photo that cannot be used is a row with its reason.

    Raises:
        UntrustedError: A recipe file reaches what was not allowed.
        UsageError: The request is wrong.
        NothingToDo: There are no photos.

    Note:
        The yunet detector sets OpenCV to a single thread for the whole process and works on photos in parallel instead.

    Example:
        >>> for row, captions in caption_photos("photos", plugins="phrasebook"):  # doctest: +SKIP
        ...     print(row.uri, row.reason or captions[0].text)
    """
    start = time.perf_counter()
    found = available or Plugins.load()
    written = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
    chosen = override(written, found, names=plugins, settings=settings, seed=seed, leave_out=leave_out)
    if not isinstance(recipe, Recipe) and (where := Recipe.file_of(recipe)):
        require_trust(written, chosen, found, where, trust=trust)
    with tempfile.TemporaryDirectory(prefix="text2face-") as scratch:
        if out is None:
            chosen = chosen.with_settings(["dataset.enabled=false"])
        work = _session(Path(out or scratch), found, models, progress, session)
        places = [source] if isinstance(source, str | Path) else list(source)
        with work.run.lock():
            run_photos(work, places, chosen, redo=redo, retry_failed=retry_failed)
            if out is not None:
                finish_run(work.run, report=report)
        return _result(work, start, Path(out) if out else None)


def caption_again(
    out: str | Path,
    *,
    plugins: str | Sequence[str] = (),
    settings: Iterable[str] = (),
    seed: int | None = None,
    leave_out: str | Sequence[str] | None = None,
    report: bool = True,
    progress: Progress | None = None,
    available: Plugins | None = None,
    models: ModelStore | None = None,
    trust: bool = False,
    **session: Any,
) -> Result:
    """Write the captions of a run again, as `t2f caption OUT` does; the analysis stays as it is.

    Args:
        out: The run directory.
        plugins: As for --plugins: another fuser.
        settings: As for --set.
        seed: Random seed for word choice and order.
        leave_out: Findings that captions must not mention, besides those that the run leaves out; empty for none.
        report: Write report.html as well as stats.json.
        progress: Receives how far the work has come.
        available: The plugins that may be used; by default all that are installed.
        models: Where model files come from.
        trust: Allow what the run's settings reach, as --trust does.
        session: As for `caption_photos`.

    Raises:
        UntrustedError: The run reaches what was not allowed.
        RunError: There is no such run, its analysis is not finished, or the settings would change the analysis.
    """
    start = time.perf_counter()
    RunDirectory.open(Path(out))
    work = _session(Path(out), available or Plugins.load(), models, progress, session)
    with work.run.lock():
        recaption(work, names=plugins, settings=settings, seed=seed, leave_out=leave_out, trust=trust)
        finish_run(work.run, report=report)
    return _result(work, start, work.run.path)


def run_photos(
    session: Session, places: Sequence[str | Path], recipe: Recipe, *, redo: bool = False, retry_failed: bool = False
) -> None:
    """Analyse and caption photos into a session's run, whose lock the caller holds; nothing is read into memory."""
    with closing(session.engine):
        resolved = session.analyse(places, recipe, redo=redo, retry_failed=retry_failed)
        session.caption(resolved, retry_failed=retry_failed)


def recaption(
    session: Session,
    *,
    names: str | Sequence[str] = (),
    settings: Iterable[str] = (),
    seed: int | None = None,
    leave_out: str | Sequence[str] | None = None,
    trust: bool = False,
) -> None:
    """Write the captions of a session's run again; the caller holds its lock. See `caption_again`.

    Raises:
        RunError: The analysis is not finished, or the settings would change it.
    """
    before = session.run.settings
    written = Recipe.parse(before["recipe"], str(session.run.settings_path))
    recipe = override(written, session.plugins, names=names, settings=settings, seed=seed, leave_out=leave_out)
    require_trust(written, recipe, session.plugins, session.run.settings_path, trust=trust, say=session.progress.say)
    resolved = recipe.resolve(session.plugins)
    if resolved.analysis_key() != before["keys"]["analysis"]:
        raise RunError("t2f fuse changes captions only; to change the analysis: t2f run SOURCE --redo")
    if recipe.bag.leave_out and leave_out is None:
        left_out = ", ".join(recipe.bag.leave_out)
        session.progress.say(f"captions leave out {left_out}, as before; to mention everything: --leave-out ''")
    with closing(session.engine):
        session.caption(resolved)


def finish_run(run: RunDirectory, *, report: bool = True) -> Stats:
    """Write a run's metadata.jsonl, stats.json and report, and return its figures.

    A large run in which nothing has changed since they were written is left as it is.
    """
    from ..dataset import write_metadata
    from ..report import write_report
    from ..stats import read_stats, write_stats

    files = [run.path / "stats.json", *([run.path / "report.html"] if report else [])]
    note = run.path / ".finished"
    is_large = len(run.listing) >= LARGE
    if is_large and all(path.is_file() for path in (*files, note)) and note.read_bytes() == _state(run):
        return read_stats(run)
    note.unlink(missing_ok=True)
    write_metadata(run)
    if report:
        write_report(run)  # and stats.json, from the same pass
    else:
        write_stats(run)
    if is_large:
        write_text(note, _state(run).decode())
    return read_stats(run)


def _state(run: RunDirectory) -> bytes:
    return f"{__version__} {run.state()}\n".encode()


def _session(
    out: Path, plugins: Plugins, models: ModelStore | None, progress: Progress | None, given: dict[str, Any]
) -> Session:
    shown = progress or Silent()
    return Session(
        run=RunDirectory(out),
        plugins=plugins,
        models=models or ModelStore(say=shown.say),
        progress=shown,
        **given,
    )


def _result(session: Session, start: float, out: Path | None) -> Result:
    rows = [(row, captions.captions) for row, captions in session.run.rows()]
    counts: Counter[str] = Counter(row.status for row, _ in rows)
    return Result(rows, counts, time.perf_counter() - start, session.clock.seconds, out)
