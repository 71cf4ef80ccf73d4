"""Read the tables of an evaluation again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..language.fidelity import Mention
from .records import GradedImage, Judgement, PlannedPrompt


def read_plan(folder: Path) -> list[PlannedPrompt]:
    """The prompts of an evaluation, without their bags. Raises RunError if the folder holds none."""
    return [
        PlannedPrompt(
            row["prompt_id"],
            row["prompt"],
            tuple(_mention(one) for one in json.loads(row["mentioned"])),
            source=row["source"],
            cell=json.loads(row["cell"]),
            pair_id=row["pair_id"],
            changed=_mention(json.loads(row["changed"])) if row["changed"] else None,
            states=row["states"],
            split=row["split"],
        )
        for row in _rows(folder / "plan.parquet")
    ]


def read_images(folder: Path) -> list[GradedImage]:
    """The graded images, without their findings."""
    return [GradedImage(**{**row, "box": tuple(json.loads(row["box"]))}) for row in _rows(folder / "images.parquet")]


def read_judgements(folder: Path) -> list[Judgement]:
    """Every verdict."""
    return [
        Judgement(**{**row, "seen": None if row["seen"] is None else json.loads(row["seen"])})
        for row in _rows(folder / "judgements.parquet")
        if "image_id" in row
    ]


def _mention(row: Mapping[str, Any]) -> Mention:
    values = tuple((str(name), str(value)) for name, value in row["values"])
    age = row["age"] and (float(row["age"][0]), float(row["age"][1]))
    return Mention(row["name"], values, age, row["form"])


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_table(path).to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise RunError(
            f"{path.parent} is not a finished evaluation ({error}): t2f evaluate … --out {path.parent}"
        ) from error
