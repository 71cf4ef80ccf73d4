"""Prompts for language models: Jinja templates over the words of a bag.

Templates run in a sandbox: ours by name (templates/prompts), a user's own by path. A template has the variables
    f1, f2, photo      the bag's phrases by level, in the order drawn: ["34 years old", "woman"], ["bangs"], ["blurry"]
    items              the same findings in full: item.name, item.value, item.phrase, item.level
    style              "short", "long", "tags"
    missed             phrases that an earlier attempt missed; empty at first
    photo_id, number   the photo, and the index of its caption (from 0)
and may call `{{ fail("…") }}` if it does not support a request, or extend ours with `{% extends "paper.j2" %}`.

A fuser takes a template as its option `prompt: PromptTemplate = "paper"`.
"""

from __future__ import annotations

import difflib
import hashlib
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from jinja2 import FileSystemLoader, FunctionLoader, TemplateError, TemplateSyntaxError, meta, nodes
from pydantic import AfterValidator, Field, PlainSerializer

from ..errors import RecipeError
from ..utils import BoundedEnvironment, render_bounded, templates
from .english import FILTERS

if TYPE_CHECKING:
    from ..contracts import FusionRequest

LARGEST = 100_000
"""Characters of a template."""

VARIABLES = frozenset({"f1", "f2", "photo", "items", "style", "missed", "photo_id", "number"})


class Prompts:
    """A template, compiled and checked.

    template: the name of one of our templates, such as "paper", or the path of a file.
    Raises RecipeError with the file and line if the template does not exist, is not valid Jinja, or uses a variable
    that is not in VARIABLES.

    >>> Prompts("paper").name
    'paper.j2'
    """

    def __init__(self, template: str) -> None:
        own = template not in built_in()
        path = _own_file(template) if own else None
        self._jinja = BoundedEnvironment(FILTERS, trim_blocks=True, lstrip_blocks=True)
        self._jinja.globals["fail"] = _fail
        ours = FileSystemLoader(templates() / "prompts")
        self.name = str(path) if path else f"{template}.j2"

        def load(name: str) -> tuple[str, str, None]:
            if path and name == self.name:
                return _read(path), name, None
            return ours.get_source(self._jinja, name)[0], name, None

        self._jinja.loader = FunctionLoader(load)
        self._texts: dict[str, str] = {}
        try:
            self._read(self.name)
            self._template = self._jinja.get_template(self.name)
        except TemplateError as error:
            raise RecipeError(f"{self._place(error)}: {error.message}") from error
        except RecursionError as error:
            raise RecipeError(f"{self.name} is nested too deeply") from error

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the text of the template or of a template that it extends."""
        return hashlib.blake2b("\0".join(self._texts.values()).encode(), digest_size=8).hexdigest()

    def render(self, request: FusionRequest) -> str:
        """The prompt for a request. Raises RecipeError with the template and line if rendering fails."""
        bag = request.bag
        try:
            text = render_bounded(
                self._template,
                {level.lower(): [item.phrase for item in bag.at(level)] for level in ("F1", "F2", "photo")},
                items=bag.items,
                style=request.style,
                missed=[item.phrase for item in bag.items if item.name in request.missed],
                photo_id=request.photo_id,
                number=request.number,
            )
        except RecipeError as error:  # of `fail`
            raise RecipeError(f"{self._place(error)}: {error}") from error
        except Exception as error:  # a user's template may raise anything
            raise RecipeError(f"{self._place(error)}: {error}") from error
        return text.strip()

    def _read(self, name: str) -> None:
        """Read a template and those that it extends, and raise TemplateSyntaxError for undefined variables."""
        if name in self._texts or not self._jinja.loader:
            return
        self._jinja.get_template(name)
        self._texts[name] = text = self._jinja.loader.get_source(self._jinja, name)[0]
        parsed = self._jinja.parse(text, name)
        given = {
            *VARIABLES,
            *self._jinja.globals,
            *(name.name for name in parsed.find_all(nodes.Name) if name.ctx != "load"),
        }
        unknown = meta.find_undeclared_variables(parsed) - given
        for node in parsed.find_all(nodes.Name):
            if node.name in unknown:
                near = difflib.get_close_matches(node.name, VARIABLES, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(sorted(VARIABLES))}"
                raise TemplateSyntaxError(f'"{node.name}" is not defined; {hint}', node.lineno, name)
        for other in meta.find_referenced_templates(parsed):
            if other:
                self._read(other)

    def _place(self, error: Exception) -> str:
        """The template and line of an error."""
        if isinstance(error, TemplateSyntaxError):
            return f"{error.filename or error.name or self.name}, line {error.lineno}"
        frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        found = [place for place in frames if place[0] in self._texts]
        return f"{found[-1][0]}, line {found[-1][1]}" if found else self.name


def built_in() -> list[str]:
    """Names of the built-in templates."""
    return sorted(path.stem for path in (templates() / "prompts").glob("*.j2"))


def _checked(template: str) -> str:
    try:
        Prompts(template)
    except RecipeError as error:
        raise ValueError(str(error)) from error
    return template


PromptTemplate = Annotated[
    str,
    AfterValidator(_checked),
    Field(json_schema_extra={"reaches": "prompt"}),
    PlainSerializer(lambda template: f"{Path(template).name} ({Prompts(template).fingerprint})", when_used="json"),
]
"""The type of a fuser's option `prompt`. A wrong template is refused with the other options. Its JSON, which is
part of the component's identity, holds the fingerprint: captions are written again if the template's text changes.
"""


def _own_file(template: str) -> Path:
    path = Path(template).expanduser()
    if path.is_file():
        return path
    near = difflib.get_close_matches(template, built_in(), n=1)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    raise RecipeError(
        f'no prompt is called "{template}": give the path of a template file, or a name: {", ".join(built_in())}.{hint}'
    )


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LARGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read the prompt {path}: {error}") from error
    if len(text) > LARGEST:
        raise RecipeError(f"the prompt {path} is longer than {LARGEST} characters: is it a template?")
    return text


def _fail(message: str) -> NoReturn:
    """The function `fail` of templates."""
    raise RecipeError(message)
