"""`t2f doctor`: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import json_option, store_of

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from ..models import ModelStore
    from ..plugins import Plugins

OURS = "text2face"
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
    found = Findings()
    found.facts["system"] = _system()
    found.facts["packages"] = packages = _packages(found)
    found.facts["extras"] = _extras()
    found.facts["devices"] = {name: _probe(name, found) for name in PROBES if packages.get(name) or _version(name)}
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


def _requirements() -> Iterator[tuple[str, Requirement]]:
    """Every declared requirement with the extra it belongs to, "" for those that everybody needs."""
    from packaging.requirements import Requirement

    checkout = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"
    project = tomllib.loads(checkout.read_text(encoding="utf-8"))["project"] if checkout.is_file() else {}
    if project.get("name") == OURS:
        yield from (("", Requirement(text)) for text in project["dependencies"])
        for extra, texts in project.get("optional-dependencies", {}).items():
            yield from ((extra, Requirement(text)) for text in texts)
        return
    extras = metadata.metadata(OURS).get_all("Provides-Extra") or []
    for text in metadata.requires(OURS) or []:
        requirement = Requirement(text)
        marker, requirement.marker = requirement.marker, None
        if marker is None or marker.evaluate({"extra": ""}):
            yield "", requirement
        else:
            yield from ((extra, requirement) for extra in extras if marker.evaluate({"extra": extra}))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _fits(requirement: Requirement) -> bool:
    version = _version(requirement.name)
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _packages(found: Findings) -> dict[str, str | None]:
    base = [requirement for extra, requirement in _requirements() if not extra]
    for requirement in base:
        if not _fits(requirement):
            has = f"{version} is installed" if (version := _version(requirement.name)) else "it is not installed"
            found.problems.append(f"text2face needs {requirement}, but {has}: pip install '{requirement}'")
    return {requirement.name: _version(requirement.name) for requirement in base}


def _extras() -> list[dict[str, Any]]:
    """The extras for users, each with its packages; an extra that names others of ours takes theirs."""
    declared: dict[str, list[Requirement]] = {}
    for extra, requirement in _requirements():
        declared.setdefault(extra, []).append(requirement)

    def packages(extra: str) -> Iterator[Requirement]:
        for requirement in declared.get(extra, ()):
            if requirement.name == OURS:
                for other in sorted(requirement.extras):
                    yield from packages(other)
            else:
                yield requirement

    return [
        {
            "name": extra,
            "installed": all(map(_fits, packages(extra))),
            "packages": {requirement.name: _version(requirement.name) for requirement in packages(extra)},
            "install": f"pip install '{OURS}[{extra}]'",
        }
        for extra in declared
        if extra and extra not in FOR_DEVELOPERS
    ]


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
    for extra in facts["extras"]:
        _line(f"extra {extra['name']}", "installed" if extra["installed"] else f"not installed: {extra['install']}")
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


def _line(what: str, value: str) -> None:
    click.echo(f"{what:<18}{value}")
