"""Repair of a run: damaged files are set aside, and restored from other files if possible."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..errors import DamagedTable, RunError
from ..records import PhotoRef
from ..utils import write_text
from . import tables
from .corrections import Corrections, read_corrections, write_corrections
from .directory import RunDirectory
from .settings import SettingsFile
from .written import REMOVED, changed_texts, forget_written, is_valid_line, read_lines, read_numbers, read_written


def repair_run(run: RunDirectory, *, keep_edits: bool = False) -> list[str]:
    """Repair damaged files as far as possible, and return a line for each repair; empty for a sound run.

    A damaged file is never removed but renamed: its new name ends with ".damaged" and a number. run.toml is restored
    from its copy, the list of photos from the analysis, and captions corrected by people from metadata.jsonl. The
    next `t2f run` or `t2f fuse` makes chunks whose table was set aside again, and lists again the photos that no table
    contains any more.

    Args:
        run: The run directory.
        keep_edits: If run.toml was edited by hand, accept it as it is now; otherwise the edit is undone.

    Raises:
        RunError: Another process is working on the run, a file cannot be read for a reason other than damage, or
            there is not enough memory.
    """
    with run.lock():
        return [
            *_repair_settings(SettingsFile(run.settings_path), keep_edits=keep_edits),
            *_repair_shards(run),
            *_repair_photos(run),
            *_repair_review(run),
            *_repair_metadata(run),
        ]


def _repair_settings(file: SettingsFile, *, keep_edits: bool) -> Iterator[str]:
    try:
        state = file.judge(file.path.read_bytes())
    except OSError as error:
        raise RunError(f"{file.path} cannot be read: {error.strerror}") from error
    kept = file.kept()
    if state == "sound":
        if kept is None:
            damaged = f"; the damaged copy is now called {_set_aside(file.copy)}" if file.copy.exists() else ""
            file.accept()
            yield f"{file.copy} was written again from {file.path.name}{damaged}"
    elif keep_edits and file.accept():
        yield f"{file.path} was accepted as it is: it has a checksum and a copy again"
    elif kept is not None:
        aside = _set_aside(file.path)
        write_text(file.path, kept)
        what = "was edited by hand" if state == "edited" else "is damaged"
        yield f"{file.path} {what} and is now called {aside}; it was restored from {file.copy.name}"
    elif state == "damaged":
        yield f"{file.path} is damaged and is now called {_set_aside(file.path)}; t2f run writes it again"
    elif file.accept():  # of an older release, or without a copy to restore it from
        yield f"{file.path} has a checksum and a copy now; its settings are as they were"


def _repair_shards(run: RunDirectory) -> Iterator[str]:
    shards = (path for folder in ("analysis", "captions") for path in (run.path / folder).glob("*.parquet"))
    for path in sorted(shards):
        if not tables.is_sound(path):
            yield f"{path} is damaged and is now called {_set_aside(path)}; its chunk is made again"


def _repair_photos(run: RunDirectory) -> Iterator[str]:
    try:
        listed = run.photos()
    except DamagedTable:
        listed = []
        place = run.photos_path
        yield f"{place} is damaged and is now called {_set_aside(place)}"
    if not listed and (found := _analysed(run)):
        run.listing.write(sorted(found, key=lambda photo: photo.chunk))
        yield f"{run.photos_path} was written again from the analysis: {len(found)} photos"


def _repair_review(run: RunDirectory) -> Iterator[str]:
    """Set aside damaged records of edits, and find the edits again in metadata.jsonl."""
    damaged = []
    for path, read in (
        (run.corrections_path, read_corrections),
        *((path, read_written) for path in run.written_paths),
    ):
        try:
            if path.is_file():
                read(path)
        except DamagedTable:
            damaged.append(path)
            yield f"{path} is damaged and is now called {_set_aside(path)}"
    if not damaged or not run.metadata_path.is_file():
        return
    if not run.metadata_is_current():
        kept = _copy_aside(run.metadata_path)
        yield (
            f"{run.metadata_path} is older than the captions, so its edits by hand cannot be distinguished from older "
            f"captions; a copy of it is kept as {kept}"
        )
        return
    corrections = read_corrections(run.corrections_path)
    if found := _find_corrections(run, corrections):
        write_corrections(run.corrections_path, corrections)
    yield f"{run.metadata_path} was searched for captions edited by hand: {found} found and kept"


def _find_corrections(run: RunDirectory, corrections: Corrections) -> int:
    """Add the captions in metadata.jsonl that fusers did not write, and return how many there are."""
    wording, lines, found = run.wording, dict(read_lines(run.metadata_path)), 0
    numbers = next((read_numbers(path, lines) for path in run.written_paths if path.is_file()), {})
    when = datetime.fromtimestamp(run.metadata_path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    deduplicated = run.settings.get("recipe", {}).get("dataset", {}).get("duplicates", "keep") != "keep"
    for chunk in sorted(run.chunks()):
        for row in tables.read_captions(run.captions_path(chunk)):
            known = {number: one.text for number, one in wording.apply(corrections.apply(row)).numbered}
            if (texts := lines.get(row.photo_id)) is None:
                if known and lines and not deduplicated:
                    found += corrections.add(row.photo_id, {REMOVED: None}, when)
            else:
                changed = changed_texts(known, numbers.get(row.photo_id, [*known]), texts)
                stripped = {number: text and wording.strip(text) for number, text in changed.items()}
                found += corrections.add(row.photo_id, stripped, when)
    return found


def _repair_metadata(run: RunDirectory) -> Iterator[str]:
    """Set aside a metadata.jsonl with invalid lines and write it again; edits in valid lines are kept."""
    if not run.metadata_path.is_file():
        return
    lines = run.metadata_path.read_bytes().splitlines(keepends=True)
    bad = [number for number, line in enumerate(lines, 1) if line.strip() and not is_valid_line(line)]
    if not bad:
        return
    aside = run.metadata_path.with_name(_copy_aside(run.metadata_path))
    good = b"".join(line for number, line in enumerate(lines, 1) if number not in set(bad))
    write_text(run.metadata_path, good.decode())
    forget_written(run.written_paths[0], _damaged_photos(run, [lines[number - 1] for number in bad]))
    kept = run.keep_corrections()
    yield (
        f"{run.metadata_path} has invalid lines ({', '.join(map(str, bad[:10]))}"
        f"{', …' if len(bad) > 10 else ''}) and is now called {aside.name}; {kept} captions edited by hand in other "
        "lines were kept"
    )


def _damaged_photos(run: RunDirectory, bad: Sequence[bytes]) -> set[str]:
    """Photos whose lines were damaged and not removed: those that bad lines name, or all that have no valid line."""
    photo_ids = {photo.photo_id for photo in run.photos()}
    named = [photo_ids.intersection(re.findall("[0-9a-f]{16}", line.decode("utf-8", "replace"))) for line in bad]
    if all(named):
        return set().union(*named)
    return photo_ids - {photo_id for photo_id, _ in read_lines(run.metadata_path)}


def _analysed(run: RunDirectory) -> list[PhotoRef]:
    rows = [
        row
        for path in sorted((run.path / "analysis").glob("[0-9]*.parquet"))
        if path.stem.isdecimal()
        for row in tables.read_analysis(path)
    ]
    return list({row.photo_id: PhotoRef(row.photo_id, row.uri, row.chunk) for row in rows}.values())


def _set_aside(path: Path) -> str:
    aside = _free_name(path)
    path.rename(aside)
    return aside.name


def _copy_aside(path: Path) -> str:
    aside = _free_name(path)
    aside.write_bytes(path.read_bytes())
    return aside.name


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged{number}")).exists():
        number += 1
    return aside
