"""The pip command that adds an extra, depending on how its distribution was installed."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

OURS = "text2face"
ROOT = Path(__file__).resolve().parents[2]
UPGRADE = "--upgrade --upgrade-strategy eager"


def install_command(*extras: str, distribution: str = OURS, upgrade: bool = False) -> str:
    """Return the command that installs these extras of a distribution.

    A name works only for a distribution from a package index. Otherwise the command has the origin in direct_url.json
    (PEP 610): the checkout, the file or the repository. If that is gone, it lists the packages of the extras. upgrade:
    take the newest versions that fit each other, also of installed packages.

    >>> install_command("extra", distribution="not-installed-here")
    "pip install 'not-installed-here[extra]'"
    """
    pip = f"pip install {UPGRADE}" if upgrade else "pip install"
    wanted = f"[{','.join(extras)}]" if extras else ""
    try:
        installed = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        run_from_checkout = distribution == OURS and _is_checkout(ROOT)
        return _in_folder(pip, ROOT, wanted) if run_from_checkout else f"{pip} '{distribution}{wanted}'"
    origin = _origin(installed)
    url = str(origin.get("url", ""))
    folder = Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") and "vcs_info" not in origin else None
    if folder is None or folder.is_file():
        return f"{pip} '{distribution}{wanted}{_reference(origin)}'"
    if folder.is_dir():
        return _in_folder(f"{pip} -e" if origin.get("dir_info", {}).get("editable") else pip, folder, wanted)
    return f"{pip} {_packages(installed, extras)}"


def _origin(installed: metadata.Distribution) -> dict[str, Any]:
    """Read direct_url.json; empty if the distribution came from an index, or the file cannot be read."""
    try:
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return origin if isinstance(origin, dict) else {}


def _reference(origin: dict[str, Any]) -> str:
    if not (url := origin.get("url")):
        return ""
    if not (vcs := origin.get("vcs_info")):
        return f" @ {url}"
    revision = vcs.get("requested_revision") or vcs.get("commit_id")
    return f" @ {vcs.get('vcs', 'git')}+{url}" + (f"@{revision}" if revision else "")


def _in_folder(pip: str, folder: Path, wanted: str) -> str:
    command = f"{pip} '.{wanted}'"
    try:
        here = Path.cwd().samefile(folder)
    except OSError:  # a working directory that was deleted
        here = False
    shown = str(folder) if re.fullmatch(r"[\w./:\\~+-]+", str(folder)) else f'"{folder}"'
    return command if here else f"cd {shown} && {command}"


def _is_checkout(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, ValueError):
        return False
    return bool(project.get("name") == OURS)


def _packages(installed: metadata.Distribution, extras: tuple[str, ...]) -> str:
    """List the packages of the extras, if the distribution's origin no longer exists; without extras, its own name."""
    from packaging.requirements import Requirement

    found: dict[str, None] = {}
    left, done = list(extras), set[str]()
    requirements = [Requirement(text) for text in installed.requires or []]
    while left:
        extra = left.pop(0)
        done.add(extra)
        for one in requirements:
            if one.marker is None or one.marker.evaluate({"extra": ""}) or not one.marker.evaluate({"extra": extra}):
                continue
            if one.name.lower() == installed.name.lower():
                left += sorted(one.extras - done)
            else:
                found[f"{one.name}{one.specifier}"] = None
    return " ".join(f"'{name}'" for name in found or [installed.name])
