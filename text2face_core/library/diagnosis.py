"""Diagnosis of an installation: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils import Installed, declared, install_command

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from ..models import ModelStore
    from ..plugins import Plugins

OURS = "text2face"
FOR_DEVELOPERS = {"test", "docs", "dev"}
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
class Diagnosis:
    """The state of an installation.

    Attributes:
        facts: Plain data by subject: "system", "packages", "extras", "devices", "plugins", "models", ….
        problems: What keeps the recipe from running, each with what to do about it.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def diagnose(recipe: str = RECIPE, *, models: ModelStore | None = None, builtin_only: bool = False) -> Diagnosis:
    """Find out what is installed, what is missing, and what to do about it, as `t2f doctor` does.

    Nothing is fetched, and nothing is imported that could fail, nor any plugin from outside.

    Args:
        recipe: The recipe that should run: a name, or a TOML file.
        models: Where model files come from.
        builtin_only: Look at built-in plugins only.

    Returns:
        Plain facts, and the problems that keep the recipe from running, each with what to do.

    Example:
        >>> diagnose().problems  # doctest: +SKIP
        []
    """
    from ..models import ModelStore

    store = models or ModelStore()
    found, installed = Diagnosis(), Installed()
    found.facts["system"] = _system()
    found.facts["packages"] = packages = _packages(installed, found)
    found.facts["extras"] = _extras(installed)
    found.facts["devices"] = {
        name: _probe(name, found) for name in PROBES if packages.get(name) or installed.version(name)
    }
    found.facts["templates"] = _templates(found)
    plugins = _plugins(found, builtin_only=builtin_only)
    found.facts["models"] = _models(plugins, store, recipe, found)
    return found


def _system() -> dict[str, Any]:
    from .. import __file__ as place
    from .._version import __version__
    from ..utils import usable_cores

    return {
        "text2face": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": usable_cores(),
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


def _packages(installed: Installed, found: Diagnosis) -> dict[str, str | None]:
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


def _probe(package: str, found: Diagnosis) -> list[str] | str:
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


def _templates(found: Diagnosis) -> str | None:
    from ..errors import UsageError
    from ..utils import templates

    try:
        return str(templates())
    except UsageError as error:
        found.problems.append(str(error))
        return None


def _plugins(found: Diagnosis, *, builtin_only: bool) -> Plugins:
    from ..errors import PluginError
    from ..plugins import Plugins

    try:
        plugins = Plugins.load(builtin_only=builtin_only)
    except PluginError as error:
        found.problems.append(str(error))
        plugins = Plugins.load(builtin_only=True)
    rows = plugins.listing()
    found.facts["plugins"] = {row.found.name: row.status for row in rows}
    found.facts["not_imported"] = [row.found.name for row in rows if row.status == "available" and not row.imported]
    found.facts["broken_plugins"] = [row.error for row in rows if row.status == "broken"]
    return plugins


def _models(plugins: Plugins, store: ModelStore, recipe: str, found: Diagnosis) -> dict[str, Any]:
    from ..errors import UsageError
    from ..models import human_size
    from ..plugins import needs_of
    from ..recipe import Recipe
    from ..trust import require_trust

    files = []
    try:
        written = Recipe.load(recipe)
        if where := Recipe.file_of(recipe):
            require_trust(written, written, plugins, where, may_import=False)  # resolving reads what options name
        outside = {name for _, name in written.components() if (origin := plugins.origin(name)) and origin.outside}
        found.facts["not_checked"] = sorted(outside)
        resolved = written.resolve(plugins, without=outside)
        files = [(artifact, store.find(artifact)) for artifact in resolved.artifacts().values()]
        needs = needs_of(resolved, store)
    except UsageError as error:
        found.problems.append(f"the recipe {recipe} cannot be used: {error}")
    else:
        found.problems += replace(needs, files=()).lines()
    there = next(folder for folder in (store.folder, *store.folder.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    missing = [artifact for artifact, path in files if path is None]
    needed = sum(artifact.planned_size or 0 for artifact in missing)
    if missing and store.offline:
        names = ", ".join(map(str, missing))
        found.problems.append(
            f"not here, and not to be fetched (offline): {names}. Where there is a network: t2f models pull "
            f"--recipe {recipe}; or put them into {store.folder}"
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
        "recipe": recipe,
        "to_fetch": needed,
        "files": [
            {
                "name": artifact.name,
                "size": artifact.size,
                "shown_size": artifact.shown_size,
                "licence": artifact.licence,
                "present": path is not None,
            }
            for artifact, path in files
        ],
    }
