"""`t2f plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from . import DONE
from .common import accept_option, json_option, plugins_of, settle_trust, store_of, trust_option

if TYPE_CHECKING:
    from ..library import Plan

MACHINES = (8, 64)


@click.command(short_help="Estimate what a run will take.")
@click.argument("source", nargs=-1, required=True, metavar="SOURCE…")
@click.option("--recipe", default="starter", show_default=True, help="A recipe's name, or a TOML file.")
@click.option("--photos", type=click.IntRange(1), help="Photos of the whole run.  [default: as many as are listed]")
@click.option("--sample", type=click.IntRange(1, 10_000), default=32, show_default=True, help="Photos to measure.")
@click.option("--plugins", default="", metavar="A,B", help="As for t2f run.")
@click.option("--set", "settings", multiple=True, metavar="PLUGIN.OPTION=VALUE", help="As for t2f run.")
@click.option("--device", default="cpu", show_default=True, help="Where models compute: cpu, cuda, cuda:1, mps.")
@click.option("--threads", type=click.IntRange(0), default=0, help="Threads per model; 0: one for each usable core.")
@json_option
@accept_option
@trust_option
@click.pass_context
def plan(ctx: click.Context, /, source: tuple[str, ...], recipe: str, **given: Any) -> int:
    """Estimate what a run will take: measure a sample of the photos, and write nothing.

    Hours on this machine and on several like it, disk, files, the size of models, the tokens of a language model, and
    where the time goes.

    \b
    t2f plan 'shards/{00000..00999}.tar' --photos 10000000
    t2f plan photos --recipe paper --device cuda
    """
    from .. import library
    from ..recipe import Recipe

    plugins = plugins_of(ctx)
    written = Recipe.load(recipe)
    chosen = library.override(written, plugins, names=given["plugins"], settings=given["settings"])
    settle_trust(written, chosen, plugins, Recipe.file_of(recipe), trust=given["trust"], ctx=ctx)
    found = library.plan_run(
        source,
        chosen,
        photos=given["photos"],
        sample=given["sample"],
        plugins=plugins,
        models=store_of(ctx, given["accept"]),
        device=given["device"],
        threads=given["threads"],
    )
    click.echo(json.dumps(found.as_data(), indent=2) if given["as_json"] else _text(found, given["device"]))
    return DONE


def _text(found: Plan, device: str) -> str:
    from ..models import human_size

    where = "machine" if device == "cpu" else "GPU"
    total = sum(found.seconds.values())
    several = [f"{_time(found.hours / count)} on {count} such {where}s" for count in MACHINES]
    hours = ", ".join([f"{_time(found.hours)} on this {where}", *several])
    lines = [
        f"{found.photos:,} photos, by {found.sample} of them ({found.accepted:.0%} captioned)".replace("%", " %"),
        f"time    {hours}",
        f"disk    {human_size(round(found.disk))} in {found.files:,} files",
        f"models  {human_size(found.models)} of files, in the memory of each process about as much",
    ]
    if found.prompt_tokens:
        lines.append(f"tokens  about {found.prompt_tokens:,.0f} read and {found.answer_tokens:,.0f} written")
    lines.append("where the time goes, for a photo:")
    for name, seconds in sorted(found.seconds.items(), key=lambda item: -item[1]):
        if seconds:
            lines.append(f"  {1000 * seconds:8.2f} ms  {seconds / total:4.0%}  {name}".replace("%", " %"))
    return "\n".join(lines)


def _time(hours: float) -> str:
    """A duration in its natural unit.

    >>> _time(0.5), _time(30), _time(2400)
    ('30 minutes', '30 hours', '100 days')
    """
    if hours < 1:
        return f"{max(1, round(60 * hours))} minutes"
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"
