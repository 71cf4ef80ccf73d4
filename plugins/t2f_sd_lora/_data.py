"""What a model is trained on: pictures with captions, from a run, an imagefolder or web-dataset shards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from text2face_core.errors import SourceError
from text2face_core.records import Pixels

from ._pictures import Picture

Captions = tuple[tuple[str, str], ...]
"""Texts, each with its style ("short", "long"; empty where it is not known)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture with its captions.

    key: names it in messages; unique within its data set.
    """

    key: str
    captions: Captions
    picture: Picture

    def read(self) -> Pixels:
        """(H, W, 3) uint8 RGB, upright. Raises BadPhoto where there is no such picture or none that can be read."""
        return self.picture.pixels(self.picture.content())


class Dataset(ABC):
    """Samples by number. Holds some hundred bytes per sample, reads captions and pictures when asked, and pickles.

    source: where it was opened. fingerprint: 32 hexadecimal digits that change with names and captions.
    without_captions: how many pictures were left out for want of a caption.
    """

    source: Path
    fingerprint: str
    without_captions: int = 0

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def key(self, index: int) -> str:
        """The sample's name."""

    @abstractmethod
    def captions(self, index: int) -> Captions:
        """The sample's captions, one at least."""

    @abstractmethod
    def picture(self, index: int) -> Picture:
        """Where the sample's picture lies."""

    def __getitem__(self, index: int) -> Sample:
        """Raises IndexError beyond the end."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        index %= len(self)
        return Sample(self.key(index), self.captions(index), self.picture(index))

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    @property
    def fusers(self) -> tuple[str, ...]:
        """What wrote the captions, where that is known."""
        return ()


def open_dataset(source: Path) -> Dataset:
    """The data set in `source`: a run directory, a folder with metadata.jsonl, .tar shards, or a single .tar file.

    Raises SourceError, with what to do, where `source` is none of these or holds no captioned picture.
    """
    source = Path(source).absolute()
    dataset = _open(source)
    if len(dataset) == 0:
        left = f" ({dataset.without_captions} have no caption)" if dataset.without_captions else ""
        raise SourceError(f"{source} holds no captioned picture{left}. {_remedy(dataset)}")
    return dataset


def _open(source: Path) -> Dataset:
    from ._data_folder import ImageFolder
    from ._data_run import RunSamples
    from ._data_shards import Shards

    if not source.exists():
        raise SourceError(f"no file or folder is called {source}. {_WANTED}")
    if source.is_file():
        if source.suffix == ".tar":
            return Shards(source, [source])
        if source.name == "metadata.jsonl":
            return ImageFolder(source.parent)
        raise SourceError(f"{source} is a file that cannot be trained on. {_WANTED}")
    if (source / "run.toml").is_file():
        return RunSamples(source)
    if (source / "metadata.jsonl").is_file():
        return ImageFolder(source)
    if tars := sorted(source.glob("*.tar")):
        return Shards(source, tars)
    raise SourceError(f"{source} is no data set: {_what_is_there(source)}. {_WANTED}")


_WANTED = (
    "Give a run directory (made by: t2f run PHOTOS --out DIR), a folder with metadata.jsonl, or a folder of "
    "web-dataset .tar files"
)


def _remedy(dataset: Dataset) -> str:
    from ._data_run import RunSamples

    if isinstance(dataset, RunSamples):
        return dataset.remedy()
    return 'Each line of metadata.jsonl, or each json or txt of a shard, needs a caption: "text": "…" or ["…", "…"]'


def _what_is_there(source: Path) -> str:
    below = [path.parent for path in sorted(source.glob("*/metadata.jsonl")) + sorted(source.glob("*/run.toml"))]
    below += [path.parent for path in sorted(source.glob("*/*.tar"))[:1]]
    if below:
        return f"did you mean {below[0]}"
    if any(source.glob("metadata.csv")) or any(source.glob("*.parquet")):
        return "captions are read from metadata.jsonl, not from csv or parquet"
    return "it holds neither run.toml nor metadata.jsonl nor .tar files"
