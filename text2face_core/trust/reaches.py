"""What a recipe makes text2face reach: servers, files, environment variables, models by name, outside plugins.

An option says that it reaches out by a marker in its field, plain data that needs no import of ours:

    base_url: str = Field("", json_schema_extra={"reaches": "server"})
    key_env: str = Field("MINE_API_KEY", json_schema_extra={"reaches": "variable", "allowed": ["MINE_API_KEY"]})
    cache: str = Field("", json_schema_extra={"reaches": "file", "except": ["off"]})
    layer: str = Field("", json_schema_extra={"reaches": "nothing"})

kinds: "server", "file" (a folder too), "variable", "model" (a hub id or a folder), "prompt" (the name of a built-in
template, which reaches nothing, or a file), "nothing". An option without a marker is judged by its type, its name and
its value: everything that is, or could be, an address or a path counts. So a plugin that knows nothing of markers is
covered as well, and a marker is needed only to be more exact.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from ..utils import templates

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ..plugins import Plugins
    from ..recipe import Recipe

Kind = Literal["server", "file", "variable", "model", "plugin"]

KEYS = ("*_API_KEY",)
"""Variables that an option may name when its plugin does not say which: those that are keys by their name."""

_NAMES: Mapping[Kind, frozenset[str]] = {
    "server": frozenset(["url", "uri", "server", "host", "endpoint", "address", "proxy", "hub", "webhook"]),
    "variable": frozenset({"env", "variable"}),
    "file": frozenset(
        ["path", "file", "folder", "dir", "directory", "weight", "checkpoint", "cache", "template", "socket"]
    ),
}
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ROOTED = re.compile(r"[/\\~]|\.{1,2}[/\\]|[A-Za-z]:[/\\]")
_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)+(@\w+)?")


@dataclass(frozen=True, slots=True, order=True)
class Reach:
    """One thing that a component would reach.

    option: the option that names it, dotted if it is nested; empty if it is the plugin itself.
    value: a file as its absolute path, anything else as it was written.
    forbidden: a variable that the plugin does not list as a variable with a key; it is never read for a file's sake.
    """

    component: str
    option: str
    kind: Kind
    value: str
    forbidden: bool = False

    @property
    def name(self) -> str:
        """The option as --set takes it."""
        return f"{self.component}.{self.option}" if self.option else self.component


def find_reaches(recipe: Recipe, plugins: Plugins, *, may_import: Collection[Reach] | None = None) -> frozenset[Reach]:
    """Everything outside of text2face that the recipe's components would reach with its options.

    A value that is the option's default does not count: the plugin's author chose it.

    Args:
        recipe: The recipe, not yet resolved: resolving reads what options name.
        plugins: The plugins of this process.
        may_import: Outside plugins that may be imported to read their markers; None for all. Of any other, only names
            and values are judged, and nothing of it is executed.
    """
    found: set[Reach] = set()
    for source in recipe.sources:
        found |= set(_of_value("sources", "place", "place", source.place, None))
    components: list[tuple[Any, str]] = [*recipe.components()]
    components += [("source", name) for name in recipe.plugins if _is_source(name, plugins)]
    if recipe.trainer:
        components.append(("trainer", recipe.trainer))
    components += [("extractor", name) for name in recipe.evaluation.graders]
    components += [("metric", name) for name in recipe.evaluation.metrics]
    for role, name in components:
        given = recipe.plugins.get(name, {})
        origin = plugins.origin(name)
        model: type[BaseModel] | None = None
        if origin is not None:
            itself = Reach(name.partition(".")[0], "", "plugin", f"{origin.name} of {origin.distribution}")
            if origin.outside:
                found.add(itself)
            if not origin.outside or may_import is None or itself in may_import:
                model = plugins.component(name, role).component.options
        found |= _of_options(name, "", given, model)
    return frozenset(found)


def _is_source(name: str, plugins: Plugins) -> bool:
    return any(one.kind == "source" and one.name == name for one in plugins.known_components())


def _of_options(component: str, place: str, given: Mapping[str, Any], model: type[BaseModel] | None) -> set[Reach]:
    fields = model.model_fields if model else {}
    found: set[Reach] = set()
    for option, value in given.items():
        field = fields.get(option)
        if field is not None and not field.is_required() and value == field.get_default(call_default_factory=True):
            continue
        found |= set(_of_value(component, f"{place}{option}", option, value, field))
    if any(reach.kind == "server" for reach in found):  # the key that is sent there belongs to the picture
        for option, field in fields.items():
            if _marker(field).get("reaches") == "variable" and option not in given and isinstance(field.default, str):
                found |= set(_of_value(component, f"{place}{option}", option, field.default, field))
    return found


def _of_value(component: str, place: str, option: str, value: Any, field: FieldInfo | None) -> Iterator[Reach]:
    annotation = field.annotation if field else None
    if isinstance(value, Mapping):
        nested = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
        yield from _of_options(component, f"{place}.", value, nested)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _of_value(component, place, option, one, field)
    elif isinstance(value, str | PurePath) and str(value):
        marker = _marker(field)
        kind = marker.get("reaches") or _guess(option, str(value), annotation)
        if kind is None or kind == "nothing" or value in marker.get("except", ()):
            return
        if kind == "prompt":
            if re.fullmatch(r"[\w-]+", str(value)) and (templates() / "prompts" / f"{value}.j2").is_file():
                return
            kind = "file"
        text = str(value)
        if kind == "file" or (kind == "model" and _exists(text)):
            text = _absolute(text)
        allowed = marker.get("allowed", KEYS)
        forbidden = kind == "variable" and not any(fnmatchcase(text, pattern) for pattern in allowed)
        yield Reach(component, place, kind, text, forbidden)


def _exists(value: str) -> bool:
    try:
        return Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, NUL, an unknown ~user
        return False


def _absolute(value: str) -> str:
    try:
        return str(Path(value).expanduser().absolute())
    except RuntimeError:
        return value


def _marker(field: FieldInfo | None) -> Mapping[str, Any]:
    extra = field.json_schema_extra if field else None
    return extra if isinstance(extra, Mapping) else {}


def _guess(option: str, value: str, annotation: Any) -> Kind | None:
    """What an option without a marker reaches, by its type, its name and its value."""
    types = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
    if get_origin(annotation) is Literal or any(issubclass(one, enum.Enum) for one in types):
        return None  # one of the plugin's own words, or refused as soon as it is checked
    if any(issubclass(one, PurePath) for one in types):
        return "file"
    if any("Url" in one.__name__ for one in types) or _ADDRESS.match(value):
        return "server"
    words = option.lower().split("_")
    named = (
        kind for kind, names in _NAMES.items() if names.intersection([*words, *(one.rstrip("s") for one in words)])
    )
    return next(named, None) or _guess_by_value(value)


def _guess_by_value(value: str) -> Kind | None:
    if _ROOTED.match(value) or _exists(value):
        return "file"
    if _HUB_ID.fullmatch(value):
        return "model"
    return "file" if re.fullmatch(r"\S*[/\\]\S*", value) else None
