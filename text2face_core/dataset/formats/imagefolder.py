"""imagefolder: pictures and metadata.jsonl, which the `datasets` library and most trainers open."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..crops import USAGE, metadata_line
from ..folder import place
from ..samples import Job, Sample, Writer


def write(samples: Iterable[Sample], folder: Path, job: Job) -> None:
    """Write images/NNNNN/ID.jpg and metadata.jsonl."""
    with (folder / "metadata.jsonl").open("wb") as metadata:
        for sample in samples:
            place(sample.picture, folder / sample.file_name, link=job.settings.link)
            metadata.write(metadata_line(sample.file_name, sample.text, sample.photo_id))


WRITER = Writer(write, USAGE, pictures=lambda _: True)
