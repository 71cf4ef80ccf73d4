"""`t2f evaluate vote` and `t2f evaluate votes`."""

from __future__ import annotations

from pathlib import Path

import click

from . import DONE
from .common import quiet_of


@click.command(short_help="Write a page on which people compare the images.")
@click.argument("evaluation", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="EVAL")
@click.option("--models", default="", metavar="A,B", help="Names of the models to compare.  [default: all of them]")
@click.option("--pairs", type=click.IntRange(0, 500), default=40, show_default=True, help="Pairs of images.")
@click.option("--statements", type=click.IntRange(0, 500), default=20, show_default=True, help="Yes-or-no questions.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed of what is drawn.")
@click.pass_context
def vote(ctx: click.Context, evaluation: Path, models: str, pairs: int, statements: int, seed: int) -> int:
    """Write EVAL/vote.html: a self-contained page, without network, for any number of raters.

    \b
    t2f evaluate vote EVAL --pairs 60
    t2f evaluate votes EVAL votes/*.json

    Raters see two images of a prompt, blind, in an order and on sides that are drawn for each of them, and say which
    shows the text better and which looks more real; and whether single statements are right. A tenth of the questions
    comes again, and a few check attention. Each rater downloads a JSON file at the end. EVAL/vote-key.json says which
    model made which image: keep it from the raters.
    """
    from ..library import write_ballot

    names = [one.strip() for one in models.split(",") if one.strip()]
    page = write_ballot(evaluation, models=names, pairs=pairs, statements=statements, seed=seed)
    if not quiet_of(ctx):
        click.echo(f"t2f: send {page.name} to the raters, and read their files with t2f evaluate votes", err=True)
    click.echo(str(page))
    return DONE


@click.command(short_help="Read people's votes.")
@click.argument("evaluation", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="EVAL")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_context
def votes(ctx: click.Context, evaluation: Path, files: tuple[Path, ...]) -> int:
    """Read the files that raters downloaded, and write EVAL/votes.json and votes.parquet.

    Shares with intervals over raters and prompts, Bradley-Terry strengths of more than two models, agreement of raters
    (Krippendorff's alpha), how often a rater answers the same question alike, and agreement with the graders.
    """
    from ..library import read_votes

    result = read_votes(evaluation, files)
    if not quiet_of(ctx):
        click.echo(f"t2f: {result.headline}", err=True)
    click.echo(str(result.out / "votes.json"))
    return DONE
