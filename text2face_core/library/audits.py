"""Audit extractors on labelled photos."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .._version import __version__
from ..errors import NothingToDo, UsageError
from ..evaluation import (
    GradedImage,
    LabelledPhoto,
    Measure,
    Truth,
    measure_audit,
    read_truth,
    truth_of,
    write_measures,
)
from ..language import Vocabulary
from ..recipe import Recipe
from ..records import Finding
from ..run import RunDirectory
from ..sources import path_of
from ..utils import write_text
from .evaluation import EvaluationResult, require_scipy
from .evaluation_errors import ERRORS
from .evaluation_images import grade_images
from .evaluation_metrics import SUFFIXES
from .evaluation_output import plain
from .evaluation_setup import Setup
from .images import GenerationSettings


def audit(
    photos: str | Path,
    truth: str | Path | None = None,
    /,
    *,
    out: str | Path,
    graders: str | Sequence[str] = (),
    recipe: str | Path | Recipe = "starter",
    settings: Iterable[str] = (),
    trust: bool = False,
    **generation: Any,
) -> EvaluationResult:
    """Measure how often extractors are right about labelled photos, as `t2f evaluate --photos --truth` does.

    Args:
        photos: A run, whose own findings are audited, or a folder of photos, which the graders look at.
        truth: Labels by file name; see `text2face_core.evaluation.read_truth`. None: those that the run's source knew.
        out: The folder of the audit.
        graders: Extractors; by default those of the run, or of the recipe.
        recipe: A recipe's name, a TOML file, or a recipe: detector, face rules, extractors and their options.
        settings: As for --set.
        trust: Allow what a recipe file reaches, as --trust does.
        generation: device, threads, offline and so on, as for `evaluate`.

    Raises:
        NothingToDo: No photo has a label and a usable face.
    """
    require_scipy()
    place = Path(photos)
    run = RunDirectory.open(place) if (place / "run.toml").is_file() else None
    setup = Setup(
        Path(out),
        GenerationSettings(**generation),
        recipe,
        graders,
        (),
        settings,
        [],
        trust=trust,
    )
    key = _whole if truth is None else _name
    labels = read_truth(Path(truth), setup.vocabulary) if truth is not None else _labels_of(run, setup.vocabulary)
    looked = _of_run(run) if run is not None and not setup.named_graders else _looked_at(setup, place, run)
    found = [(key(uri), findings) for uri, findings in looked]
    labelled = [LabelledPhoto(name, labels[name], findings) for name, findings in found if name in labels]
    if not labelled:
        raise NothingToDo(f"of the {len(labels):,} labelled photos, {place} holds none with a usable face")
    described = setup.describe_graders()
    if run is not None and not setup.named_graders:
        described = setup.describe_graders_of(run)
    measures, errors = measure_audit(labelled, described, setup.vocabulary)
    shown = len(labelled), len(labels)
    sentence = f"{shown[0]:,} of {shown[1]:,} labelled photos have one usable face. " + _summary(measures)
    write_measures(setup.out / "measures.parquet", measures)
    content = {
        "headline": sentence,
        "text2face": __version__,
        "photos": str(place),
        "labelled": len(labels),
        "usable": len(labelled),
        "graders": [asdict(one) for one in described],
        "measures": [plain(one) for one in measures],
    }
    write_text(setup.out / "measures.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    write_text(setup.out / ERRORS, json.dumps([asdict(one) for one in errors], indent=1) + "\n")
    return EvaluationResult(setup.out, sentence, measures, 0)


def _whole(uri: str) -> str:
    return str(path_of(uri))


def _name(uri: str) -> str:
    return path_of(uri).name


def _labels_of(run: RunDirectory | None, vocabulary: Vocabulary) -> dict[str, Truth]:
    """Labels by the photo's whole address: rows of a table may have equal names."""
    rows = run.rows() if run is not None else ()
    labels = {_whole(row.uri): truth_of(row.truth, vocabulary) for row, _ in rows if row.truth}
    if not labels:
        raise UsageError("--photos needs --truth, a file of labels, unless it is a run whose source knew labels")
    return labels


def _of_run(run: RunDirectory | None) -> list[tuple[str, tuple[Finding, ...]]]:
    rows = run.rows() if run is not None else ()
    return [(row.uri, row.findings) for row, _ in rows if row.status == "ok"]


def _looked_at(setup: Setup, place: Path, run: RunDirectory | None) -> list[tuple[str, tuple[Finding, ...]]]:
    """What the graders find on the photos of a folder, or on those that a run was made of."""
    if run is not None:
        paths = [Path(str(path_of(row.uri))) for row, _ in run.rows() if path_of(row.uri)]
    else:
        paths = sorted(one for one in place.rglob("*") if one.suffix.lower() in SUFFIXES)
    images = [GradedImage(f"photos/{n:06d}", "", "photos", -1, str(path)) for n, path in enumerate(paths)]
    graded = grade_images(setup, "photos", images)
    return [(one.path, one.findings) for one in graded if one.status == "ok"]


def _summary(measures: Sequence[Measure]) -> str:
    """A line for each extractor and finding, over everybody."""
    lines = []
    for one in measures:
        if one.group:
            continue
        if one.name == "right if reported" and one.n:
            lines.append(f"{one.model}: {one.finding} right {one.value:.1%} of {one.n:,} reported.")
        elif one.name == "absolute age error":
            lines.append(f"{one.model}: ages {one.value:.1f} years off.")
    return " ".join(lines)
