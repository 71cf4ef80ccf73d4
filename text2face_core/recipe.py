"""Recipes: which plugins run and with what options, from a TOML file and the overrides of a command line."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, ValidationError

from .contracts import Options, Role
from .dataset import DatasetSettings
from .errors import PluginError, RecipeError
from .language import BagSettings, check_names
from .sections import EFFORT, SECTIONS, WORDING, CaptionSettings, EvaluationSettings, FaceRule, PhotoRule, SourceRule
from .utils import did_you_mean, explain_validation, fingerprint, parse_toml, templates

if TYPE_CHECKING:
    from .language import Vocabulary
    from .models import Artifact
    from .plugins import Plugins, Registered

SETS: tuple[Role, ...] = ("filter", "extractor")
"""Roles of which a run may have several components."""


class Recipe(Options):
    """A recipe as written, after overrides.

    Example:
        >>> Recipe.load("starter").detector
    'yunet'
    """

    name: str = "unnamed"
    summary: str = ""
    seed: int = 0
    detector: str
    filters: tuple[str, ...] = ()
    extractors: tuple[str, ...] = ()
    fuser: str
    trainer: str | None = None
    photos: PhotoRule = PhotoRule()
    faces: FaceRule = FaceRule()
    captions: CaptionSettings = CaptionSettings()
    bag: BagSettings = BagSettings()
    dataset: DatasetSettings = DatasetSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    plugins: dict[str, dict[str, Any]] = Field({}, description="options by component")
    sources: tuple[SourceRule, ...] = Field((), description="places with photos, each with its own rules")

    @classmethod
    def load(cls, name: str | Path) -> Recipe:
        """Load a recipe that ships with text2face by its name, or any TOML file by its path.

        Raises:
            RecipeError: A key is wrong, or the recipe does not exist; the message names the key or lists the recipes.
        """
        path = cls.file_of(name) or templates() / "recipes" / f"{name}.toml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in (templates() / "recipes").glob("*.toml")))
            raise RecipeError(f'there is no recipe "{name}": give the path of a TOML file, or one of: {known}')
        try:
            data = parse_toml(path.read_bytes())
        except (OSError, ValueError) as error:
            raise RecipeError(f"{path} cannot be read as TOML: {error}") from error
        return cls.parse({"name": path.stem, **data}, str(path))

    @staticmethod
    def file_of(name: str | Path) -> Path | None:
        """Return the file that a recipe's name refers to; None for a recipe that ships with text2face.

        Shipped recipes come first, so that a file called "starter" in the working folder does not replace the shipped
        recipe.
        """
        if re.fullmatch(r"[\w-]+", str(name)) and (templates() / "recipes" / f"{name}.toml").is_file():
            return None
        return Path(name) if Path(name).is_file() else None

    @classmethod
    def parse(cls, data: Mapping[str, Any], where: str) -> Recipe:
        """Validate plain data as a recipe; error messages name `where` it came from."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise RecipeError(f"{where}: {explain_validation(error, cls)}. All settings: t2f settings") from error

    def with_plugins(self, plugins: Plugins, names: Sequence[str]) -> Recipe:
        """Return the recipe with the plugins that `--plugins` names.

        A run has a single detector, fuser and trainer: a named plugin replaces the recipe's. Filters and extractors
        form sets: the plugins named for such a role become the set, in that order; "+name" adds to the set and "-name"
        removes from it. Roles that are not named stay unchanged. Options of replaced plugins are removed.

        Raises:
            PluginError: A name is unknown, or "-name" is not in the set.
        """
        changed: dict[str, Any] = {}
        for role, components in plugins.chosen([name for name in names if name[:1] not in {"+", "-"}]).items():
            if role in SETS:
                changed[f"{role}s"] = tuple(components)
            elif role not in {"source", "renderer"}:  # chosen by the address of photos, and by t2f faces
                changed[role] = components[0]
        for name in names:
            if name[:1] in {"+", "-"}:
                self._add_or_remove(plugins, name, changed)
        return self.model_copy(update=changed)._without_options_of_removed(self)

    def _add_or_remove(self, plugins: Plugins, signed: str, changed: dict[str, Any]) -> None:
        sign, name = signed[0], signed[1:].strip()
        offered = plugins.chosen([name])
        before: dict[Role, tuple[str, ...]] = {
            role: changed.get(f"{role}s", getattr(self, f"{role}s")) for role in offered if role in SETS
        }
        if not before:
            raise PluginError(f"{signed}: a run has a single {next(iter(offered))}: name it without {sign}")
        if sign == "-" and not any(one in names for role, names in before.items() for one in offered[role]):
            sets = " and ".join(f"the {role}s are {', '.join(names) or 'none'}" for role, names in before.items())
            raise PluginError(f'{signed}: "{name}" is not part of the run: {sets}')
        for role, names in before.items():
            if sign == "+":
                changed[f"{role}s"] = tuple(dict.fromkeys([*names, *offered[role]]))
            else:
                changed[f"{role}s"] = tuple(one for one in names if one not in offered[role])

    def changes(self, before: Recipe, plugins: Plugins) -> list[str]:
        """Describe for the user how the filters and extractors differ from `before`, a line per change.

        Findings that no extractor observes any longer are listed.
        """
        lines = []
        for role in SETS:
            now, then = getattr(self, f"{role}s"), getattr(before, f"{role}s")
            if now != then:
                lines.append(f"{role}s: {', '.join(now) or 'none'} (the recipe has {', '.join(then) or 'none'})")
        observed, earlier = (_provided(recipe.extractors, plugins) for recipe in (self, before))
        if gone := [name for name in earlier if name not in observed]:
            lines.append(f"no longer observed: {', '.join(gone)}; +NAME in --plugins adds to the set instead")
        return lines

    def with_settings(self, settings: Iterable[str]) -> Recipe:
        """Return the recipe with settings such as "yunet.score=0.7", "captions.per_photo=2", "seed=1" or "filters=[]".

        A list of filters or extractors replaces the recipe's; options of the removed components are removed too.
        """
        data = self.model_dump()
        for setting in settings:
            key, equals, text = setting.partition("=")
            section, dot, option = key.strip().rpartition(".")
            if not equals or (not dot and option not in {"seed", "filters", "extractors"}):
                raise RecipeError(
                    f'"{setting}" is not a setting: write plugin.option=value, for example yunet.score=0.7, or seed=1, '
                    'filters=[] or extractors=["photo"]'
                )
            if section.partition(".")[0] in SECTIONS:
                place = functools.reduce(lambda found, part: found.setdefault(part, {}), section.split("."), data)
            else:
                place = data["plugins"].setdefault(section, {}) if dot else data
            place[option] = _value(text.strip())
        return self.parse(data, "settings")._without_options_of_removed(self)

    def _without_options_of_removed(self, before: Recipe) -> Recipe:
        """Return the recipe without options for components that `before` had and it lacks."""
        gone = {name for _, name in before.components()} - {name for _, name in self.components()}
        options = {name: options for name, options in self.plugins.items() if name not in gone}
        return self.model_copy(update={"plugins": options})

    def with_sources(self, places: Sequence[str], plugins: Plugins) -> Recipe:
        """Return the recipe with what the sources of these places declare about faces, where it says nothing itself."""
        known, usual = {one.place for one in self.sources}, FaceRule()
        declared = {
            scheme: one.component.faces
            for one in plugins.known_components()
            if one.kind == "source" and one.component.faces
            for scheme in one.component.provides
        }
        added = []
        for place in places:
            rules = declared.get(place.partition(":")[0], {})
            given = {name: value for name, value in rules.items() if getattr(self.faces, name) == getattr(usual, name)}
            if given and place not in known:
                added.append(SourceRule(place=place, faces=given))
        return self.model_copy(update={"sources": (*self.sources, *added)}) if added else self

    def faces_of(self, uri: str) -> FaceRule:
        """Return the rules for the faces of a photo: those of the source that it comes from."""
        for source in self.sources:
            if source.faces and uri.startswith(source.prefix):
                return self.faces.model_copy(update=source.faces)
        return self.faces

    def components(self) -> list[tuple[Role, str]]:
        """List role and name of each component of a run, in the order of work; the fallback is a second fuser."""
        named: list[tuple[Role, str]] = [("detector", self.detector)]
        named += [("filter", name) for name in self.filters]
        named += [("extractor", name) for name in self.extractors]
        fusers = dict.fromkeys(name for name in (self.fuser, self.captions.fallback) if name)
        return [*named, *(("fuser", name) for name in fusers)]

    def resolve(self, plugins: Plugins, *, without: Collection[str] = ()) -> Resolved:
        """Find every component, but for those `without` which it should be done, and check its options.

        Raises:
            PluginError: A component is unknown.
            RecipeError: An option is wrong, or its plugin is not part of the run.
        """
        from .language import Vocabulary

        parts = []
        for kind, name in self.components():
            if name in without:
                continue
            registered = plugins.component(name, kind)
            model = registered.component.options
            try:
                options = model.model_validate(self.plugins.get(name, {}))
            except ValidationError as error:
                known = ", ".join(model.model_fields) or "none"
                raise RecipeError(f"{name}: {explain_validation(error, model)} (options of {name}: {known})") from error
            parts.append(Part(registered, options))
        names = [part.registered.name for part in parts]
        # chosen by addresses of photos; no outside plugin is imported to find out
        sources = [one.name for one in plugins.known_components() if one.kind == "source"] if self.plugins else []
        for section in self.plugins:
            if section not in {
                *names,
                *without,
                self.trainer,
                *self.evaluation.graders,
                *self.evaluation.metrics,
                *sources,
            }:
                hint = did_you_mean(section, [*SECTIONS, *names])
                raise RecipeError(
                    f'options are given for "{section}", which is not part of this run: {", ".join(names)}.{hint}'
                )
        vocabulary = Vocabulary.load(plugins.vocabularies(names))
        check_names(self.bag, vocabulary)
        return Resolved(self, tuple(parts), vocabulary)


@dataclass(frozen=True, slots=True)
class Part:
    """A component of a run with its checked options."""

    registered: Registered
    options: BaseModel

    @property
    def kind(self) -> Role:
        """The component's role."""
        return self.registered.kind

    def identity(self) -> dict[str, Any]:
        """Return everything about the component that affects results, as plain data."""
        component = self.registered.component
        return {
            "name": component.name,
            "distribution": self.registered.plugin.distribution,
            "options": self.options.model_dump(mode="json", exclude_none=True),
            "artifacts": {artifact.name: artifact.sha256 or "" for artifact in component.files(self.options)},
        }


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipe with its components found and their options checked."""

    recipe: Recipe
    parts: tuple[Part, ...]
    vocabulary: Vocabulary

    def of(self, kind: Role) -> tuple[Part, ...]:
        """Return the parts of a role, in order."""
        return tuple(part for part in self.parts if part.kind == kind)

    def artifacts(self) -> dict[str, Artifact]:
        """Return the model files that the run needs, by name."""
        from .language import MERGES

        needed = [artifact for part in self.parts for artifact in part.registered.component.files(part.options)]
        if self.recipe.captions.max_tokens:
            needed.append(MERGES)
        return {artifact.name: artifact for artifact in needed}

    def analysis_key(self) -> str:
        """Return a fingerprint of everything that affects the analysis."""
        recipe = self.recipe
        rules = [recipe.photos.model_dump(mode="json", exclude=set(EFFORT)), recipe.faces.model_dump(mode="json")]
        rules.append(recipe.dataset.analysis_rules())
        if own := [[one.place, one.faces] for one in recipe.sources if one.faces]:
            rules.append({"sources": own})
        return fingerprint([rules, [part.identity() for part in self.parts if part.kind != "fuser"]])

    def captions_key(self) -> str:
        """Return a fingerprint of everything that affects captions, given the analysis."""
        recipe = self.recipe
        rules = [recipe.captions.model_dump(mode="json", exclude=set(WORDING)), recipe.bag.model_dump(mode="json")]
        words = self.vocabulary.fingerprint
        return fingerprint([recipe.seed, rules, words, [part.identity() for part in self.of("fuser")]])


def _provided(extractors: Sequence[str], plugins: Plugins) -> list[str]:
    """List the findings that extractors can yield, each once."""
    provided = [name for one in extractors for name in plugins.component(one, "extractor").component.provides]
    return list(dict.fromkeys(provided))


def _value(text: str) -> Any:
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text
