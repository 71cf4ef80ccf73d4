"""webdataset: tar files of jpg, txt and json, to be streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ...errors import MissingExtra
from ..samples import Job, Sample, Writer

USAGE = """\
Streams with `webdataset.WebDataset("00000.tar")` and `datasets.load_dataset("webdataset", data_files="*.tar")`. Each
photo has a jpg, a txt with one caption, as trainers read it (drawn at random where there are several), and a json with
all of them in `text`, `photo_id` and `findings`."""


def write(samples: Iterable[Sample], folder: Path, job: Job) -> None:
    """Write NNNNN.tar. Raises MissingExtra where webdataset is not installed."""
    try:
        import webdataset
    except ImportError as error:
        raise MissingExtra(
            "the webdataset format needs webdataset, which is not installed: pip install 'text2face[webdataset]'"
        ) from error

    for number, shard in enumerate(_shards(samples, job)):
        with ExitStack() as stack:
            # A file of our own rather than a name: webdataset reads names as URLs.
            file = stack.enter_context((folder / f"{number:05d}.tar").open("wb"))
            tar = stack.enter_context(webdataset.TarWriter(file, encoder=False, mtime=0, user="", group=""))
            for files in shard:
                tar.write(files)


def _shards(samples: Iterable[Sample], job: Job) -> Iterator[Iterator[dict[str, Any]]]:
    """Photos in groups of no more than the wanted count and size; one that is larger by itself is a group."""
    photos = map(_files, samples)
    waiting = next(photos, None)

    def group() -> Iterator[dict[str, Any]]:
        nonlocal waiting
        count = size = 0
        while waiting is not None and count < job.settings.shard_count:
            size += sum(len(content) for content in waiting.values())
            if count and size > job.settings.shard_mb * 1_000_000:
                return
            yield waiting
            count += 1
            waiting = next(photos, None)

    while waiting is not None:
        yield group()


def _files(sample: Sample) -> dict[str, Any]:
    about = {"photo_id": sample.photo_id, "text": sample.text, "findings": sample.findings}
    return {
        "__key__": sample.photo_id,
        "jpg": sample.picture.read_bytes(),
        "txt": sample.line.encode(),
        "json": json.dumps(about, ensure_ascii=False).encode(),
    }


WRITER = Writer(write, USAGE, pictures=lambda _: True)
