"""`t2f import`."""

from __future__ import annotations

from pathlib import Path

import click

from . import DONE

SHOWN = 5


@click.command("import", short_help="Read captions that were edited elsewhere back into a run.")
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def import_(out: Path, folder: Path) -> int:
    """Read captions that people edited in FOLDER, an export of the run in OUT, back into the run.

    \b
    t2f export OUT --format kohya --out edited     then edit the .txt files, and:
    t2f import OUT edited
    t2f import OUT captions.csv                    columns file_name and text

    FOLDER holds caption files next to images (kohya), metadata.jsonl, metadata.csv, parquet or .tar files. Photos are
    found by their id or file name. Captions that differ from the run's are kept in OUT/review/captions.parquet, and are
    used by exports, training, statistics and the report. No caption is removed, and a new fuser does not replace them.
    """
    from ..dataset import import_captions
    from ..run import RunDirectory

    run = RunDirectory.open(out)
    with run.lock():
        found = import_captions(run, folder)
    if found.unknown:
        first = ", ".join(found.unknown[:SHOWN])
        more = f" and {len(found.unknown) - SHOWN} more" if len(found.unknown) > SHOWN else ""
        click.echo(f"not photos of this run, left out: {first}{more}", err=True)
    click.echo(f"{found.captions} captions of {found.photos} photos were changed by people")
    return DONE
