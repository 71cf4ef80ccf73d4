"""The pip command that adds an extra, for the way its distribution was installed."""

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


def install_command(*extras: str, distribution: str = OURS) -> str:
    """The command that installs these extras of a distribution.

    A name works only for what came from a package index. Otherwise the command names what direct_url.json (PEP 610)
    says: the checkout, the file or the repository. If that is gone, it names the packages of the extras.

    >>> install_command("extra", distribution="not-installed-here")
    "pip install 'not-installed-here[extra]'"
    """
    wanted = f"[{','.join(extras)}]" if extras else ""
    try:
        installed = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return _in_folder(ROOT, wanted) if distribution == OURS and _is_checkout(ROOT) else _named(distribution, wanted)
    try:
        origin: dict[str, Any] = json.loads(installed.read_text("direct_url.json") or "{}")
        url = str(origin["url"])
    except (KeyError, ValueError, TypeError):
        return _named(distribution, wanted)
    if (vcs := origin.get("vcs_info")) is not None:
        revision = vcs.get("requested_revision") or vcs.get("commit_id") or ""
        at = f"@{revision}" if revision else ""
        return f"pip install '{distribution}{wanted} @ {vcs.get('vcs', 'git')}+{url}{at}'"
    place = Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None
    if place is not None and not place.exists():
        return _packages(installed, extras) or _named(distribution, wanted)
    if place is not None and "dir_info" in origin:
        return _in_folder(place, wanted, editable=bool(origin["dir_info"].get("editable")))
    return f"pip install '{distribution}{wanted} @ {url}'"


def _named(distribution: str, wanted: str) -> str:
    return f"pip install '{distribution}{wanted}'"


def _in_folder(folder: Path, wanted: str, *, editable: bool = False) -> str:
    command = f"pip install {'-e ' if editable else ''}'.{wanted}'"
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
    """What the extras require, for a distribution whose origin no longer exists; extras that name others are followed."""
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
    return "pip install " + " ".join(f"'{name}'" for name in found) if found else ""
