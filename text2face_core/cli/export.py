"""`t2f export`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from . import DONE

# Which formats an option is for; the others would ignore it silently.
ONLY_FOR = {
    "link": ("imagefolder", "kohya"),
    "repeats": ("kohya",),
    "concept": ("kohya",),
    "names": ("imagefolder", "kohya", "webdataset", "parquet"),
    "images": ("parquet",),
    "everything": ("jsonl",),
    "shard_count": ("webdataset",),
    "shard_mb": ("webdataset",),
}


@click.command(short_help="Turn a run into a data set.")
@click.argument("run", type=click.Path(path_type=Path), metavar="OUT")
@click.option(
    "--format",
    "format_",
    required=True,
    type=click.Choice(["imagefolder", "kohya", "webdataset", "parquet", "jsonl"]),
    help="What to write.",
)
@click.option("--out", "to", type=click.Path(path_type=Path), help="The folder to write.  [default: OUT/export-FORMAT]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
@click.option(
    "--captions",
    type=click.Choice(["all", "first", "random"]),
    default="all",
    show_default=True,
    help="All captions of each photo, the first, or one drawn at random.",
)
@click.option("--seed", type=int, help="Other draws for --captions random.  [default: the run's seed]")
@click.option(
    "--link/--copy",
    default=True,
    help="imagefolder, kohya: hard links to the run's pictures, which take no space, or copies.  [default: link]",
)
@click.option(
    "--repeats", type=click.IntRange(1), default=1, help="kohya: times an epoch shows each picture.  [default: 1]"
)
@click.option("--concept", default="face", help="kohya: name of the folder of images, after N_.  [default: face]")
@click.option(
    "--names",
    type=click.Choice(["id", "original", "path"]),
    default="id",
    help="Names of exported images: the photo's id, its own file name, or its path below the folder of all photos "
    "(not for kohya). Own names may name people.  [default: id]",
)
@click.option("--images/--no-images", default=True, help="parquet: pictures in the table, or not.  [default: images]")
@click.option("--all", "everything", is_flag=True, help="jsonl: rejected, failed and uncaptioned photos as well.")
@click.option(
    "--shard-count",
    type=click.IntRange(1),
    default=10_000,
    help="webdataset: photos per tar at most.  [default: 10000]",
)
@click.option(
    "--shard-mb", type=click.IntRange(1), default=512, help="webdataset: megabytes per tar at most.  [default: 512]"
)
@click.pass_context
def export(ctx: click.Context, /, run: Path, format_: Any, to: Path | None, overwrite: bool, **given: Any) -> int:
    """Turn the run in OUT into a data set that trainers read, and print the folder's path.

    \b
    t2f export OUT --format imagefolder            metadata.jsonl and images: datasets, diffusers
    t2f export OUT --format kohya --repeats 10     pictures next to .txt captions: sd-scripts and similar
    t2f export OUT --format webdataset             tars of jpg, txt and json   (text2face[webdataset])
    t2f export OUT --format parquet                a table with the pictures in it: datasets, DuckDB
    t2f export OUT --format jsonl --all            everything known of every photo, as JSON lines

    Captioned photos are exported, with all their captions unless --captions says otherwise; a txt of webdataset, which
    trainers read as one caption, holds one drawn at random. The run is not changed, and the export does not need it.
    It is there whole or not at all.

    Pictures hold no EXIF data, and so no place. parquet and jsonl say where each photo was read from: look through
    these paths before you publish them.
    """
    from ..dataset import ExportSettings, export_dataset
    from ..run import RunDirectory
    from .progress import make_progress

    for name, formats in ONLY_FOR.items():
        if format_ not in formats and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = next(parameter for parameter in ctx.command.params if parameter.name == name)
            raise click.UsageError(f"{option.opts[0]} is for {' and '.join(formats)}, not for {format_}")
    draws = given["captions"] == "random" or (given["captions"] == "all" and format_ == "webdataset")
    if given["seed"] is not None and not draws:
        raise click.UsageError("--seed is for --captions random")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = export_dataset(
        RunDirectory.open(run),
        format_,
        to,
        ExportSettings(**given),
        overwrite=overwrite,
        progress=make_progress(quiet=bool((ctx.find_root().obj or {}).get("quiet"))),
    )
    click.echo(str(folder))
    return DONE
