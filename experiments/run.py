"""Run an experiment: train each condition with each seed, generate held-out captions, grade, and write results.

    python -m experiments.run E1_base_and_tuned --out build/E1

The folder of the experiment holds recipe.toml. results.parquet is written into it: a row for each condition, seed,
finding and kind of grader.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from text2face_core import caption_photos, evaluate, train

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
Rows = list[dict[str, Any]]


def shuffled(rows: Rows, seed: int) -> Rows:
    """Each face with the captions of another."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return [
        {**row, "text": rows[other]["text"], "style": rows[other]["style"]}
        for row, other in zip(rows, order, strict=True)
    ]


def constant(rows: Rows, seed: int) -> Rows:  # noqa: ARG001
    """Each face with the same caption."""
    return [{**row, "text": ["A photo of a person."], "style": [""]} for row in rows]


def web(rows: Rows, seed: int) -> Rows:
    """Captions that imitate the web's, as RECAP's alt texts: one word in ten about the person is right."""
    import json
    import random

    from tools.train_style_base.web_captions import write_caption

    found = []
    for row in rows:
        findings = [{**one, "value": json.loads(one["value"])} for one in row["findings"]]
        random_ = random.Random(f"{seed} {row['photo_id']}")
        found.append({**row, "text": [write_caption(random_, findings) for _ in range(4)], "style": [""] * 4})
    return found


CONTROLS: dict[str, Callable[[Rows, int], Rows]] = {"shuffled": shuffled, "constant": constant, "web": web}


def main() -> None:
    """Run one experiment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    recipe = tomllib.loads((HERE / given.experiment / "recipe.toml").read_text())
    run = given.out / "labels"
    caption_photos([EXAMPLES / "photos"], out=run, threads=given.threads)
    results: Rows = []
    for condition in recipe["conditions"]:
        for seed in recipe["seeds"]:
            model = train_one(condition, seed, recipe, given)
            results += grade_one(condition, seed, model, recipe, run, given)
            pq.write_table(pa.Table.from_pylist(results), HERE / given.experiment / "results.parquet")
            print(condition, seed, summary(results, condition, seed), flush=True)


def train_one(condition: str, seed: int, recipe: dict[str, Any], given: argparse.Namespace) -> str:
    """The model of a condition and seed; "none" for the base alone."""
    if condition == "base":
        return "none"
    source = EXAMPLES / "style-faces"
    if condition in CONTROLS:
        table = pa.concat_tables([pq.read_table(path) for path in sorted(source.glob("*.parquet"))])
        rows = CONTROLS[condition](table.select(["photo_id", "text", "style", "findings"]).to_pylist(), seed)
        changed = {name: pa.array([row[name] for row in rows]) for name in ("text", "style")}
        for name, column in changed.items():
            table = table.set_column(table.schema.get_field_index(name), name, column)
        source = given.out / f"{condition}-{seed}.parquet"
        pq.write_table(table, source, row_group_size=1000)
    options = {**recipe["training"], **recipe.get("condition", {}).get(condition, {})}
    trained = train(
        source,
        out=given.out / f"{condition}-{seed}",
        plugins="style_flow",
        base=str(EXAMPLES / "style-base"),
        seed=seed,
        threads=given.threads,
        **options,
    )
    return str(trained.path)


def grade_one(
    condition: str, seed: int, model: str, recipe: dict[str, Any], run: Path, given: argparse.Namespace
) -> Rows:
    """Adherence of a model on held-out captions, over all and per finding, by eyes."""
    result = evaluate(
        [model],
        out=given.out / "evaluations" / f"{condition}-{seed}",
        plan=str(EXAMPLES / "style-faces" / "prompts.jsonl"),
        limit=recipe["prompts"],
        graders=recipe["graders"],
        labelled_by=[run],
        base=str(EXAMPLES / "style-base"),
        plugins="style_flow",
        resolution=256,
        seed=1000 + seed,
        threads=given.threads,
    )
    names = {"adherence", "adherence to shuffled prompts", "exactly one face"}
    return [
        {
            "condition": condition,
            "seed": seed,
            "measure": one.name,
            "finding": one.finding,
            "eyes": one.eyes,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "n": one.n,
        }
        for one in result.measures
        if one.name in names and not one.group
    ]


def summary(results: Rows, condition: str, seed: int) -> str:
    """Adherence over all, by eyes."""
    found = [
        f"{row['eyes']} {row['value']:.3f}"
        for row in results
        if (row["condition"], row["seed"], row["measure"], row["finding"]) == (condition, seed, "adherence", "")
    ]
    return ", ".join(found)


if __name__ == "__main__":
    main()
