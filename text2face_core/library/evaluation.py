"""Evaluate models: generate a plan's images, grade them, and measure what they show."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..contracts import Progress, Runtime
from ..errors import MissingExtra, NothingToDo, RunError, UsageError
from ..evaluation import (
    PHOTOS,
    GradedImage,
    Labellers,
    Measure,
    PlannedPrompt,
    collect_confusions,
    describe_grader,
    file_hash,
    grading_recipe,
    headline,
    judge_all,
    match_rows,
    measure_all,
    plan_balanced,
    plan_neutral,
    plan_pairs,
    plan_texts,
    read_captioned_images,
    render_report,
    write_images,
    write_judgements,
    write_list,
    write_measures,
    write_plan,
)
from ..generation import ImageSpec, Prompt, image_seed, read_prompts
from ..language import Vocabulary
from ..models import ModelStore
from ..plugins import Plugins
from ..recipe import Recipe, Resolved
from ..records import Bag
from ..run import RunDirectory
from ..sources import path_of
from ..trust import require_trust
from ..utils import fingerprint, install_command, write_text
from .images import NONE, GenerationSession, GenerationSettings
from .session import Session, Silent, override

if TYPE_CHECKING:
    from ..records import AnalysisRow

PLANS = ("balanced", "pairs", "neutral", "captions:RUN", "FILE")
SETTINGS = "evaluation.json"


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
    recipe: str | Path | Recipe = "starter",
    labelled_by: Sequence[str | Path] = (),
    per_prompt: int = 1,
    limit: int | None = None,
    photos: bool = True,
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
        recipe: A recipe's name, a TOML file, or a recipe: detector, face rules, graders and their options.
        labelled_by: Runs whose models labelled the training photos; the run of "captions:RUN" always counts.
        per_prompt: Images of each prompt.
        limit: Prompts at most.
        photos: With "captions:RUN", also grade the run's own crops: what graders confirm of real photos.
        settings: As for --set.
        plan_seed: Random seed of the plan's bags.
        trust: Allow what a recipe file reaches, as --trust does.
        generation: See `GenerationSettings`: base="…", steps=20, seed=1, ….

    Raises:
        UsageError: The request is wrong, or a model is not available.
        NothingToDo: There are no prompts or images.
    """
    _require_scipy()
    chosen = GenerationSettings(**generation)
    named = [models] if isinstance(models, str) else list(models)
    if bool(named) == (images is not None):
        raise UsageError("give models to evaluate, or images with --images FOLDER, not both")
    work = _Work(Path(out), chosen, recipe, graders, settings, labelled_by, trust=trust)
    if images is not None:
        return work.evaluate_images(Path(images), limit)
    return work.evaluate_models(named, plan, per_prompt, limit, plan_seed, photos=photos)


def _require_scipy() -> None:
    try:
        import scipy.stats  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"t2f evaluate needs scipy: {install_command('evaluate')}") from error


class _Work:
    """One use of an evaluation's folder."""

    def __init__(
        self,
        out: Path,
        generation: GenerationSettings,
        recipe: str | Path | Recipe,
        graders: str | Sequence[str],
        settings: Iterable[str],
        labelled_by: Sequence[str | Path],
        *,
        trust: bool,
    ) -> None:
        self.out = out
        self.progress: Progress = generation.progress or Silent()
        self.plugins = generation.available or Plugins.load()
        self.store = generation.models or ModelStore(offline=generation.offline, say=self.progress.say)
        self.generation = replace(generation, available=self.plugins, models=self.store)
        written = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
        of_trainers, of_graders = _split_settings(settings, self.plugins)
        self.generation = replace(self.generation, settings=of_trainers)
        self.recipe = override(written, self.plugins, settings=of_graders)
        if not isinstance(recipe, Recipe) and (where := Recipe.file_of(recipe)):
            require_trust(written, self.recipe, self.plugins, where, trust=trust)
        names = [one.strip() for one in graders.split(",")] if isinstance(graders, str) else list(graders)
        offered = self.plugins.chosen([name for name in names if name])
        if names and any(names) and "extractor" not in offered:
            raise UsageError(f"{', '.join(names)} offer no extractor, and only extractors grade")
        self.grading = grading_recipe(self.recipe, offered.get("extractor", ()))
        self.resolved: Resolved = self.grading.resolve(self.plugins)
        self.labelled_by = [RunDirectory.open(Path(one)) for one in labelled_by]

    @property
    def vocabulary(self) -> Vocabulary:
        """Words for findings, those of the graders included."""
        return self.resolved.vocabulary

    # --- images of any tool ---

    def evaluate_images(self, folder: Path, limit: int | None) -> EvaluationResult:
        """Grade a folder."""
        pictures = read_captioned_images(folder, limit)
        plan = plan_texts([Prompt(text, str(path)) for path, text in pictures], self.vocabulary)
        (model,) = _model_names([folder.absolute().name or "images"])
        images = [
            GradedImage(f"{model}/{one.prompt_id}", one.prompt_id, model, -1, str(path))
            for one, (path, _) in zip(plan, pictures, strict=True)
        ]
        self._claim({"images": str(folder.absolute()), "prompts": _plan_key(plan)})
        return self._finish(plan, {model: images}, {})

    # --- models ---

    def evaluate_models(
        self, models: Sequence[str], plan: str, per_prompt: int, limit: int | None, seed: int, *, photos: bool
    ) -> EvaluationResult:
        """Generate, grade and measure."""
        prompts, run = self._plan(plan, limit, seed)
        self._claim({"plan": plan, "per_prompt": per_prompt, "prompts": _plan_key(prompts)})
        images: dict[str, list[GradedImage]] = {}
        about: dict[str, Any] = {}
        for model, name in zip(models, _model_names(models), strict=True):
            images[name], about[name] = self._generate(model, name, prompts, per_prompt)
        if run is not None and photos and (real := self._real_photos(run, prompts)):
            images[PHOTOS] = real
        return self._finish(prompts, images, about)

    def _plan(self, plan: str, limit: int | None, seed: int) -> tuple[list[PlannedPrompt], RunDirectory | None]:
        if plan.startswith("captions:"):
            run = RunDirectory.open(Path(plan.partition(":")[2]))
            self.labelled_by.append(run)
            return plan_texts(read_prompts((), captions=run.path, limit=limit), self.vocabulary), run
        if plan == "neutral":
            return plan_neutral(self.vocabulary)[:limit], None
        if plan == "balanced":
            found = plan_balanced(self.vocabulary, self._writer(), seed)
            step = max(1, len(found) // limit) if limit else 1
            return found[::step][:limit], None  # spread over the cells
        if plan == "pairs":
            pairs = plan_pairs(self.vocabulary, self._writer(), seed)
            return (pairs[: limit // 2 * 2] if limit else pairs), None
        if not Path(plan).is_file():
            raise UsageError(f"{plan} is not a plan: give {', '.join(PLANS[:-1])}, or a file of prompts")
        return plan_texts(read_prompts((), Path(plan), limit=limit), self.vocabulary), None

    def _writer(self) -> Any:
        """Writes with the phrasebook, whose sentences are the same for the same bag, style and seed."""
        from ..contracts import FusionRequest

        registered = self.plugins.component("phrasebook", "fuser")
        options = registered.component.options.model_validate(self.recipe.plugins.get("phrasebook", {}))
        fuser = self.plugins.build(registered, options, Runtime(self.store, vocabulary=self.vocabulary))

        def write(bag: Bag, style: str, seed: int) -> str:
            request = FusionRequest("0" * 16, "", 0, bag, style, seed)
            return str(fuser.fuse([request])[0][0])

        return write

    def _generate(
        self, model: str, name: str, prompts: Sequence[PlannedPrompt], per_prompt: int
    ) -> tuple[list[GradedImage], dict[str, Any]]:
        session = GenerationSession(model, self.generation)
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
        result = session.generate(specs, self.out / "images" / name)
        images = [
            GradedImage(
                f"{name}/{one.prompt_id}-{number}", one.prompt_id, name, spec.request.seed, str(path or ""),
                reason="" if path else "not generated",
            )
            for (one, number), spec, path in zip(wanted, specs, result.paths, strict=True)
        ]  # fmt: skip
        about = {"model": model, **session.generator.identity(session.like), **asdict(session.like)}
        return images, about

    def _real_photos(self, run: RunDirectory, prompts: Sequence[PlannedPrompt]) -> list[GradedImage]:
        wanted = {one.source: one for one in prompts}
        found = []
        for row, _ in run.rows():
            if row.photo_id in wanted and (path := run.image_path(row)).is_file():
                one = wanted[row.photo_id]
                found.append(GradedImage(f"{PHOTOS}/{one.prompt_id}", one.prompt_id, PHOTOS, -1, str(path)))
        if not found:
            self.progress.say(f"{run.path} holds no crops of its photos: the table has no row of real photos")
        return found

    # --- grading and measuring ---

    def _finish(
        self, plan: Sequence[PlannedPrompt], images: dict[str, list[GradedImage]], about: dict[str, Any]
    ) -> EvaluationResult:
        offered = (one for one in self.plugins.components() if one.kind == "extractor")
        lineages = {one.name: one.component.lineage for one in offered}
        labellers = Labellers.of([run.settings for run in self.labelled_by], lineages)
        names = {"male": "gender"}
        graders = tuple(describe_grader(part, labellers, names) for part in self.resolved.of("extractor"))
        graded = tuple(image for model, found in images.items() for image in self._grade(model, found))
        evaluation = judge_all(plan, graded, graders, tuple(images), self.vocabulary)
        measures = measure_all(evaluation)
        sentence, confusions = headline(evaluation, measures), collect_confusions(evaluation)
        write_plan(self.out / "plan.parquet", plan)
        write_images(self.out / "images.parquet", graded)
        write_judgements(self.out / "judgements.parquet", evaluation.judgements)
        write_measures(self.out / "measures.parquet", measures)
        content = {
            "headline": sentence,
            "text2face": __version__,
            "models": about or {model: {} for model in images},
            "graders": [asdict(one) for one in evaluation.graders],
            "labelled_by": [str(run.path) for run in self.labelled_by],
            "prompts": len(plan),
            "images": {model: len(found) for model, found in images.items()},
            "measures": [_plain(one) for one in measures],
            "confusions": [asdict(one) for one in confusions],
        }
        write_text(self.out / "measures.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        methods = self._methods(plan, graded, images, about)
        page = render_report(evaluation, measures, confusions, sentence, self.out.absolute().name, methods)
        write_text(self.out / "report.html", page)
        failed = sum(one.status == "failed" for one in graded)
        return EvaluationResult(self.out, sentence, measures, failed)

    def _methods(
        self,
        plan: Sequence[PlannedPrompt],
        images: Sequence[GradedImage],
        models: Iterable[str],
        about: Mapping[str, Any],
    ) -> list[tuple[str, str]]:
        """What was done, for the report."""
        identity = json.loads((self.out / SETTINGS).read_text(encoding="utf-8"))
        labelled = ", ".join(str(run.path) for run in self.labelled_by) or "not known"
        return [
            ("plan", f"{identity.get('plan') or identity.get('images')}: {len(plan):,} prompts"),
            ("images", f"{len(images):,} of {', '.join(models)}"),
            ("generation", self._generation(about) if "plan" in identity else "by another tool"),
            ("training photos labelled by", labelled),
            ("detector", self.grading.detector),
            ("intervals", "95 %; BCa bootstrap over prompts, 2,000 draws; Wilson for single shares"),
            ("tests", "exact McNemar or sign flips, paired by prompt, Holm over findings; gaps by permutation"),
            ("failures", "images without exactly one usable face and abstentions count as not seen in adherence"),
            ("version", f"text2face {__version__}"),
        ]  # fmt: skip

    def _generation(self, about: Mapping[str, Any]) -> str:
        made = next(iter(about.values()))
        return f"{made['steps']} steps, guidance {made['guidance']:g}, seed {self.generation.seed}"

    def _grade(self, model: str, images: Sequence[GradedImage]) -> list[GradedImage]:
        files = list(dict.fromkeys(Path(one.path) for one in images if one.path and Path(one.path).is_file()))
        if not files:
            return match_rows(images, {})
        folder = self.out / "graded" / model
        session = Session(
            run=RunDirectory(folder),
            plugins=self.plugins,
            models=self.store,
            progress=self.progress,
            device=self.generation.device or "cpu",
            threads=self.generation.threads,
        )
        with session.run.lock():
            session.analyse([write_list(folder.with_suffix(".txt"), files)], self.grading, redo=True)
            rows: dict[str, AnalysisRow] = {str(path_of(row.uri)): row for row, _ in session.run.rows()}
        graded = match_rows(images, rows)
        return [replace(one, sha256=file_hash(Path(one.path))) if one.path else one for one in graded]

    def _claim(self, identity: dict[str, Any]) -> None:
        """Say which plan the folder is for. Raises RunError if it holds another."""
        path = self.out / SETTINGS
        if path.is_file():
            try:
                before = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise RunError(f"{path} is damaged ({error}). Remove it, or choose another --out") from error
            if before != identity:
                changed = ", ".join(sorted(key for key in {*before, *identity} if before.get(key) != identity.get(key)))
                raise RunError(f"{self.out} holds another evaluation ({changed} differ): choose another --out")
            return
        write_text(path, json.dumps(identity, indent=1, ensure_ascii=False) + "\n")


def _split_settings(settings: Iterable[str], plugins: Plugins) -> tuple[list[str], list[str]]:
    """Settings of trainers, which generate, and all others, which grade."""
    trainers = {one.name for one in plugins.components() if one.kind == "trainer"}
    both: tuple[list[str], list[str]] = ([], [])
    for one in settings:
        both[one.partition("=")[0].strip().rpartition(".")[0] not in trainers].append(one)
    return both


def _plan_key(plan: Sequence[PlannedPrompt]) -> str:
    if not plan:
        raise NothingToDo("the plan holds no prompt")
    return fingerprint([[one.prompt_id, one.text] for one in plan])


def _model_names(models: Sequence[str]) -> list[str]:
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


def _plain(measure: Measure) -> dict[str, Any]:
    """JSON has no NaN."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in asdict(measure).items()
    }
