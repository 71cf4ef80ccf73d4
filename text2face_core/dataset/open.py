"""Open any captioned data set: find out which format a path holds, and hand out its reader."""

from __future__ import annotations

from pathlib import Path

from ..contracts import CaptionedDataset
from ..errors import SourceError


def open_dataset(source: Path) -> CaptionedDataset:
    """The data set in `source`: a run directory, or any format that `t2f export` writes, as a folder or a single file.

    Formats: metadata.jsonl, metadata.csv or metadata.parquet next to images (imagefolder), .tar shards (webdataset),
    images with caption files (kohya), parquet files with images in them, photos.jsonl.

    Raises SourceError, with what to do, if `source` is none of these or holds no captioned image.
    """
    source = Path(source).absolute()
    if not source.exists():
        raise SourceError(f"no file or folder is called {source}. {_WANTED}")
    dataset = _open_file(source) if source.is_file() else _open_folder(source)
    if len(dataset) == 0:
        left = f" ({dataset.without_captions} have no caption)" if dataset.without_captions else ""
        raise SourceError(f"{source} holds no captioned picture{left}. {dataset.remedy()}")
    return dataset


_WANTED = (
    "Give a run directory (made by: t2f run PHOTOS --out DIR), a folder with metadata.jsonl or metadata.csv, a folder "
    "of web-dataset .tar files or of parquet files, or images with .txt captions of the same name"
)


def _open_file(path: Path) -> CaptionedDataset:
    from .formats.csv_table import CsvTable
    from .formats.imagefolder import ImageFolder
    from .formats.jsonl import PhotosJsonl
    from .formats.parquet import ParquetDataset
    from .formats.webdataset import WebDataset

    if path.name == "metadata.jsonl":
        return ImageFolder(path.parent)
    if path.name == "photos.jsonl":
        return PhotosJsonl(path)
    if path.suffix == ".tar":
        return WebDataset(path, [path])
    if path.suffix == ".csv":
        return CsvTable(path)
    if path.suffix == ".parquet":
        return ParquetDataset(path, [path])
    raise SourceError(f"{path} is a file that cannot be trained on. {_WANTED}")


def _open_folder(folder: Path) -> CaptionedDataset:
    from .formats.kohya import KohyaFolder, is_kohya
    from .formats.parquet import ParquetDataset
    from .formats.run_directory import CaptionedRun
    from .formats.webdataset import WebDataset

    if (folder / "run.toml").is_file():
        return CaptionedRun(folder)
    for name in ("metadata.jsonl", "metadata.csv", "metadata.parquet", "photos.jsonl"):
        if (folder / name).is_file():
            return _open_file(folder / name)
    if tars := sorted(folder.glob("*.tar")):
        return WebDataset(folder, tars)
    if is_kohya(folder):
        return KohyaFolder(folder)
    if tables := sorted(folder.glob("*.parquet")):
        return ParquetDataset(folder, tables)
    raise SourceError(f"{folder} is not a data set: {_what_is_there(folder)}. {_WANTED}")


def _what_is_there(source: Path) -> str:
    signs = ("*/metadata.jsonl", "*/run.toml", "*/metadata.csv", "*/dataset.toml", "*/*.tar", "*/*.parquet")
    if below := next((path.parent for sign in signs for path in sorted(source.glob(sign))), None):
        return f"did you mean {below}"
    return "it holds neither run.toml nor metadata.jsonl, metadata.csv, .tar, .parquet or captioned images"
