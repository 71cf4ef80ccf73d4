"""`t2f repair`."""

from __future__ import annotations

from pathlib import Path

import click

from . import DONE


@click.command(short_help="Repair a run whose files are damaged.")
@click.argument("out", type=click.Path(path_type=Path))
def repair(out: Path) -> int:
    """Find damaged tables of the run in OUT, do what can be done, and say what was done.

    \b
    t2f repair runs/photos
    t2f run photos --out runs/photos     then makes again what was damaged

    A damaged file is set aside under another name, never removed. The list of photos is restored from the analysis.
    """
    from ..run import RunDirectory, repair_run

    run = RunDirectory.open(out)
    done = repair_run(run)
    for line in done:
        click.echo(line)
    if done:
        click.echo("Now give the t2f run command that made this run again: it does what is missing, and no more.")
    else:
        click.echo(f"nothing is damaged in {out}")
    return DONE
