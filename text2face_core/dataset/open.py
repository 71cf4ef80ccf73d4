"""Open any captioned data set: find out which format a path holds, and hand out its reader."""

from __future__ import annotations

from pathlib import Path

from ..contracts import CaptionedDataset
from ..errors import SourceError


def open_dataset(source: Path) -> CaptionedDataset:
    """The data set in `source`: a run directory, a folder with metadata.jsonl, .tar shards, or a single .tar file.

    Raises SourceError, with what to do, if `source` is none of these or holds no captioned image.
    """
    source = Path(source).absolute()
    dataset = _open(source)
    if len(dataset) == 0:
        left = f" ({dataset.without_captions} have no caption)" if dataset.without_captions else ""
        raise SourceError(f"{source} holds no captioned picture{left}. {dataset.remedy()}")
    return dataset


def _open(source: Path) -> CaptionedDataset:
    from .formats.imagefolder import ImageFolder
    from .formats.run_directory import CaptionedRun
    from .formats.webdataset import WebDataset

    if not source.exists():
        raise SourceError(f"no file or folder is called {source}. {_WANTED}")
    if source.is_file():
        if source.suffix == ".tar":
            return WebDataset(source, [source])
        if source.name == "metadata.jsonl":
            return ImageFolder(source.parent)
        raise SourceError(f"{source} is a file that cannot be trained on. {_WANTED}")
    if (source / "run.toml").is_file():
        return CaptionedRun(source)
    if (source / "metadata.jsonl").is_file():
        return ImageFolder(source)
    if tars := sorted(source.glob("*.tar")):
        return WebDataset(source, tars)
    raise SourceError(f"{source} is not a data set: {_what_is_there(source)}. {_WANTED}")


_WANTED = (
    "Give a run directory (made by: t2f run PHOTOS --out DIR), a folder with metadata.jsonl, or a folder of "
    "web-dataset .tar files"
)


def _what_is_there(source: Path) -> str:
    below = [path.parent for path in sorted(source.glob("*/metadata.jsonl")) + sorted(source.glob("*/run.toml"))]
    below += [path.parent for path in sorted(source.glob("*/*.tar"))[:1]]
    if below:
        return f"did you mean {below[0]}"
    if any(source.glob("metadata.csv")) or any(source.glob("*.parquet")):
        return "captions are read from metadata.jsonl, not from csv or parquet"
    return "it holds neither run.toml nor metadata.jsonl nor .tar files"
