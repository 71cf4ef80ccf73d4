"""Scaffold of a new plugin: a package that installs, with a test that passes, from templates/plugin/.

A template's path below `common/`, or below its kind, is its path in the new package; NAME in it becomes the name of
the plugin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from .._version import __version__
from ..contracts import Role
from ..errors import PluginError, UsageError
from ..utils import templates

SUMMARIES: Mapping[Role, str] = {
    "source": "photos in zip files",
    "extractor": "is the face lit warmly?",
    "filter": "turns away tilted heads",
    "detector": "faces already cut out and aligned as in FFHQ",
    "fuser": "captions as plain lists",
    "trainer": "the colour that goes with each word",
    "renderer": "faces as coloured ovals",
    "metric": "how much the light differs between images of one prompt",
}
LONGEST_NAME = 40


def write_plugin(name: str, kind: Role, out: Path | None = None, taken: Mapping[str, str] | None = None) -> Path:
    """Write the package of a new plugin and return its folder, by default `t2f-NAME` here.

    Args:
        name: The plugin's name.
        kind: What the plugin offers.
        folder: The folder to make.
        taken: Names in use, each with its user.

    Raises:
        PluginError: The name cannot be used.
        UsageError: The folder exists already or cannot be written.
    """
    _check_name(name, taken or {})
    folder = Path(out or f"t2f-{name.replace('_', '-')}")
    files = _render(name, kind)
    try:
        folder.mkdir(parents=True)
        for place, text in files.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    except FileExistsError as error:
        raise UsageError(f"{folder} is there already: choose another folder with --out") from error
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
    return folder


def _check_name(name: str, taken: Mapping[str, str]) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        better = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")
        hint = f', for example "{better}"' if better else ', for example "eye_colour"'
        raise PluginError(f'"{name}" is not a plugin name: lower-case letters, digits and single underscores{hint}')
    if name.startswith("t2f_"):
        raise PluginError(f'leave out "t2f_": a plugin called "{name[4:]}" gets the module {name}')
    if len(name) > LONGEST_NAME:
        raise PluginError(f'"{name}" is {len(name)} letters long; {LONGEST_NAME} are the most')
    if name in taken:
        raise PluginError(f'"{name}" is taken by {taken[name]}: choose another name')


def _render(name: str, kind: Role) -> dict[str, str]:
    """Render the text of each file, by its path in the package."""
    from ..utils import environment

    root = templates() / "plugin"
    jinja = environment("plugin", keep_trailing_newline=True, trim_blocks=True)
    values = {
        "name": name,
        "kind": kind,
        "article": "an" if kind[0] in "aeiou" else "a",
        "summary": SUMMARIES[kind],
        "module": f"t2f_{name}",
        "distribution": f"t2f-{name.replace('_', '-')}",
        # With the kind behind it, so that no name makes a class that Python or the imports already know.
        "class_name": f"{name.title().replace('_', '')}{kind.capitalize()}",
        "options_name": f"{name.title().replace('_', '')}Options",
        "year": datetime.now(UTC).year,
        "version": __version__,
    }
    files = {}
    for folder in ("common", kind):
        for path in sorted((root / folder).rglob("*.j2")):
            place = path.relative_to(root / folder).as_posix().removesuffix(".j2").replace("NAME", name)
            files[place] = jinja.get_template(path.relative_to(root).as_posix()).render(values)
    return files
