"""`t2f report`."""

from __future__ import annotations

from pathlib import Path

import click

from . import DONE


@click.command(short_help="Write the HTML report of a run again.")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(1), default=400, show_default=True, help="Most photos shown on the page.")
@click.option("--open", "open_", is_flag=True, help="Open the page in the browser.")
def report(out: Path, limit: int, *, open_: bool) -> int:
    """Write report.html and stats.json of the run in OUT again, and print the page's path.

    \b
    t2f report runs/photos --open
    t2f report runs/photos --limit 2000

    The page is a single file that loads nothing. It contains thumbnails of the photos and names of their files:
    check it before you share it. If the run is not finished, it shows the chunks that are done.
    """
    from ..report import write_report
    from ..run import RunDirectory

    page = write_report(RunDirectory.open(out), limit=limit)
    click.echo(str(page))
    if open_ and click.launch(page.resolve().as_uri()):
        click.echo(f"t2f: no browser could be started; open {page} in one", err=True)
    return DONE
