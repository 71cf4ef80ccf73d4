"""`t2f run` and `t2f fuse`."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import DONE, SOME_FAILED
from .common import accept_option, plugins_of, settle_trust, store_of, trust_option

if TYPE_CHECKING:
    from ..library import Session
    from ..recipe import Recipe


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--plugins", default="", metavar="A,B", help="Plugins to use; each replaces the recipe's of its kind."
        ),
        click.option("--set", "settings", multiple=True, metavar="PLUGIN.OPTION=VALUE", help="Set one option."),
        click.option(
            "--leave-out", default="", metavar="NAMES", help="Findings that captions must not say, as ethnicity,gender."
        ),
        click.option("--seed", type=int, help="Other draws of words and order."),
        click.option(
            "--device", default="cpu", show_default=True, help="Where models compute: cpu, cuda, cuda:1, mps."
        ),
        click.option(
            "--dtype", default="float32", show_default=True, type=click.Choice(["float32", "bfloat16", "float16"])
        ),
        click.option("--threads", type=click.IntRange(0), default=0, help="Threads per model; 0 for all cores."),
        click.option("--offline", is_flag=True, default=None, help="Fetch no model files."),
        click.option("--no-report", is_flag=True, help="Do not write report.html."),
        accept_option,
        trust_option,
    ):
        command = option(command)
    return command


@click.command(short_help="Caption photos.")
@click.argument("source", nargs=-1, required=True, metavar="SOURCE…")
@click.option("--out", type=click.Path(path_type=Path), help="The run directory.  [default: runs/NAME OF SOURCE]")
@click.option("--recipe", default="starter", show_default=True, help="A recipe's name, or a TOML file.")
@click.option("--retry-failed", is_flag=True, help="Do the photos that failed once more.")
@click.option("--redo", is_flag=True, help="Analyse again what was analysed with other plugins or options.")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True, help="Photos per call of a model.")
@click.option("--decode-threads", type=click.IntRange(1), default=2, show_default=True)
@click.option(
    "--chunk-size", type=click.IntRange(1), default=128, show_default=True, help="Photos per shard of a new run."
)
@_shared
@click.pass_context
def run(ctx: click.Context, /, source: tuple[str, ...], out: Path | None, recipe: str, **given: Any) -> int:
    """Caption photos: find the one face, read it, write captions, leave a data set and a report.

    SOURCE is a folder (searched through), a glob pattern, a text file with one path a line, or photos.

    \b
    t2f run photos
    t2f run photos --out captions --plugins yunet,agegender
    t2f run 'photos/**/*.jpg' --set yunet.score=0.8 --leave-out ethnicity

    A run can be stopped at any time: the same command goes on where it stopped. A photo that cannot be used is
    recorded with its reason, and the others go on.
    """
    from ..recipe import Recipe

    where = out or Path("runs") / _name_of(source[0])
    with _session(ctx, where, given) as session:
        written = Recipe.load(recipe)
        chosen = _overridden(ctx, written, Recipe.file_of(recipe), session, given)
        resolved = session.analyse(source, chosen, redo=given["redo"], retry_failed=given["retry_failed"])
        session.caption(resolved, retry_failed=given["retry_failed"])
        return _finish(ctx, session, report=not given["no_report"])


@click.command(short_help="Write the captions of a run again.")
@click.argument("out", type=click.Path(path_type=Path))
@_shared
@click.pass_context
def fuse(ctx: click.Context, /, out: Path, **given: Any) -> int:
    """Write the captions of the run in OUT again, with another fuser or other settings. The analysis stays as it is.

    \b
    t2f fuse runs/photos --set captions.per_photo=8
    t2f fuse runs/photos --plugins phrasebook --seed 1
    """
    from ..errors import RunError
    from ..recipe import Recipe
    from ..run import RunDirectory

    before = RunDirectory.open(out).settings
    with _session(ctx, out, given) as session:
        written = Recipe.parse(before["recipe"], str(out / "run.toml"))
        chosen = _overridden(ctx, written, out / "run.toml", session, given)
        resolved = chosen.resolve(session.plugins)
        if resolved.analysis_key() != before["keys"]["analysis"]:
            raise RunError("t2f fuse changes captions only; to change the analysis: t2f run SOURCE --redo")
        session.caption(resolved)
        return _finish(ctx, session, report=not given["no_report"])


@contextlib.contextmanager
def _session(ctx: click.Context, out: Path, given: dict[str, Any]) -> Iterator[Session]:
    from ..engines import Work
    from ..library import Session
    from ..run import RunDirectory
    from .progress import make_progress

    directory = RunDirectory(out)
    session = Session(
        directory,
        plugins_of(ctx),
        store_of(ctx, given["accept"], offline=given["offline"]),
        make_progress(quiet=ctx.find_root().obj["quiet"]),
        Work(given.get("batch_size", 8), given.get("decode_threads", 2)),
        given["device"],
        given["dtype"],
        given["threads"],
        given.get("chunk_size", 128),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lock = directory.lock()
    try:
        yield session
    except KeyboardInterrupt:
        session.progress.finish()
        click.echo("t2f: stopped; the same command goes on from here", err=True)
        raise
    finally:
        lock.release()


def _overridden(
    ctx: click.Context, written: Recipe, where: Path | None, session: Session, given: dict[str, Any]
) -> Recipe:
    from ..plugins import split_names

    recipe = written.with_plugins(session.plugins, split_names(given["plugins"])).with_settings(given["settings"])
    if given["seed"] is not None:
        recipe = recipe.with_settings([f"seed={given['seed']}"])
    if given["leave_out"]:
        names = (*recipe.bag.leave_out, *split_names(given["leave_out"]))
        recipe = recipe.with_settings([f"bag.leave_out={list(dict.fromkeys(names))}"])
    return settle_trust(written, recipe, session.plugins, where, trust=given["trust"], ctx=ctx)


def _finish(ctx: click.Context, session: Session, *, report: bool) -> int:
    from ..dataset import write_metadata
    from ..report import write_report
    from ..stats import read_stats, write_stats

    write_metadata(session.run)
    if report:
        write_report(session.run)  # and stats.json, from the same pass
    else:
        write_stats(session.run)
    stats = read_stats(session.run)
    if not ctx.find_root().obj["quiet"]:
        from .summary import show_summary

        show_summary(session.run, stats, report=report)
    click.echo(str(session.run.path))
    return SOME_FAILED if stats["photos"]["failed"] else DONE


def _name_of(source: str) -> str:
    path = Path(source)
    name = (path if path.exists() else Path(source.partition("*")[0])).absolute()
    return (name.stem if name.is_file() else name.name) or "photos"
