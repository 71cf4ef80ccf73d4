"""The folder of an export: what may be replaced, and how pictures get into it."""

from __future__ import annotations

import contextlib
import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from ..errors import RunError
from ..run import RunDirectory
from ..utils import replacing_folder

MARK = "<!-- t2f export"
"""In the card of every export: only a folder with it is ever replaced."""


def building(out: Path, run: RunDirectory, *, overwrite: bool) -> AbstractContextManager[Path]:
    """An empty folder next to `out`, which takes its place on success; see `replacing_folder`.

    Raises RunError if `out` may not be replaced, cannot be written, or is being written by another export.
    """
    out = out.resolve()
    _check_place(out, run.path.resolve())
    return replacing_folder(out, lambda folder: _check_content(folder, overwrite=overwrite), _is_export)


def _check_place(out: Path, run: Path) -> None:
    own = [run / name for name in ("analysis", "captions", "dataset", "review")]
    if run.is_relative_to(out) or any(out.is_relative_to(folder) for folder in own):
        raise RunError(f"{out} belongs to the run itself: choose another folder for the export")


def _check_content(out: Path, *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file: choose a folder for the export")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not overwrite:
        raise RunError(f"{out} is not empty: give --overwrite to replace it, or choose another folder with --out")
    if not _is_export(out):
        raise RunError(
            f"{out} holds files that were not written by an export, so it is not replaced: choose another folder"
        )


def _is_export(folder: Path) -> bool:
    card = folder / "README.md"
    return card.is_file() and MARK in card.read_text(encoding="utf-8", errors="replace")


def place(picture: Path, target: Path, *, link: bool) -> None:
    """Put a picture at `target`: a hard link if that is wanted and possible, else a copy."""
    target.parent.mkdir(exist_ok=True, parents=True)
    if link:
        with contextlib.suppress(OSError):  # another disk, or a file system without hard links
            os.link(picture, target)
            return
    shutil.copyfile(picture, target)
