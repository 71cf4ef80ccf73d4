"""The images of an evaluation: plan prompts, generate, find the real photos behind prompts, and grade."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import FusionRequest
from ..errors import UsageError
from ..evaluation import (
    PHOTOS,
    GradedImage,
    PlannedPrompt,
    file_hash,
    match_rows,
    plan_balanced,
    plan_neutral,
    plan_pairs,
    plan_texts,
    write_list,
)
from ..generation import ImageSpec, image_seed, read_prompts
from ..run import RunDirectory
from ..sources import path_of
from .evaluation_setup import Setup
from .images import NONE, GenerationSession
from .session import Session

if TYPE_CHECKING:
    from ..recipe import Recipe
    from ..records import AnalysisRow, Bag

PLANS = ("balanced", "pairs", "neutral", "captions:RUN", "FILE")


def make_plan(setup: Setup, plan: str, limit: int | None, seed: int) -> tuple[list[PlannedPrompt], RunDirectory | None]:
    """The prompts of a plan; and, of "captions:RUN", the run, which also counts as a labelling run."""
    if plan.startswith("captions:"):
        run = RunDirectory.open(Path(plan.partition(":")[2]))
        setup.labelled_by.append(run)
        return plan_texts(read_prompts((), captions=run.path, limit=limit), setup.vocabulary), run
    if plan == "neutral":
        return plan_neutral(setup.vocabulary)[:limit], None
    if plan == "balanced":
        found = plan_balanced(setup.vocabulary, _writer(setup), seed)
        step = max(1, len(found) // limit) if limit else 1
        return found[::step][:limit], None  # spread over the cells
    if plan == "pairs":
        pairs = plan_pairs(setup.vocabulary, _writer(setup), seed)
        return (pairs[: limit // 2 * 2] if limit else pairs), None
    if not Path(plan).is_file():
        raise UsageError(f"{plan} is not a plan: give {', '.join(PLANS[:-1])}, or a file of prompts")
    return plan_texts(read_prompts((), Path(plan), limit=limit), setup.vocabulary), None


def _writer(setup: Setup) -> Callable[[Bag, str, int], str]:
    """Writes with the phrasebook, whose sentences are the same for the same bag, style and seed."""
    registered = setup.plugins.component("phrasebook", "fuser")
    options = registered.component.options.model_validate(setup.recipe.plugins.get("phrasebook", {}))
    fuser = setup.plugins.build(registered, options, setup.runtime)

    def write(bag: Bag, style: str, seed: int) -> str:
        request = FusionRequest("0" * 16, "", 0, bag, style, seed)
        return str(fuser.fuse([request])[0][0])

    return write


def generate_model(
    setup: Setup,
    model: str,
    name: str,
    prompts: Sequence[PlannedPrompt],
    per_prompt: int,
    session: GenerationSession | None = None,
) -> tuple[list[GradedImage], dict[str, Any]]:
    """Generate the plan's images with a model; what is there already is kept. The images, and how they were made."""
    session = session or GenerationSession(model, setup.generation)
    places: dict[str, int] = {}
    for one in prompts:  # both sides of a pair have one place, and so one noise
        places.setdefault(one.pair_id or one.prompt_id, len(places))
    wanted = [(one, number) for one in prompts for number in range(per_prompt)]
    specs = [
        ImageSpec(
            replace(
                session.like,
                prompt=one.text,
                seed=image_seed(session.like.seed, places[one.pair_id or one.prompt_id], number),
            ),
            place,
            number,
            source=one.source,
        )
        for place, (one, number) in enumerate(wanted)
    ]
    result = session.generate(specs, setup.out / "images" / name)
    images = [
        GradedImage(
            f"{name}/{one.prompt_id}-{number}", one.prompt_id, name, spec.request.seed, str(path or ""),
            reason="" if path else "not generated",
        )
        for (one, number), spec, path in zip(wanted, specs, result.paths, strict=True)
    ]  # fmt: skip
    about = {"model": model, **session.generator.identity(session.like), **asdict(session.like)}
    return images, about


def real_photos(setup: Setup, run: RunDirectory, prompts: Sequence[PlannedPrompt]) -> list[GradedImage]:
    """The run's crops behind the prompts, as the images of the model "photos"."""
    wanted = {one.source: one for one in prompts}
    found = []
    for row, _ in run.rows():
        if row.photo_id in wanted and (path := run.image_path(row)).is_file():
            one = wanted[row.photo_id]
            found.append(GradedImage(f"{PHOTOS}/{one.prompt_id}", one.prompt_id, PHOTOS, -1, str(path)))
    if not found:
        setup.progress.say(f"{run.path} holds no crops of its photos: the table has no row of real photos")
    return found


def grade_images(
    setup: Setup, model: str, images: Sequence[GradedImage], recipe: Recipe | None = None
) -> list[GradedImage]:
    """Grade the images of a model; what is graded already is kept. recipe: instead of the evaluation's."""
    files = list(dict.fromkeys(Path(one.path) for one in images if one.path and Path(one.path).is_file()))
    if not files:
        return match_rows(images, {})
    folder = setup.out / "graded" / model
    session = Session(
        run=RunDirectory(folder),
        plugins=setup.plugins,
        models=setup.store,
        progress=setup.progress,
        device=setup.generation.device or "cpu",
        threads=setup.generation.threads,
    )
    with session.run.lock():
        session.analyse([write_list(folder.with_suffix(".txt"), files)], recipe or setup.grading, redo=True)
        rows: dict[str, AnalysisRow] = {str(path_of(row.uri)): row for row, _ in session.run.rows()}
    graded = match_rows(images, rows)
    return [replace(one, sha256=file_hash(Path(one.path))) if one.path else one for one in graded]


def model_names(models: Sequence[str]) -> list[str]:
    """A short name for each model: "base" for "none", else the last part of its path; numbered if two are the same."""
    names: list[str] = []
    for model in models:
        path = Path(model)
        stem = path.stem if path.suffix == ".safetensors" else path.name
        stem = path.parent.name if stem == "pytorch_lora_weights" and path.parent.name else stem
        name = "base" if model == NONE else re.sub(r"[^\w.+-]+", "-", stem).strip("-.") or "model"
        number = sum(one == name or one.rpartition("~")[0] == name for one in [*names, PHOTOS])
        names.append(f"{name}~{number + 1}" if number else name)
    return names
