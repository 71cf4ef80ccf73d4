"""run.toml: everything needed to repeat the run."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from ._version import __version__
from .recipe import Resolved
from .utils import fingerprint

# Packages whose version may change a pixel, a score or a word.
PACKAGES = ("numpy", "pillow", "opencv-python-headless", "onnxruntime", "pyarrow", "jinja2", "torch", "transformers")


def settings_of(resolved: Resolved, source: list[str]) -> dict[str, Any]:
    """Return the content of run.toml for a resolved recipe: plain data without None."""
    recipe = resolved.recipe
    plugins = [
        {"kind": part.kind, "version": part.registered.plugin.version, **part.identity()} for part in resolved.parts
    ]
    return {
        "text2face": __version__,
        "source": source,
        "seed": recipe.seed,
        "keys": {"analysis": resolved.analysis_key(), "captions": resolved.captions_key()},
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "vocabulary": fingerprint(resolved.vocabulary.fingerprint),
        "plugin": plugins,
        "versions": {"python": platform.python_version(), **_versions()},
    }


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Describe in a few words how the analyses of two run.toml differ."""

    def parts(settings: dict[str, Any]) -> dict[str, Any]:
        rules = {name: settings["recipe"].get(name) for name in ("photos", "faces", "dataset")}
        plugins = {part["name"]: {**part, "version": ""} for part in settings["plugin"] if part["kind"] != "fuser"}
        return {**plugins, **rules}

    old, new = parts(before), parts(now)
    changes = [f"{name} is new" for name in new if name not in old]
    changes += [f"{name} is gone" for name in old if name not in new]
    changes += [f"{name} has other options" for name in new if name in old and new[name] != old[name]]
    return ", ".join(changes) or "the order of plugins changed"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
