"""kohya: pictures beside caption files, as sd-scripts and the trainers that follow it read them.

sd-scripts goes through a folder called N_name N times an epoch. Where `enable_wildcard` is on it takes one line of a
caption file at random, else the first (kohya-ss/sd-scripts, library/train_util.py, February 2026).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tomli_w

from ..crops import DatasetSettings
from ..folder import place
from ..samples import Job, Sample, Writer

USAGE = """\
Train on it with sd-scripts: `--dataset_config dataset.toml`, or `--train_data_dir` with this folder. Caption files hold
one caption per line. Of several lines sd-scripts takes one at random where `enable_wildcard` is on, as in dataset.toml,
else the first."""

NOTE = "# For sd-scripts: --dataset_config dataset.toml. Mend image_dir when this folder moves.\n"


def write(samples: Iterable[Sample], folder: Path, job: Job) -> None:
    """Write N_face/ID.jpg with N_face/ID.txt, and dataset.toml."""
    name = f"{job.settings.repeats}_face"
    several = job.settings.captions == "all"
    for sample in samples:
        place(sample.picture, folder / name / f"{sample.photo_id}.jpg", link=job.settings.link)
        lines = [escape(line) if several else line for line in sample.lines]
        (folder / name / f"{sample.photo_id}.txt").write_bytes("\n".join([*lines, ""]).encode())
    config = tomli_w.dumps(_config(job, job.out.resolve() / name, several=several))
    (folder / "dataset.toml").write_bytes((NOTE + config).encode())


def escape(caption: str) -> str:
    """A caption that sd-scripts reads as it stands: with `enable_wildcard`, {a|b} would be a choice.

    >>> escape("a {wide|faint} smile")
    'a {{wide|faint}} smile'
    """
    return caption.replace("{", "{{").replace("}", "}}")


def _config(job: Job, pictures: Path, *, several: bool) -> dict[str, Any]:
    recipe = job.run.settings.get("recipe", {})
    size = recipe.get("dataset", {}).get("size", DatasetSettings().size)
    # Buckets go in steps of 64; the training resolution must lie between the smallest and the largest.
    side = max(64, size // 64 * 64)
    return {
        "general": {"caption_extension": ".txt", "enable_wildcard": several, "shuffle_caption": False},
        "datasets": [
            {
                "resolution": side,
                "enable_bucket": True,
                "bucket_no_upscale": True,
                "min_bucket_reso": min(256, side),
                "max_bucket_reso": max(1024, side),
                "subsets": [{"image_dir": str(pictures), "num_repeats": job.settings.repeats}],
            }
        ],
    }


WRITER = Writer(write, USAGE, pictures=lambda _: True)
