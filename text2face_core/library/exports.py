"""Export a run as a data set that trainers read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import Progress

if TYPE_CHECKING:
    from ..dataset import ExportFormat


def export(
    run: str | Path,
    format: ExportFormat,  # noqa: A002  the word of the command line
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Path:
    """Turn a run into a data set that trainers read, as `t2f export` does.

    Args:
        run: The run directory.
        format: "imagefolder", "kohya", "webdataset", "parquet" or "jsonl".
        out: The folder to write; by default export-FORMAT in the run.
        overwrite: Replace an earlier export.
        progress: Receives how far the work has come.
        settings: As in `text2face_core.dataset.ExportSettings`: captions="first", repeats=10, ….

    Returns:
        The folder. It is complete or not there at all.

    Raises:
        RunError: There is no such run, or the folder may not be replaced.
        NothingToDo: No photo has what the format needs.

    Example:
        >>> export("runs/photos", "kohya", repeats=10)  # doctest: +SKIP
        PosixPath('runs/photos/export-kohya')
    """
    from ..dataset import ExportSettings, export_dataset
    from ..run import RunDirectory

    target = None if out is None else Path(out)
    return export_dataset(
        RunDirectory.open(Path(run)), format, target, ExportSettings(**settings), overwrite=overwrite, progress=progress
    )
