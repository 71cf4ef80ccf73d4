"""Files that ship with the package: templates of prompts, recipes, reports and plugins."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError


def templates() -> Path:
    """Return the folder of templates: inside an installed package, or next to it in a checkout or editable install.

    Raises:
        UsageError: Neither exists.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "templates", package.parent / "templates"):
        if (folder / "report").is_dir():
            return folder
    raise UsageError(f"the templates of text2face are missing from {package}: install text2face again")
