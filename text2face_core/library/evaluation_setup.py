"""What an evaluation works with: plugins, recipe, graders, metrics and the runs that labelled the training photos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ..contracts import Progress, Runtime
from ..errors import ArtifactError, LicenceRefused, MissingExtra, RecipeError, UsageError
from ..evaluation import Grader, Labellers, describe_grader, grading_recipe
from ..language import Vocabulary
from ..metrics import Embedder, Metric
from ..models import ModelStore
from ..plugins import Plugins, Registered, require
from ..recipe import Recipe, Resolved
from ..run import RunDirectory
from ..trust import require_trust
from ..utils import explain_validation
from .images import GenerationSettings
from .session import Silent, override


@dataclass(frozen=True, slots=True)
class Measurer:
    """A metric or an embedder with its options."""

    registered: Registered
    options: BaseModel

    def build(self, plugins: Plugins, runtime: Runtime) -> Metric | Embedder:
        """Build it."""
        built: Metric | Embedder = plugins.build(self.registered, self.options, runtime)
        return built

    @property
    def key(self) -> str:
        """Everything that its results depend on."""
        files = {one.name: one.sha256 or "" for one in self.registered.component.files(self.options)}
        return f"{self.registered.name} {self.options.model_dump_json()} {files}"


class Setup:
    """Plugins, recipe, graders and metrics of an evaluation.

    Attributes:
        out: The evaluation's folder.
        plugins: The plugins that may be used.
        store: Where model files come from.
        generation: How images are generated.
        recipe: The recipe with all settings.
        grading: The recipe that grades.
        resolved: Its components.
        measurers: Metrics and embedders that were asked for.
        labelled_by: Runs whose models labelled the training photos.
        named_graders: Graders that the user named.
    """

    def __init__(
        self,
        out: Path,
        generation: GenerationSettings,
        recipe: str | Path | Recipe,
        graders: str | Sequence[str],
        metrics: str | Sequence[str],
        settings: Iterable[str],
        labelled_by: Sequence[str | Path],
        *,
        trust: bool,
    ) -> None:
        self.out = out
        self.progress: Progress = generation.progress or Silent()
        self.plugins = generation.available or Plugins.load()
        self.store = generation.models or ModelStore(offline=generation.offline, say=self.progress.say)
        written = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
        of_trainers, of_others = _split_settings(settings, self.plugins)
        self.generation = replace(generation, available=self.plugins, models=self.store, settings=of_trainers)
        graded = written.with_settings(written.evaluation.settings)
        self.recipe = override(graded, self.plugins, settings=of_others)
        if not isinstance(recipe, Recipe) and (where := Recipe.file_of(recipe)):
            require_trust(graded, self.recipe, self.plugins, where, trust=trust)
        self.named_graders = self._named(graders, "extractor", "only extractors grade")
        self.grading = grading_recipe(self.recipe, self.named_graders or self._available_graders())
        self.resolved: Resolved = self.grading.resolve(self.plugins)
        self.measurers = self._measurers(
            self._named(metrics, "metric", "see t2f plugins list --kind metric") or self.recipe.evaluation.metrics
        )
        self.labelled_by = [RunDirectory.open(Path(one)) for one in labelled_by]

    @property
    def vocabulary(self) -> Vocabulary:
        """Words for findings, those of the graders included."""
        return self.resolved.vocabulary

    @property
    def runtime(self) -> Runtime:
        """Where metrics compute."""
        return Runtime(
            self.store,
            device=self.generation.device or "cpu",
            threads=self.generation.threads or 1,
            vocabulary=self.vocabulary,
        )

    def describe_graders(self) -> tuple[Grader, ...]:
        """The graders: independent of the labellers or not, and what they share with them."""
        offered = (one for one in self.plugins.components() if one.kind == "extractor")
        lineages = {one.name: one.component.lineage for one in offered}
        labellers = Labellers.of([run.settings for run in self.labelled_by], lineages)
        return tuple(describe_grader(part, labellers, {"male": "gender"}) for part in self.resolved.of("extractor"))

    def describe_graders_of(self, run: RunDirectory) -> tuple[Grader, ...]:
        """The extractors of a run, as far as they are installed."""
        parts = [one for one in run.settings.get("plugin", ()) if one.get("kind") == "extractor"]
        names = [one["name"] for one in parts if self._is_extractor(one["name"])]
        labellers = Labellers.of([run.settings], {})
        resolved = grading_recipe(self.recipe, names).resolve(self.plugins)
        return tuple(describe_grader(part, labellers, {"male": "gender"}) for part in resolved.of("extractor"))

    def _is_extractor(self, name: str) -> bool:
        return any(one.name == name and one.kind == "extractor" for one in self.plugins.components())

    def _named(self, given: str | Sequence[str], role: str, hint: str) -> tuple[str, ...]:
        """The components of a role that plugins' names stand for."""
        names = [one.strip() for one in given.split(",")] if isinstance(given, str) else list(given)
        names = [name for name in names if name]
        offered: Any = self.plugins.chosen(names)
        if names and role not in offered:
            raise UsageError(f"{', '.join(names)} offer no {role}; {hint}")
        return tuple(offered.get(role, ()))

    def _available_graders(self) -> tuple[str, ...]:
        """The recipe's graders without those that cannot be had here, each of which is a message."""
        found = []
        for name in self.recipe.evaluation.graders:
            alone = grading_recipe(self.recipe, [name]).resolve(self.plugins)
            try:
                require(alone, self.store)
                for artifact in alone.artifacts().values():
                    self.store.path(artifact)
            except (ArtifactError, LicenceRefused, MissingExtra) as error:
                self.progress.say(f"grading without {name}: {error}")
            else:
                found.append(name)
        return tuple(found)

    def _measurers(self, names: Sequence[str]) -> list[Measurer]:
        found = [self.plugins.component(name, "metric") for name in dict.fromkeys(names)]
        return [Measurer(one, self._options(one)) for one in found]

    def _options(self, registered: Registered) -> BaseModel:
        model = registered.component.options
        try:
            found: BaseModel = model.model_validate(self.recipe.plugins.get(registered.name, {}))
        except ValidationError as error:
            raise RecipeError(f"{registered.name}: {explain_validation(error, model)}") from error
        return found


def _split_settings(settings: Iterable[str], plugins: Plugins) -> tuple[list[str], list[str]]:
    """Settings of trainers, which generate, and all others, which grade."""
    trainers = {one.name for one in plugins.components() if one.kind == "trainer"}
    both: tuple[list[str], list[str]] = ([], [])
    for one in settings:
        both[one.partition("=")[0].strip().rpartition(".")[0] not in trainers].append(one)
    return both
