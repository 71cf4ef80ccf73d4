"""Discovery of plugins: entry points, or pyproject.toml in a checkout that is not installed."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from .._version import __version__

GROUP = "text2face"
OURS = "text2face"
THIS_PROCESS = "(this process)"
"""In the place of a distribution: the program itself registered the plugin."""


@dataclass(frozen=True, slots=True)
class DiscoveredPlugin:
    """A plugin that has not been imported: its name, its module, and the distribution that brings it."""

    name: str
    module: str
    distribution: str
    version: str
    builtin: bool
    load: Callable[[], Any] = field(repr=False, compare=False)

    @property
    def outside(self) -> bool:
        """Whether it comes neither with text2face nor from the program that is running."""
        return not self.builtin and self.distribution != THIS_PROCESS

    @property
    def label(self) -> str:
        """The distribution and its version, for messages."""
        return f"{self.distribution} {self.version}".strip()


def discover() -> list[DiscoveredPlugin]:
    """List the installed plugins without importing them, built-in plugins first."""
    found = []
    for point in metadata.entry_points(group=GROUP):
        name = point.dist.name if point.dist else "unknown"
        version = point.dist.version if point.dist else ""
        found.append(DiscoveredPlugin(point.name, point.value, name, version, builtin=name == OURS, load=point.load))
    if not any(one.builtin for one in found):
        found += _from_checkout()
    return sorted(found, key=lambda one: (not one.builtin, one.name, one.distribution))


def _from_checkout() -> list[DiscoveredPlugin]:
    root = Path(__file__).resolve().parent.parent.parent
    try:
        with (root / "pyproject.toml").open("rb") as file:
            points = tomllib.load(file)["project"]["entry-points"][GROUP]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return []
    if (folder := str(root / "plugins")) not in sys.path:
        sys.path.append(folder)
    return [
        DiscoveredPlugin(name, module, OURS, __version__, builtin=True, load=partial(importlib.import_module, module))
        for name, module in points.items()
    ]
