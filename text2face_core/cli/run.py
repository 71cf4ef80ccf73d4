"""`t2f run` and `t2f fuse`, which is also called `t2f caption`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import DONE, SOME_FAILED
from .common import accept_option, plugins_of, quiet_of, resumable, settle_trust, store_of, trust_option
from .models import check_accepted
from .supervision import supervise

if TYPE_CHECKING:
    from ..engines import Engine
    from ..library import Session


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--plugins",
            default="",
            metavar="A,B",
            help="Plugins to use instead of the recipe's of their role; +A adds to a set, -A removes from it.",
        ),
        click.option("--set", "settings", multiple=True, metavar="PLUGIN.OPTION=VALUE", help="Set one option."),
        click.option(
            "--leave-out",
            metavar="NAMES",
            help='Findings that captions must not mention, such as ethnicity,gender; "" for none.',
        ),
        click.option("--seed", type=int, help="Random seed for word choice and order."),
        click.option(
            "--device", default="cpu", show_default=True, help="Where models compute: cpu, cuda, cuda:1, mps."
        ),
        click.option(
            "--dtype", default="float32", show_default=True, type=click.Choice(["float32", "bfloat16", "float16"])
        ),
        click.option(
            "--threads",
            type=click.IntRange(0),
            default=0,
            help="Threads per model; 0: one for each usable core, at most 16.",
        ),
        click.option("--offline", is_flag=True, default=None, help="Fetch no model files."),
        click.option("--no-report", is_flag=True, help="Do not write report.html."),
        accept_option,
        trust_option,
    ):
        command = option(command)
    return command


def _engine(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--engine",
            default="local",
            show_default=True,
            type=click.Choice(["local", "ray"]),
            help="Where chunks are done: in this process, or by Ray actors on any number of machines.",
        ),
        click.option("--address", default="", help="The Ray cluster, or auto.  [default: Ray on this machine]"),
        click.option(
            "--actors", type=click.IntRange(0), default=0, help="Ray actors; 0: as many as the cluster has room for."
        ),
        click.option(
            "--actor-cpus", type=click.FloatRange(0), default=1.0, show_default=True, help="CPUs of each Ray actor."
        ),
        click.option(
            "--actor-gpus", type=click.FloatRange(0), default=0.0, help="GPUs of each Ray actor; may be a fraction."
        ),
        click.option(
            "--in-flight", type=click.IntRange(1), default=2, show_default=True, help="Chunks that a Ray actor has."
        ),
        click.option("--caption-actors", type=click.IntRange(0), help="Ray actors that caption.  [default: --actors]"),
        click.option(
            "--caption-gpus", type=click.FloatRange(0), help="GPUs of each for captioning.  [default: --actor-gpus]"
        ),
    ):
        command = option(command)
    return command


def _engine_of(given: dict[str, Any]) -> Engine:
    from ..engines import LocalEngine, Pool, RayEngine

    if given["engine"] == "local":
        return LocalEngine()
    analysis = Pool(
        actors=given["actors"], cpus=given["actor_cpus"], gpus=given["actor_gpus"], in_flight=given["in_flight"]
    )
    actors, gpus = given["caption_actors"], given["caption_gpus"]
    captioning = replace(
        analysis,
        actors=analysis.actors if actors is None else actors,
        gpus=analysis.gpus if gpus is None else gpus,
    )
    return RayEngine(given["address"], analysis=analysis, captioning=captioning)


@click.command(short_help="Caption photos.")
@click.argument("source", nargs=-1, metavar="SOURCE…")
@click.option(
    "--source",
    "named",
    multiple=True,
    metavar="NAME:PLACE",
    help="Photos of a source by its name, such as webdataset:shards; see t2f plugins list --kind source.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The run directory.  [default: runs/NAME OF SOURCE]")
@click.option("--recipe", default="starter", show_default=True, help="A recipe's name, or a TOML file.")
@click.option("--retry-failed", is_flag=True, help="Analyse photos that failed again.")
@click.option("--redo", is_flag=True, help="Analyse again what was analysed differently; forget photos that are gone.")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True, help="Photos per call of a model.")
@click.option(
    "--decode-threads", type=click.IntRange(1), default=2, show_default=True, help="Processes that decode photos."
)
@click.option(
    "--chunk-size", type=click.IntRange(1), default=128, show_default=True, help="Photos per shard of a new run."
)
@_engine
@_shared
@click.pass_context
def run(
    ctx: click.Context,
    /,
    source: tuple[str, ...],
    named: tuple[str, ...],
    out: Path | None,
    recipe: str,
    **given: Any,
) -> int:
    """Caption photos: find the one face, analyse it, write captions, leave a data set and a report.

    SOURCE is a folder (searched recursively), a glob pattern, a text file with one path a line, photos, or what a
    source plugin opens: web-dataset tars, parquet tables, URLs.

    \b
    t2f run photos
    t2f run photos --out captions --plugins yunet,agegender
    t2f run photos --plugins +clip,-photo
    t2f run 'shards/{00000..00099}.tar'
    t2f run 'photos/**/*.jpg' --set yunet.score=0.8 --leave-out ethnicity

    A run can be stopped at any time: the same command resumes it. A photo that cannot be used is recorded with its
    reason, and the run continues.
    """
    from ..recipe import Recipe

    written = Recipe.load(recipe) if not (source or named) else None
    source += named or tuple(one.place for one in (written.sources if written else ()))
    if not source:
        raise click.UsageError("Missing argument 'SOURCE…'.", ctx)
    target = out or Path("runs") / _name_of(source[0])
    if (code := supervise(ctx, target)) is not None:
        return code
    from .. import library

    written = written or Recipe.load(recipe)
    with _session(ctx, target, given) as session:
        chosen = library.override(written, session.plugins, **_overrides(given))
        settle_trust(written, chosen, session.plugins, Recipe.file_of(recipe), trust=given["trust"], ctx=ctx)
        _say_set(session, written, chosen)
        library.run_photos(session, source, chosen, redo=given["redo"], retry_failed=given["retry_failed"])
        return _finish(ctx, session, report=not given["no_report"])


@click.command(short_help="Write the captions of a run again.")
@click.argument("out", type=click.Path(path_type=Path))
@_engine
@_shared
@click.pass_context
def fuse(ctx: click.Context, /, out: Path, **given: Any) -> int:
    """Write the captions of the run in OUT again, with another fuser or other settings. The analysis stays as it is.

    \b
    t2f fuse runs/photos --set captions.per_photo=8
    t2f fuse runs/photos --plugins phrasebook --seed 1
    t2f fuse runs/photos --leave-out ""

    `t2f caption OUT` is the same command. Settings stay as the run has them unless given here; so does --leave-out,
    which "" undoes.
    """
    from .. import library
    from ..run import RunDirectory

    RunDirectory.open(out)
    with _session(ctx, out, given) as session:
        library.recaption(session, **_overrides(given), trust=given["trust"])
        return _finish(ctx, session, report=not given["no_report"])


@contextlib.contextmanager
def _session(ctx: click.Context, out: Path, given: dict[str, Any]) -> Iterator[Session]:
    from ..engines import Work
    from ..library import Session
    from ..run import RunDirectory
    from .progress import make_progress

    plugins = plugins_of(ctx)
    check_accepted(plugins, given["accept"])
    session = Session(
        run=RunDirectory(out),
        plugins=plugins,
        models=store_of(ctx, given["accept"], offline=given["offline"]),
        progress=make_progress(quiet=quiet_of(ctx)),
        work=Work(batch=given.get("batch_size", 8), decode_threads=given.get("decode_threads", 2)),
        device=given["device"],
        dtype=given["dtype"],
        threads=given["threads"],
        chunk_size=given.get("chunk_size", 128),
        engine=_engine_of(given),
    )
    with resumable(), session.run.lock():
        try:
            yield session
        except KeyboardInterrupt:
            session.progress.finish()
            raise


def _overrides(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "names": given["plugins"],
        "settings": given["settings"],
        "seed": given["seed"],
        "leave_out": given["leave_out"],
    }


def _say_set(session: Session, before: Any, after: Any) -> None:
    """Say which filters and extractors the run has now, and which findings are no longer observed."""
    for line in after.changes(before, session.plugins):
        session.progress.say(line)


def _finish(ctx: click.Context, session: Session, *, report: bool) -> int:
    from ..library import finish_run

    stats = finish_run(session.run, report=report)
    if not quiet_of(ctx):
        from .summary import show_summary

        show_summary(session.run, stats, report=report)
    click.echo(str(session.run.path))
    return SOME_FAILED if stats["photos"]["failed"] else DONE


def _name_of(source: str) -> str:
    """Return the name of a place, without its scheme and what varies in it.

    >>> _name_of("webdataset:shards/{00000..00099}.tar"), _name_of("photos/*.jpg")
    ('shards', 'photos')
    """
    if not Path(source).exists():
        source = re.sub(r"^[a-z][a-z0-9+._-]+:(//)?", "", source)
    path = Path(source)
    name = (path if path.exists() else Path(re.split("[*{]", source)[0])).absolute()
    return (name.stem if name.is_file() else name.name) or "photos"
