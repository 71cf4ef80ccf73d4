"""Selection of the photos and captions of an export, and the declaration of a format."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..contracts import Options
from ..records import AnalysisRow, Caption, CaptionRow
from ..run import RunDirectory
from ..sources import path_of, scheme_of
from ..utils import random_stream
from .crops import has_content
from .duplicates import find_duplicates, report_duplicates
from .restoring import CropRestorer


class ExportSettings(Options):
    """How a run is exported; a format ignores the settings that it does not use."""

    captions: Literal["all", "first", "random"] = Field("all", description="which captions of each photo")
    seed: int | None = Field(None, description="seed of the random choice of captions; the run's own by default")
    link: bool = Field(True, description="imagefolder, kohya: hard links to the run's images if possible")
    repeats: int = Field(1, ge=1, description="kohya: repeats of each image per epoch")
    concept: str = Field(
        "face", pattern=r"^[^/\\\x00-\x1f]+$", description="kohya: name of the folder of images, often the class word"
    )
    names: Literal["id", "original", "path"] = Field(
        "id",
        description="names of exported images: the photo's id, its own name, or its path below the photos' folder",
    )
    images: bool = Field(True, description="parquet: images inside the table")
    everything: bool = Field(False, description="jsonl: rejected, failed and uncaptioned photos as well")
    shard_count: int = Field(10_000, ge=1, description="webdataset: maximum photos per tar")
    shard_mb: int = Field(512, ge=1, description="webdataset: maximum megabytes per tar")


def pictured(run: RunDirectory) -> Iterator[tuple[AnalysisRow, CaptionRow]]:
    """The rows of the data set: accepted photos that have captions and a crop. Missing crops are made.

    Duplicates are left out, if the recipe says so.
    """
    wording, restorer, duplicates = run.wording, CropRestorer(run), find_duplicates(run)
    for row, found in run.rows():
        captioned = wording.apply(found)
        if row.photo_id in duplicates:
            continue
        if row.status == "ok" and captioned.captions and restorer.has_crop(row):
            yield row, captioned
    restorer.report()
    report_duplicates(run, duplicates)


@dataclass(frozen=True, slots=True)
class ExportJob:
    """One export: the run, the final folder (writers fill a temporary folder), and the settings."""

    run: RunDirectory
    out: Path
    settings: ExportSettings


@dataclass(frozen=True, slots=True)
class ExportedPhoto:
    """A photo with the captions that were chosen.

    text: a list of captions, or a string if a single caption per photo was requested.
    line: a random caption of these as a single line; empty if there is none.
    picture: path of its crop, if it is `pictured`. file_name: the same, relative to the data set's folder.
    name: of its files in the export, without a suffix; unique.
    """

    row: AnalysisRow
    captions: tuple[Caption, ...]
    text: str | list[str]
    line: str
    picture: Path
    pictured: bool
    file_name: str
    name: str

    @property
    def photo_id(self) -> str:
        """The photo's id, which names its files."""
        return self.row.photo_id

    @property
    def lines(self) -> list[str]:
        """The chosen captions with each run of white space collapsed, so that each fits on a line."""
        return [_one_line(caption) for caption in self.captions]

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Findings in the columns of the analysis shards; `value` is JSON text, for a single column type."""
        return [
            {"name": one.name, "value": json.dumps(one.value), "score": one.score, "source": one.source}
            for one in self.row.findings
        ]


@dataclass(frozen=True, slots=True)
class FormatWriter:
    """The writer of a format.

    write: fills a folder with photos. usage: how to open it, for the card. pictures: whether it needs crops.
    names_sources: whether it says where photos were read from. whole_run: whether it can hold photos without captions.
    """

    write: Callable[[Iterable[ExportedPhoto], Path, ExportJob], None]
    usage: str
    pictures: Callable[[ExportSettings], bool]
    names_sources: bool = False
    whole_run: bool = False


def select_photos(job: ExportJob, *, pictures: bool, everything: bool) -> Iterator[ExportedPhoto | None]:
    """Each analysed photo in the run's order; None for each that is not exported.

    Exported are accepted photos that have captions and, where `pictures` are needed, a crop; or `everything`.
    """
    seed = job.run.settings.get("seed", 0) if job.settings.seed is None else job.settings.seed
    wording, restorer, duplicates = job.run.wording, CropRestorer(job.run), find_duplicates(job.run)
    taken: set[str] = set()
    top = _common_folder(job.run) if job.settings.names == "path" else None
    for row, found in job.run.rows():
        captioned = wording.apply(found)
        picture = job.run.image_path(row)
        wanted = pictures and row.status == "ok" and captioned.captions
        pictured = restorer.has_crop(row) if wanted else has_content(picture)
        if row.photo_id in duplicates and not everything:
            yield None
            continue
        if not everything and not (row.status == "ok" and captioned.captions and (pictured or not pictures)):
            yield None
            continue
        chosen = _choose(captioned.captions, job.settings.captions, seed, row.photo_id)
        texts = [caption.text for caption in chosen]
        text = texts if job.settings.captions == "all" else "".join(texts)
        line = "".join(map(_one_line, _choose(chosen, "random", seed, row.photo_id)))
        file_name, name = picture.relative_to(job.run.dataset).as_posix(), row.photo_id
        if job.settings.names != "id":
            name = _original_name(row, taken, top)
            file_name = f"images/{name}.jpg"
        yield ExportedPhoto(row, chosen, text, line, picture, pictured, file_name, name)
    restorer.report()
    report_duplicates(job.run, duplicates)


def exported_stem(uri: str) -> str:
    """The name of a photo's file without its suffix, with only what every file system can hold."""
    return _portable(path_of(uri).stem)


def _portable(name: str) -> str:
    return "".join(c if c.isprintable() and c not in '/\\:*?"<>|.' else "_" for c in name).strip()


def _common_folder(run: RunDirectory) -> Path | None:
    """The deepest folder that holds all photos of a run; None for photos that are not files."""
    folders = {str(path_of(photo.uri).parent) for photo in run.photos() if scheme_of(photo.uri) == "file"}
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # none, or some without a common folder
        return None


def _original_name(row: AnalysisRow, taken: set[str], top: Path | None) -> str:
    """The photo's own name without its suffix, with its id if another photo of the export has that name.

    Below `top` the names of its folders come before it, with slashes. Dots become underscores, as web-dataset ends a
    name at the first.
    """
    stem = exported_stem(row.uri)
    path = path_of(row.uri)
    if top is not None and path.is_relative_to(top):
        folders = [_portable(part) or "_" for part in path.relative_to(top).parent.parts]
        stem = "/".join([*folders, stem or row.photo_id])
    name = stem if stem and stem.casefold() not in taken else f"{stem}-{row.photo_id}"
    taken.add(name.casefold())
    return name


def _choose(captions: tuple[Caption, ...], which: str, seed: int, photo_id: str) -> tuple[Caption, ...]:
    if which == "all" or not captions:
        return captions
    if which == "first":
        return captions[:1]
    return (random_stream(seed, photo_id, "export").choice(captions),)


def _one_line(caption: Caption) -> str:
    return " ".join(caption.text.split())
