"""What an evaluation leaves in its folder: tables, measures.json and the report."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .._version import __version__
from ..evaluation import (
    Evaluation,
    Measure,
    NearestPair,
    collect_confusions,
    render_report,
    write_images,
    write_judgements,
    write_measures,
    write_plan,
)
from ..utils import write_text
from .evaluation_setup import Setup

SETTINGS = "evaluation.json"


def write_results(
    setup: Setup,
    evaluation: Evaluation,
    measures: Sequence[Measure],
    more: Sequence[Measure],
    sentence: str,
    about: Mapping[str, Any],
    nearest: Sequence[NearestPair] = (),
) -> None:
    """Write plan, images, judgements, measures (`more`: those of plugins) and the page."""
    out = setup.out
    plan = list(evaluation.prompts.values())
    confusions = collect_confusions(evaluation)
    write_plan(out / "plan.parquet", plan)
    write_images(out / "images.parquet", evaluation.images)
    write_judgements(out / "judgements.parquet", evaluation.judgements)
    write_measures(out / "measures.parquet", [*measures, *more])
    content = {
        "headline": sentence,
        "text2face": __version__,
        "models": about or {model: {} for model in evaluation.models},
        "graders": [asdict(one) for one in evaluation.graders],
        "labelled_by": [str(run.path) for run in setup.labelled_by],
        "prompts": len(plan),
        "images": {model: len(evaluation.images_of(model)) for model in evaluation.models},
        "measures": [plain(one) for one in (*measures, *more)],
        "confusions": [asdict(one) for one in confusions],
        "nearest": [
            {"image": one.image.image_id, "path": one.image.path, "training": one.training.path, "cosine": one.cosine}
            for one in nearest
        ],
    }
    write_text(out / "measures.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    title, methods = out.absolute().name, describe_methods(setup, evaluation, about)
    page = render_report(evaluation, measures, confusions, sentence, title, methods, more, nearest)
    write_text(out / "report.html", page)


def describe_methods(setup: Setup, evaluation: Evaluation, about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was done, for the report."""
    identity = json.loads((setup.out / SETTINGS).read_text(encoding="utf-8"))
    labelled = ", ".join(str(run.path) for run in setup.labelled_by) or "not known"
    made: Mapping[str, Any] = next(iter(about.values()), {})
    what = next((identity[key] for key in ("plan", "images", "photos") if key in identity), "")
    return [
        ("plan", f"{what}: {len(evaluation.prompts):,} prompts"),
        ("images", f"{len(evaluation.images):,} of {', '.join(evaluation.models)}"),
        ("generation", f"{made['steps']} steps, guidance {made['guidance']:g}, seed {setup.generation.seed}"
         if "steps" in made else "by another tool"),
        ("training photos labelled by", labelled),
        ("detector", setup.grading.detector),
        ("intervals", "95 %; BCa bootstrap over prompts, 2,000 draws; Wilson for single shares"),
        ("tests", "exact McNemar or sign flips, paired by prompt, Holm over findings; gaps by permutation"),
        ("failures", "images without exactly one usable face and abstentions count as not seen in adherence"),
        ("version", f"text2face {__version__}"),
    ]  # fmt: skip


def plain(measure: Measure) -> dict[str, Any]:
    """The figure for JSON, which has no NaN."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in asdict(measure).items()
    }


def settings_path(out: Path) -> Path:
    """Where the folder says what it is the evaluation of."""
    return out / SETTINGS
