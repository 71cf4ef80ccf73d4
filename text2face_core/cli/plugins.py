"""`t2f plugins list`, `show` and `new`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import describe_artifact, json_option, plugins_of, store_of
from .options import describe_options, shown_default

if TYPE_CHECKING:
    from ..contracts import Role
    from ..models import ModelStore
    from ..plugins import Plugin, Plugins, Registered

ROLES = ("source", "detector", "filter", "extractor", "fuser", "trainer", "renderer", "metric")
SCAFFOLDS = ("extractor", "filter", "detector", "fuser", "trainer", "source", "renderer", "metric")

WHY_NOT = {
    "disabled": "switched off by T2F_LOAD_PLUGINS or --no-plugins",
    "replaced": "an outside plugin has taken its name",
}


@click.group(short_help="List, show and create plugins.")
def plugins() -> None:
    """List, show and create plugins: sources, detectors, filters, extractors, fusers, trainers and metrics."""


@plugins.command("list")
@click.option("--kind", type=click.Choice(ROLES), help="Role: only plugins that offer this.")
@json_option
@click.pass_context
def list_(ctx: click.Context, kind: Role | None, *, as_json: bool) -> None:
    """List every plugin: its distribution, whether it can be used, and what it offers.

    A plugin from outside is listed by the metadata of its distribution; t2f plugins show NAME imports it.
    """
    rows = [_row(plugin, kind) for plugin in plugins_of(ctx).listing()]
    # It is unknown what a plugin would offer that is broken or was not imported, so it is never left out.
    unknown = [row["name"] for row in rows if row["status"] == "broken" or not row["imported"]]
    shown = [row for row in rows if kind is None or row["components"] or row["name"] in unknown]
    if as_json:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    names = [row["name"] for row in shown] + [f"  {part['name']}" for row in shown for part in row["components"]]
    width = max(map(len, names), default=0) + 2
    for row in shown:
        click.echo(f"{click.style(row['name'].ljust(width), bold=True)}{_label(row)}{_status(row)}")
        for part in row["components"]:
            licences = f"  [{', '.join(part['licences'])}]" if part["licences"] else ""
            click.echo(f"  {part['name'].ljust(width)}{part['kind']:<11}{part['summary']}{licences}")


@plugins.command()
@click.argument("name")
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, *, as_json: bool) -> None:
    """Show a plugin or one of its components: options, model files, findings, and how to use it."""
    plugin = _named(plugins_of(ctx), name)
    store = store_of(ctx)
    row = _row(plugin, None)
    offered = [one for one in plugin.components if name in {plugin.found.name, one.name}]
    row["module"] = plugin.found.module
    row["components"] = [_details(one, store) for one in offered]
    if as_json:
        click.echo(json.dumps(row, indent=2, ensure_ascii=False))
        return
    click.echo(f"{click.style(row['name'], bold=True)}  {_label(row)}, module {row['module']}{_status(row)}")
    for part in row["components"]:
        click.echo()
        for line in _text(part):
            click.echo(line)


@plugins.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(SCAFFOLDS), default="extractor", show_default=True, help="What it offers.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder to make.  [default: t2f-NAME]")
def new(name: str, kind: Role, out: Path | None) -> None:
    """Write a new plugin: a package of your own that installs, with a test that passes."""
    from ..plugins import discover, write_plugin

    taken = {found.name: found.label for found in discover()}
    folder = write_plugin(name, kind, out, taken)
    command = _selection(kind, name)[-1]["command"]
    click.echo(str(folder))
    for line in (
        f"A new {kind} called {name}, ready to install. Next:",
        f"  pip install -e {folder}",
        f"  t2f plugins show {name}",
        f"  {command}",
        f"  python -m pytest {folder}",
        f"Then make it yours: {folder}/README.md says what to change.",
    ):
        click.echo(line, err=True)


def _named(plugins: Plugins, name: str) -> Plugin:
    """The plugin of that name, or of the component of that name, in any state. Raises PluginError if there is none."""
    row = plugins.plugin(name.partition(".")[0])
    if row.components and name != row.found.name:
        plugins.chosen([name])
    return row


def _row(plugin: Plugin, kind: Role | None) -> dict[str, Any]:
    found = plugin.found
    return {
        "name": found.name,
        "distribution": found.distribution,
        "version": found.version,
        "builtin": found.builtin,
        "status": plugin.status,
        "imported": plugin.imported,
        "error": plugin.error,
        "components": [
            {
                "name": one.name,
                "kind": one.kind,
                "summary": one.component.summary,
                "licences": sorted({artifact.licence for artifact in one.component.artifacts}),
            }
            for one in plugin.components
            if kind in {None, one.kind}
        ],
    }


def _label(row: dict[str, Any]) -> str:
    return f"{row['distribution']} {row['version']}".strip()


def _status(row: dict[str, Any]) -> str:
    if row["status"] == "available" and not row["imported"]:
        return f"  from outside, not imported: t2f plugins show {row['name']}"
    if row["status"] == "available":
        return "" if row["components"] else "  offers nothing"
    return click.style(f"  {row['status']}: {row['error'] or WHY_NOT[row['status']]}", fg="red")


def _details(one: Registered, store: ModelStore) -> dict[str, Any]:
    from ..utils import install_command

    component = one.component
    return {
        "name": one.name,
        "kind": one.kind,
        "summary": component.summary,
        "provides": list(component.provides),
        "extra": component.extra,
        "install": install_command(component.extra, distribution=one.plugin.distribution) if component.extra else None,
        "select": _selection(one.kind, one.name),
        "options": describe_options(component),
        "artifacts": [describe_artifact(artifact, store) for artifact in component.artifacts],
    }


def _selection(kind: str, name: str) -> list[dict[str, str]]:
    """How to use the component in a run."""
    from ..recipe import Recipe

    if kind == "source":
        return [{"what": "use it", "command": f"t2f run {name}:PLACE"}]
    if kind == "trainer":
        return [{"what": "use it", "command": f"t2f train RUN --plugins {name}"}]
    if kind == "renderer":
        return [{"what": "use it", "command": f"t2f faces --plugins {name} --count 100 --out FACES"}]
    if kind == "metric":
        return [{"what": "use it", "command": f"t2f evaluate none LORA --metrics {name} --out EVAL"}]
    ways = [{"what": "use it", "command": f"t2f run PHOTOS --plugins {name}"}]
    if kind in {"filter", "extractor"}:
        starter = Recipe.load("starter")
        others = [one for one in (starter.filters if kind == "filter" else starter.extractors) if one != name]
        if others:
            ways[0]["what"] = "use it alone"
            ways.append({"what": "with others", "command": f"t2f run PHOTOS --plugins {','.join([*others, name])}"})
    return ways


def _text(part: dict[str, Any]) -> list[str]:
    lines = [f"{part['kind']} {click.style(part['name'], bold=True)}: {part['summary']}"]
    facts = [("finds", ", ".join(part["provides"])), ("packages", part["install"] or "")]
    facts += [(way["what"], way["command"]) for way in part["select"]]
    lines += [f"  {what:<14}{value}" for what, value in facts if value]
    if part["options"]:
        lines.append(f"  {'options':<14}--set {part['name']}.OPTION=VALUE")
    for option in part["options"]:
        default = "required" if option["required"] else f"= {shown_default(option['default'])}"
        limits = f"  ({', '.join(option['constraints'])})" if option["constraints"] else ""
        lines += [f"    {option['name']} {default}  {option['type']}{limits}", f"      {option['description']}"]
    if part["artifacts"]:
        lines.append("  model files")
    for file in part["artifacts"]:
        terms = ", not for commercial use" if file["non_commercial"] else ""
        lines.append(f"    {file['name']}  {file['shown_size']}, licence {file['licence']}{terms}")
        here = f"here: {file['path']}" if file["present"] else f"not here yet: t2f models pull {file['name']}"
        lines += [
            f"      {text}" for text in (file["note"], *(f"from {source}" for source in file["sources"]), here) if text
        ]
    return [line for line in lines if line.strip()]
