"""plan, images, judgements and measures as parquet files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..run import bag_to_json, write_rows
from .records import GradedImage, Judgement, Measure, PlannedPrompt


def write_plan(path: Path, plan: Sequence[PlannedPrompt]) -> None:
    """A row per prompt, with its mentions, bag and cell as JSON text."""
    _write(path, [_of_prompt(one) for one in plan], {"states": "bool"})


def write_images(path: Path, images: Sequence[GradedImage]) -> None:
    """A row per image; its findings are in the graded run and in judgements.parquet."""
    rows = [
        {
            **{name: getattr(one, name) for name in ("image_id", "prompt_id", "model", "seed", "path", "sha256")},
            **{name: getattr(one, name) for name in ("status", "reason", "faces")},
            "box": json.dumps(list(one.box)),
        }
        for one in images
    ]
    _write(path, rows, {"seed": "int64", "faces": "int64"})


def write_judgements(path: Path, judgements: Sequence[Judgement]) -> None:
    """A row per verdict; `seen` is JSON text, `agrees` is null where the grader abstained."""
    rows = [{**_plain(one), "seen": None if one.seen is None else json.dumps(one.seen)} for one in judgements]
    _write(path, rows, {"states": "bool", "agrees": "bool", "score": "double", "off": "double"})


def write_measures(path: Path, measures: Sequence[Measure]) -> None:
    """A row per figure."""
    numbers = dict.fromkeys(("value", "low", "high", "p", "p_adjusted"), "double")
    _write(path, [asdict(one) for one in measures], {**numbers, "n": "int64"})


def _of_prompt(one: PlannedPrompt) -> dict[str, Any]:
    return {
        "prompt_id": one.prompt_id,
        "prompt": one.text,
        "mentioned": json.dumps([asdict(mention) for mention in one.mentions]),
        "bag": bag_to_json(one.bag),
        "source": one.source,
        "cell": json.dumps(dict(one.cell)),
        "pair_id": one.pair_id,
        "changed": json.dumps(asdict(one.changed)) if one.changed else "",
        "states": one.states,
        "split": one.split,
    }


def _plain(one: Judgement) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def _write(path: Path, rows: Sequence[dict[str, Any]], types: dict[str, str]) -> None:
    """Columns are text unless `types` says otherwise."""
    import pyarrow as pa

    kinds: dict[str, Callable[[], Any]] = {"bool": pa.bool_, "int64": pa.int64, "double": pa.float64}
    names = list(rows[0]) if rows else ["empty"]
    schema = pa.schema({name: kinds[types[name]]() if name in types else pa.string() for name in names})
    write_rows(path, rows, schema, {})
