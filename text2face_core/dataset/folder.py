"""A folder that comes to be whole or not at all, and pictures put into it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..errors import RunError
from ..run import RunDirectory
from ..utils import explain, sync_folder

MARK = "<!-- t2f export"
"""Stands in the card of every export: only a folder that has it is ever replaced."""


@contextlib.contextmanager
def building(out: Path, run: RunDirectory, *, overwrite: bool) -> Iterator[Path]:
    """Hand out an empty folder beside `out`, which takes the place of `out` at the end, or is removed on any error.

    Raises RunError where `out` may not be replaced or cannot be written.
    """
    out = out.resolve()
    _check(out, run.path.resolve(), overwrite=overwrite)
    temporary, replaced = (out.with_name(f".{out.name}.{end}") for end in ("tmp", "old"))
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # left by an export that was killed
        temporary.mkdir(parents=True)
        yield temporary
        if out.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            out.rename(replaced)
        temporary.rename(out)
        sync_folder(out.parent)
    except OSError as error:
        raise RunError(explain(error, out)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if out.exists():
            shutil.rmtree(replaced, ignore_errors=True)


def _check(out: Path, run: Path, *, overwrite: bool) -> None:
    own = [run / name for name in ("analysis", "captions", "dataset")]
    if run.is_relative_to(out) or any(out.is_relative_to(folder) for folder in own):
        raise RunError(f"{out} belongs to the run itself: choose another folder for the export")
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file: choose a folder for the export")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not overwrite:
        raise RunError(f"{out} is not empty: give --overwrite to replace it, or choose another folder with --out")
    card = out / "README.md"
    if not card.is_file() or MARK not in card.read_text(encoding="utf-8", errors="replace"):
        raise RunError(f"{out} holds files that no export wrote, so it is not replaced: choose another folder")


def place(picture: Path, target: Path, *, link: bool) -> None:
    """Put a picture at `target`: a hard link where that is wanted and possible, else a copy."""
    target.parent.mkdir(exist_ok=True, parents=True)
    if link:
        with contextlib.suppress(OSError):  # another disk, or a file system without hard links
            os.link(picture, target)
            return
    shutil.copyfile(picture, target)
