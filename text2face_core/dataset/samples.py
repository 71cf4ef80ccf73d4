"""What is exported of each photo, and what each format says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..contracts import Options
from ..records import AnalysisRow, Caption
from ..run import RunDirectory
from ..utils import random_stream
from .crops import has_content


class ExportSettings(Options):
    """How a run is exported; a format ignores what it has no use for."""

    captions: Literal["all", "first", "random"] = Field("all", description="which captions of each photo")
    seed: int | None = Field(None, description="of the random choice of captions; without one the run's own")
    link: bool = Field(True, description="imagefolder, kohya: hard links to the run's pictures where possible")
    repeats: int = Field(1, ge=1, description="kohya: how often an epoch shows each picture")
    images: bool = Field(True, description="parquet: pictures inside the table")
    everything: bool = Field(False, description="jsonl: rejected, failed and uncaptioned photos as well")
    shard_count: int = Field(10_000, ge=1, description="webdataset: most photos in one tar")
    shard_mb: int = Field(512, ge=1, description="webdataset: most megabytes in one tar")


@dataclass(frozen=True, slots=True)
class Job:
    """One export: from where, to where (the final place; a writer is handed another folder to fill), and how."""

    run: RunDirectory
    out: Path
    settings: ExportSettings


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo with the captions that were chosen.

    text: a list of captions, or one string where one caption per photo was asked for.
    line: one of these, drawn at random, on one line; empty where there is none.
    picture: where its square crop lies, if it is `pictured`. file_name: the same, from the data set's folder.
    """

    row: AnalysisRow
    captions: tuple[Caption, ...]
    text: str | list[str]
    line: str
    picture: Path
    pictured: bool
    file_name: str

    @property
    def photo_id(self) -> str:
        """The photo's id, which names its files."""
        return self.row.photo_id

    @property
    def lines(self) -> list[str]:
        """The chosen captions with any run of white space made one blank, so that each fits on one line."""
        return [_one_line(caption) for caption in self.captions]

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Findings in the columns of the analysis shards: `value` is JSON text, so that a column has one type."""
        return [
            {"name": one.name, "value": json.dumps(one.value), "score": one.score, "source": one.source}
            for one in self.row.findings
        ]


@dataclass(frozen=True, slots=True)
class Writer:
    """A format.

    write: fills a folder with samples. usage: how to open it, for the card. pictures: whether it needs crops.
    names_sources: whether it says where photos were read from. whole_run: whether it can hold photos without captions.
    """

    write: Callable[[Iterable[Sample], Path, Job], None]
    usage: str
    pictures: Callable[[ExportSettings], bool]
    names_sources: bool = False
    whole_run: bool = False


def samples(job: Job, *, pictures: bool, everything: bool) -> Iterator[Sample | None]:
    """Each analysed photo in the run's order; None for those that are not exported.

    Exported are accepted photos that have captions and, where `pictures` are needed, a crop; or `everything`.
    """
    seed = job.run.settings.get("seed", 0) if job.settings.seed is None else job.settings.seed
    for row, captioned in job.run.rows():
        picture = job.run.image_path(row)
        pictured = has_content(picture)
        if not everything and not (row.status == "ok" and captioned.captions and (pictured or not pictures)):
            yield None
            continue
        chosen = _choose(captioned.captions, job.settings.captions, seed, row.photo_id)
        texts = [caption.text for caption in chosen]
        text = texts if job.settings.captions == "all" else "".join(texts)
        line = "".join(map(_one_line, _choose(chosen, "random", seed, row.photo_id)))
        file_name = picture.relative_to(job.run.dataset).as_posix()
        yield Sample(row, chosen, text, line, picture, pictured, file_name)


def _choose(captions: tuple[Caption, ...], which: str, seed: int, photo_id: str) -> tuple[Caption, ...]:
    if which == "all" or not captions:
        return captions
    if which == "first":
        return captions[:1]
    return (random_stream(seed, photo_id, "export").choice(captions),)


def _one_line(caption: Caption) -> str:
    return " ".join(caption.text.split())
