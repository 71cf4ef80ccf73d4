"""Evaluate models: generate a plan's images, grade them, and measure what they show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MissingExtra, NothingToDo, RunError, UsageError
from ..evaluation import (
    PHOTOS,
    GradedImage,
    Measure,
    PlannedPrompt,
    choose_model,
    headline,
    judge_all,
    measure_all,
    measure_corrected,
    plan_texts,
    read_captioned_images,
)
from ..generation import Prompt
from ..recipe import Recipe
from ..utils import fingerprint, install_command, write_text
from .evaluation_errors import read_errors
from .evaluation_images import generate_model, grade_images, make_plan, model_names, real_photos
from .evaluation_metrics import measure_more
from .evaluation_output import settings_path, write_results
from .evaluation_setup import Setup
from .images import GenerationSettings

Sets = dict[str, list[GradedImage]]
"""The images of each model."""


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        out: Its folder.
        headline: The result in a sentence.
        measures: Every figure.
        failed: How many images could not be generated or read.
    """

    out: Path
    headline: str
    measures: list[Measure]
    failed: int


def evaluate(
    models: str | Sequence[str] = (),
    /,
    *,
    out: str | Path,
    plan: str = "balanced",
    images: str | Path | None = None,
    graders: str | Sequence[str] = (),
    metrics: str | Sequence[str] = (),
    training: str | Path | None = None,
    reference: str | Path | None = None,
    errors: str | Path | None = None,
    recipe: str | Path | Recipe = "starter",
    labelled_by: Sequence[str | Path] = (),
    per_prompt: int = 1,
    limit: int | None = None,
    photos: bool = True,
    choose: bool = False,
    settings: Iterable[str] = (),
    plan_seed: int = 0,
    trust: bool = False,
    **generation: Any,
) -> EvaluationResult:
    """Evaluate models on a plan, as `t2f evaluate` does; what `out` holds already is not made again.

    Args:
        models: LoRAs (folder, file or Hugging Face id) and "none" for the base model; the first is what the others are
            compared with.
        out: The folder of the evaluation.
        plan: "balanced", "pairs", "neutral", "captions:RUN", or a file of prompts.
        images: Grade the images of this folder instead, which any tool made.
        graders: Extractors that grade; by default those of the recipe's [evaluation].
        metrics: Metrics and embedders of plugins; by default those of the recipe's [evaluation].
        training: Run or folder with photos that the models were trained on, to look for copies of their faces.
        reference: Run or folder with real photos that they were not trained on, for distances such as FID; by default
            the photos behind the prompts of "captions:RUN".
        errors: Folder of an audit (t2f evaluate --photos … --truth …), to correct shares for the errors of graders.
        recipe: A recipe's name, a TOML file, or a recipe: detector, face rules, graders and their options.
        labelled_by: Runs whose models labelled the training photos; the run of "captions:RUN" always counts.
        per_prompt: Images of each prompt.
        limit: Prompts at most.
        photos: With "captions:RUN", also grade the run's own crops: what graders confirm of real photos.
        choose: Propose one of the models, given in the order of their training: see `choose_model`.
        settings: As for --set.
        plan_seed: Random seed of the plan's bags.
        trust: Allow what a recipe file reaches, as --trust does.
        generation: See `GenerationSettings`: base="…", steps=20, seed=1, ….

    Raises:
        UsageError: The request is wrong, or a model is not available.
        NothingToDo: There are no prompts or images.
    """
    require_scipy()
    chosen = GenerationSettings(**generation)
    named = [models] if isinstance(models, str) else list(models)
    if bool(named) == (images is not None):
        raise UsageError("give models to evaluate, or images with --images FOLDER, not both")
    setup = Setup(Path(out), chosen, recipe, graders, metrics, settings, labelled_by, trust=trust)
    if images is not None:
        planned, sets, about = _given_images(setup, Path(images), limit)
    else:
        planned, sets, about = _generated_images(setup, named, plan, per_prompt, limit, plan_seed, photos=photos)
    graded = tuple(image for model, found in sets.items() for image in grade_images(setup, model, found))
    evaluation = judge_all(planned, graded, setup.describe_graders(), tuple(sets), setup.vocabulary)
    more, nearest = measure_more(setup, evaluation, training, reference)
    if errors is not None:
        more += measure_corrected(evaluation, read_errors(Path(errors)))
    measures = measure_all(evaluation)
    sentence = headline(evaluation, measures)
    if choose and (choice := choose_model(evaluation)):
        sentence = f"{sentence} {choice.sentence()}"
    write_results(setup, evaluation, measures, more, sentence, about, nearest)
    return EvaluationResult(setup.out, sentence, [*measures, *more], sum(one.status == "failed" for one in graded))


def require_scipy() -> None:
    """Raise MissingExtra without scipy."""
    try:
        import scipy.stats  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"t2f evaluate needs scipy: {install_command('evaluate')}") from error


def _given_images(setup: Setup, folder: Path, limit: int | None) -> tuple[list[PlannedPrompt], Sets, dict[str, Any]]:
    """A folder of any tool."""
    pictures = read_captioned_images(folder, limit)
    plan = plan_texts([Prompt(text, str(path)) for path, text in pictures], setup.vocabulary)
    (model,) = model_names([folder.absolute().name or "images"])
    images = [
        GradedImage(f"{model}/{one.prompt_id}", one.prompt_id, model, -1, str(path))
        for one, (path, _) in zip(plan, pictures, strict=True)
    ]
    _claim(setup.out, {"images": str(folder.absolute()), "prompts": _plan_key(plan)})
    return plan, {model: images}, {}


def _generated_images(
    setup: Setup, models: Sequence[str], plan: str, per_prompt: int, limit: int | None, seed: int, *, photos: bool
) -> tuple[list[PlannedPrompt], Sets, dict[str, Any]]:
    """The plan's images by each model, and the real photos behind the prompts."""
    prompts, run = make_plan(setup, plan, limit, seed)
    _claim(setup.out, {"plan": plan, "per_prompt": per_prompt, "prompts": _plan_key(prompts)})
    images: Sets = {}
    about: dict[str, Any] = {}
    for model, name in zip(models, model_names(models), strict=True):
        images[name], about[name] = generate_model(setup, model, name, prompts, per_prompt)
    if run is not None and photos and (real := real_photos(setup, run, prompts)):
        images[PHOTOS] = real
    return prompts, images, about


def _claim(out: Path, identity: dict[str, Any]) -> None:
    """Say which plan the folder is for. Raises RunError if it holds another."""
    path = settings_path(out)
    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(f"{path} is damaged ({error}). Remove it, or choose another --out") from error
        if before != identity:
            changed = ", ".join(sorted(key for key in {*before, *identity} if before.get(key) != identity.get(key)))
            raise RunError(f"{out} holds another evaluation ({changed} differ): choose another --out")
        return
    write_text(path, json.dumps(identity, indent=1, ensure_ascii=False) + "\n")


def _plan_key(plan: Sequence[PlannedPrompt]) -> str:
    if not plan:
        raise NothingToDo("the plan holds no prompt")
    return fingerprint([[one.prompt_id, one.text] for one in plan])
