"""`t2f settings`."""

from __future__ import annotations

import json
from typing import Any

import click

from . import DONE
from .common import json_option
from .options import describe_options, shown_default

_ABOUT = {
    "photos": "which files are decoded",
    "faces": "which faces are accepted",
    "captions": "how many captions, in which styles, and which are good enough",
    "bag": "bag of words: the findings in words that a caption is asked to say",
    "dataset": "the images that a model is trained on",
    "evaluation": "who grades generated images",
}


@click.command(short_help="List every setting with its default and meaning.")
@click.argument("prefix", default="")
@json_option
def settings(prefix: str, *, as_json: bool) -> int:
    """List every setting that --set takes and that is not an option of a plugin, with default and meaning.

    \b
    t2f settings
    t2f settings captions
    t2f run photos --set captions.per_photo=2

    Options of plugins are listed by: t2f plugins show NAME.
    """
    from ..utils import did_you_mean

    rows = list_settings()
    shown = [row for row in rows if row["name"] == prefix or row["name"].startswith(f"{prefix}." if prefix else "")]
    if not shown:
        known = {name for row in rows for name in (row["name"], row["name"].partition(".")[0])}
        raise click.UsageError(f'there is no setting "{prefix}".{did_you_mean(prefix, known)}')
    if as_json:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return DONE
    section = ""
    for row in shown:
        if row["section"] != section:
            section = row["section"]
            click.echo(f"{click.style(section, bold=True)}  {_ABOUT.get(section, '')}".rstrip())
        limits = f"  ({', '.join(row['constraints'])})" if row["constraints"] else ""
        click.echo(f"  {row['name']} = {shown_default(row['default'])}  {row['type']}{limits}")
        if row["description"]:
            click.echo(f"    {row['description']}")
    return DONE


def list_settings() -> list[dict[str, Any]]:
    """Name, section, type, default, constraints and description of each setting, as plain data that JSON can hold."""
    from ..recipe import Recipe
    from ..sections import SECTIONS

    rows: list[dict[str, Any]] = [
        {
            "name": "seed",
            "section": "seed",
            "type": "whole number",
            "required": False,
            "default": 0,
            "constraints": [],
            "description": "random seed for word choice and order; --seed",
        }
    ]
    for section in SECTIONS:
        rows += _listed(section, section, Recipe.model_fields[section].annotation)
    return rows


def _listed(section: str, prefix: str, model: Any) -> list[dict[str, Any]]:
    from pydantic import BaseModel

    rows: list[dict[str, Any]] = []
    for row in describe_options(model):
        inner = model.model_fields[row["name"]].annotation
        name = f"{prefix}.{row['name']}"
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            rows += _listed(section, name, inner)
        else:
            rows.append({**row, "name": name, "section": section})
    return rows
