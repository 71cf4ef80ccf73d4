"""Where the files are that ship with the package: templates of prompts, recipes, reports and plugins."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError


def templates() -> Path:
    """The folder of templates: inside an installed package, or beside it in a checkout and in an editable install.

    Raises UsageError where neither is there.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "templates", package.parent / "templates"):
        if (folder / "report").is_dir():
            return folder
    raise UsageError(f"the templates of text2face are missing from {package}: install text2face again")
