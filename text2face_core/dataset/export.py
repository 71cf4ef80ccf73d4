"""Export a run in a format that other tools open: imagefolder, kohya, webdataset, parquet or jsonl."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from ..contracts import Progress
from ..errors import NothingToDo
from ..run import RunDirectory
from .card import render_card
from .folder import building
from .formats import imagefolder, jsonl, kohya, parquet, webdataset
from .selection import ExportedPhoto, ExportJob, ExportSettings, FormatWriter, select_photos

log = logging.getLogger(__name__)

__all__ = ["FORMATS", "ExportFormat", "ExportSettings", "export_dataset"]

ExportFormat = Literal["imagefolder", "kohya", "webdataset", "parquet", "jsonl"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_WRITERS: dict[ExportFormat, FormatWriter] = {
    "imagefolder": imagefolder.WRITER,
    "kohya": kohya.WRITER,
    "webdataset": webdataset.WRITER,
    "parquet": parquet.WRITER,
    "jsonl": jsonl.WRITER,
}


def export_dataset(
    run: RunDirectory,
    format: ExportFormat,  # noqa: A002  the word of the command line
    out: Path | None = None,
    settings: ExportSettings | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the run's captioned photos to the folder `out` (by default export-FORMAT in the run) and return it.

    The folder is complete or absent. Equal runs and settings give equal bytes. Photos that wait for captions are left
    out with a warning.

    Raises:
        RunError: `out` already holds files (with `overwrite`: files that were not written by an export).
        NothingToDo: No photo has what the format needs.
        MissingExtra: The format's package is not installed.

    >>> export_dataset(RunDirectory.open(Path("out")), "kohya")  # doctest: +SKIP
    PosixPath('out/export-kohya')
    """
    writer = _WRITERS[format]
    job = ExportJob(run, out or run.path / f"export-{format}", settings or ExportSettings())
    pictures = writer.pictures(job.settings)
    everything = writer.whole_run and job.settings.everything
    count = 0

    def counted() -> Iterator[ExportedPhoto]:
        nonlocal count
        for photo in select_photos(job, pictures=pictures, everything=everything):
            count += photo is not None
            if progress:
                progress.advance(1)
            if photo:
                yield photo

    with building(job.out, run, overwrite=overwrite) as folder:
        if progress:
            progress.start(f"exporting as {format}", len(run.listing))
        try:
            writer.write(counted(), folder, job)
        finally:
            if progress:
                progress.finish()
        if not count:
            raise NothingToDo(_why_nothing(run, format))
        about = render_card(
            run,
            count,
            usage=writer.usage,
            pictures=pictures,
            names_sources=writer.names_sources or job.settings.names == "original",
            whole_run=everything,
            format=format,
        )
        (folder / "README.md").write_bytes(about.encode())
    if waiting := run.waiting():
        log.warning(
            "%d of %d photos of %s still wait for captions and are not in this export. Repeat the t2f run or t2f fuse "
            "that was stopped, which resumes it; then export with --overwrite",
            waiting,
            len(run.listing),
            run.path,
        )
    return job.out


def _why_nothing(run: RunDirectory, format: ExportFormat) -> str:  # noqa: A002
    rows = list(run.rows())
    captioned = sum(bool(captions.captions) for _, captions in rows)
    if captioned:
        return (
            f"{captioned} photos of {run.path} have captions, but none has its picture in {run.dataset}, and {format} "
            "holds pictures. Put the photos back, export as jsonl, or if the run was made without crops, "
            "run again with --set dataset.enabled=true --redo"
        )
    accepted = sum(row.status == "ok" for row, _ in rows)
    if accepted:
        return (
            f"none of the {accepted} accepted photos of {run.path} has captions. Write some with: t2f fuse {run.path}"
        )
    return f"none of the {len(rows)} photos of {run.path} was accepted. See why with: t2f report {run.path}"
