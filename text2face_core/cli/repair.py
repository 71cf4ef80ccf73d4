"""`t2f repair`."""

from __future__ import annotations

from pathlib import Path

import click

from . import DONE


@click.command(short_help="Repair a run whose files are damaged.")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--keep-edits", is_flag=True, help="Accept run.toml as it is, if it was changed by hand.")
def repair(out: Path, *, keep_edits: bool) -> int:
    """Find damaged files of the run in OUT, do what can be done, and say what was done.

    \b
    t2f repair runs/photos
    t2f run photos --out runs/photos     then makes again what was damaged

    A damaged file is set aside under another name, never removed. run.toml is restored from its copy, the list of
    photos from the analysis, and captions that people changed from metadata.jsonl. A run.toml that was changed by hand
    is restored too, unless --keep-edits accepts it.
    """
    from ..run import RunDirectory, repair_run

    run = RunDirectory.open(out)
    done = repair_run(run, keep_edits=keep_edits)
    for line in done:
        click.echo(line)
    if done and (not run.exists or run.waiting() or any(run.photos_path.name in line for line in done)):
        click.echo("Now give the t2f run command that made this run again: it does what is missing, and no more.")
    elif not done:
        click.echo(f"nothing is damaged in {out}")
    return DONE
