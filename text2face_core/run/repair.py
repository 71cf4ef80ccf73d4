"""Repair of a run: damaged tables are set aside, and what is known from others is restored."""

from __future__ import annotations

from pathlib import Path

from ..errors import DamagedTable
from ..records import PhotoRef
from . import tables
from .directory import RunDirectory


def repair_run(run: RunDirectory) -> list[str]:
    """Do what can be done for damaged tables, and return what was done, a line each; empty for a sound run.

    A damaged file is never removed: it gets another name, with ".damaged" and a number at its end. The list of photos
    is restored from the analysis. Chunks whose table is set aside are made again by the `t2f run` or `t2f fuse` that
    made them, and photos that no table names any more are listed again by it.

    Raises:
        RunError: Another process works on the run, a file cannot be read for another reason than damage, or there is
            not enough memory.
    """
    done: list[str] = []
    with run.lock():
        shards = (path for folder in ("analysis", "captions") for path in (run.path / folder).glob("*.parquet"))
        damaged = [path for path in sorted(shards) if not tables.is_sound(path)]
        done += [f"{path} is damaged and is now called {_set_aside(path)}; its chunk is made again" for path in damaged]
        try:
            listed = run.photos()
        except DamagedTable:
            listed = []
            done.append(f"{run.photos_path} is damaged and is now called {_set_aside(run.photos_path)}")
        if not listed and (found := _analysed(run)):
            tables.write_photos(run.photos_path, found)
            done.append(f"{run.photos_path} was written again from the analysis: {len(found)} photos")
    return done


def _analysed(run: RunDirectory) -> list[PhotoRef]:
    rows = [
        row
        for path in sorted((run.path / "analysis").glob("[0-9]*.parquet"))
        if path.stem.isdecimal()
        for row in tables.read_analysis(path)
    ]
    return list({row.photo_id: PhotoRef(row.photo_id, row.uri, row.chunk) for row in rows}.values())


def _set_aside(path: Path) -> str:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged{number}")).exists():
        number += 1
    path.rename(aside)
    return aside.name
