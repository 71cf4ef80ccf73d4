"""`t2f doctor`: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..utils import install_command
from .common import json_option, store_of
from .requirements import OURS, Installed, declared

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from ..models import ModelStore
    from ..plugins import Plugins

FOR_DEVELOPERS = {"test", "dev"}
RECIPE = "starter"

# Asked in a process of its own: these packages take seconds to import, and a broken one can take its process with it.
PROBES = {
    "onnxruntime": "import json, onnxruntime as o; print(json.dumps(o.get_available_providers()))",
    "torch": (
        "import json, torch as t; c = t.cuda; "
        "print(json.dumps([f'cuda:{i} {c.get_device_name(i)}' for i in range(c.device_count())]"
        " + ['mps'] * t.backends.mps.is_available()))"
    ),
}


@dataclass
class Findings:
    """What was looked at, and what stands in the way of the starter recipe with what to do about it."""

    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@click.command(short_help="Say what is installed, what is missing, and how to get it.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> int:
    """Say what is installed, what is missing, and how to get it.

    Exits with 0 where the starter recipe can run, with 1 where something is in its way.
    """
    found = examine(store_of(ctx), builtin_only=bool((ctx.find_root().obj or {}).get("no_plugins")))
    if as_json:
        click.echo(json.dumps({**found.facts, "problems": found.problems}, indent=2, ensure_ascii=False))
    else:
        _print(found)
    return 1 if found.problems else 0


def examine(store: ModelStore, *, builtin_only: bool = False) -> Findings:
    """Look at everything; nothing is fetched, and nothing is imported that could fail."""
    found, installed = Findings(), Installed()
    found.facts["system"] = _system()
    found.facts["packages"] = packages = _packages(installed, found)
    found.facts["extras"] = _extras(installed)
    found.facts["devices"] = {
        name: _probe(name, found) for name in PROBES if packages.get(name) or installed.version(name)
    }
    found.facts["templates"] = _templates(found)
    plugins = _plugins(found, builtin_only=builtin_only)
    found.facts["models"] = _models(plugins, store, found)
    return found


def _system() -> dict[str, Any]:
    from .. import __file__ as place
    from .._version import __version__

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "text2face": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": cores,
        "memory": _memory(),
        "installed_in": str(Path(place).resolve().parent),
    }


def _memory() -> int | None:
    """Bytes of main memory; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


# --- packages ---


def _packages(installed: Installed, found: Findings) -> dict[str, str | None]:
    base = [requirement for extra, requirement in declared(Path(__file__)) if not extra]
    found.problems += installed.compare(base, install_command()).problems
    return {requirement.name: installed.version(requirement.name) for requirement in base}


def _extras(installed: Installed) -> list[dict[str, Any]]:
    """The extras for users, each with its packages; an extra that names others of ours takes theirs.

    problems: versions that do not fit each other, with the command that fixes them. notes: those that do no harm.
    """
    known: dict[str, list[Requirement]] = {}
    for extra, requirement in declared(Path(__file__)):
        known.setdefault(extra, []).append(requirement)

    def packages(extra: str) -> Iterator[Requirement]:
        for requirement in known.get(extra, ()):
            if requirement.name == OURS:
                for other in sorted(requirement.extras):
                    yield from packages(other)
            else:
                yield requirement

    return [_extra(installed, extra, list(packages(extra))) for extra in known if extra and extra not in FOR_DEVELOPERS]


def _extra(installed: Installed, name: str, requirements: list[Requirement]) -> dict[str, Any]:
    install = install_command(name)
    report = installed.compare(requirements, install, optional=True)
    versions = {requirement.name: installed.version(requirement.name) for requirement in requirements}
    return {
        "name": name,
        "installed": all(map(installed.meets, requirements)) and not report.problems,
        "packages": versions,
        "install": install,
        "problems": report.problems,
        "notes": report.notes,
    }


def _probe(package: str, found: Findings) -> list[str] | str:
    """Devices that the package can compute on, or why it cannot say."""
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and our own words
            [sys.executable, "-c", PROBES[package]], capture_output=True, text=True, timeout=120, check=True
        )
        devices: list[str] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, OSError, ValueError, IndexError) as error:
        last = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        why = f"cannot be imported: {' '.join(last)}"
        if package == "onnxruntime":
            found.problems.append(f"{package} {why}. Install it again: pip install --force-reinstall {package}")
        return why
    return devices


# --- text2face itself ---


def _templates(found: Findings) -> str | None:
    from ..errors import UsageError
    from ..utils import templates

    try:
        return str(templates())
    except UsageError as error:
        found.problems.append(str(error))
        return None


def _plugins(found: Findings, *, builtin_only: bool) -> Plugins:
    from ..errors import PluginError
    from ..plugins import Plugins

    try:
        plugins = Plugins.load(builtin_only=builtin_only)
    except PluginError as error:
        found.problems.append(str(error))
        plugins = Plugins.load(builtin_only=True)
    rows = plugins.listing()
    found.facts["plugins"] = {row.found.name: row.status for row in rows}
    found.facts["broken_plugins"] = [row.error for row in rows if row.status == "broken"]
    return plugins


def _models(plugins: Plugins, store: ModelStore, found: Findings) -> dict[str, Any]:
    from ..errors import UsageError
    from ..models import human_size
    from ..recipe import Recipe

    files = []
    try:
        artifacts = Recipe.load(RECIPE).resolve(plugins).artifacts()
        files = [(artifact, store.find(artifact)) for artifact in artifacts.values()]
    except UsageError as error:
        found.problems.append(f"the recipe {RECIPE} cannot be used: {error}")
    there = next(folder for folder in (store.folder, *store.folder.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    missing = [artifact for artifact, path in files if path is None]
    needed = sum(artifact.size or 0 for artifact in missing)
    if missing and store.offline:
        names = ", ".join(map(str, missing))
        found.problems.append(
            f"not here, and not to be fetched (offline): {names}. Where there is a network: t2f models pull "
            f"--recipe {RECIPE}; or put them into {store.folder}"
        )
    elif missing and free < needed:
        found.problems.append(
            f"{human_size(needed)} of model files do not fit into {store.folder}: {human_size(free)} are free"
        )
    elif missing and not os.access(there, os.W_OK):
        found.problems.append(f"model files cannot be written to {store.folder}: set T2F_MODELS to another folder")
    return {
        "folder": str(store.folder),
        "free": free,
        "offline": store.offline,
        "recipe": RECIPE,
        "files": [
            {"name": artifact.name, "size": artifact.size, "licence": artifact.licence, "present": path is not None}
            for artifact, path in files
        ],
    }


# --- for people ---


def _print(found: Findings) -> None:
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
    for error in facts["broken_plugins"]:
        _line("broken plugin", error)
    _line("model files", f"in {models['folder']}, {human_size(models['free'])} free")
    for file in models["files"]:
        state = "here" if file["present"] else "not here yet, is fetched when first needed"
        _line("", f"{file['name']} ({human_size(file['size'])}, licence {file['licence']}): {state}")
    click.echo()
    for problem in found.problems:
        click.echo(f"{click.style('to do', fg='red')}: {problem}")
    if not found.problems:
        click.echo(f"The recipe {models['recipe']} can run: t2f run PHOTOS")


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
