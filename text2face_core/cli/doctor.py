"""`t2f doctor`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from . import DONE, SOME_FAILED
from .common import json_option, store_of

if TYPE_CHECKING:
    from ..library import Diagnosis


@click.command(short_help="Show what is installed, what is missing, and how to get it.")
@click.option(
    "--recipe",
    default="starter",
    show_default=True,
    metavar="NAME|FILE",
    help="Check what this recipe needs: packages, model files with their size, servers, a GPU.",
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, recipe: str, *, as_json: bool) -> int:
    """Show what is installed, what is missing, and how to get it.

    Exits with 0 if the recipe can run, with 1 if something keeps it from running.

    \b
    t2f doctor
    t2f doctor --recipe paper
    """
    from ..library import diagnose

    builtin_only = bool((ctx.find_root().obj or {}).get("no_plugins"))
    found = diagnose(recipe, models=store_of(ctx), builtin_only=builtin_only)
    if as_json:
        click.echo(json.dumps({**found.facts, "problems": found.problems}, indent=2, ensure_ascii=False))
    else:
        _print(found)
    return SOME_FAILED if found.problems else DONE


def _print(found: Diagnosis) -> None:
    from ..models import human_size

    facts = found.facts
    system, models = facts["system"], facts["models"]
    memory = human_size(system["memory"]) if system["memory"] else "unknown"
    _line("text2face", f"{system['text2face']} in {system['installed_in']}")
    _line("python", f"{system['python']} on {system['platform']}")
    _line("machine", f"{system['cores']} core(s), {memory} of memory")
    for name, devices in facts["devices"].items():
        _line(name, devices if isinstance(devices, str) else ", ".join(devices) or "cpu only")
    _print_extras(facts["extras"])
    _line("templates", facts["templates"] or "missing")
    usable = [name for name, status in facts["plugins"].items() if status == "available"]
    _line("plugins", ", ".join(usable))
    if facts["not_imported"]:
        _line("", f"from outside, not imported (see t2f plugins show NAME): {', '.join(facts['not_imported'])}")
    if facts.get("not_checked"):
        _line("", f"what these need is not checked: {', '.join(facts['not_checked'])}")
    for error in facts["broken_plugins"]:
        _line("broken plugin", error)
    _line("model files", f"in {models['folder']}, {human_size(models['free'])} free")
    for file in models["files"]:
        state = "here" if file["present"] else "not here yet, is fetched when first needed"
        _line("", f"{file['name']} ({file['shown_size']}, licence {file['licence']}): {state}")
    if models["to_fetch"]:
        _line("", f"about {human_size(models['to_fetch'])} to fetch: t2f models pull --recipe {models['recipe']}")
    click.echo()
    for problem in found.problems:
        click.echo(f"{click.style('to do', fg='red')}: {problem}")
    if not found.problems:
        chosen = "" if models["recipe"] == "starter" else f" --recipe {models['recipe']}"
        click.echo(f"The recipe {models['recipe']} can run: t2f run PHOTOS{chosen}")


def _print_extras(extras: list[dict[str, Any]]) -> None:
    """A line for each extra, and below it what does not fit, unless an extra above it says so."""
    said: set[str] = set()
    for extra in extras:
        missing = [name for name, version in extra["packages"].items() if version is None]
        if missing:
            state = f"not installed: {extra['install']}"
            state += f" (missing: {', '.join(missing)})" if len(missing) < len(extra["packages"]) else ""
        else:
            state = "installed" if extra["installed"] else "installed, but versions do not fit"
        _line(f"extra {extra['name']}", state)
        for kind in ("problems", "notes"):
            for text in extra[kind]:
                fact = text.partition(": pip install")[0]
                if fact not in said:
                    _line("", text)
                said.add(fact)


def _line(what: str, value: str) -> None:
    click.echo(f"{what:<18}{value}")
