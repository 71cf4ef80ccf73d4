"""Options of plugins and settings of recipes in plain words: type, default, limits, meaning."""

from __future__ import annotations

import json
import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..contracts import Component

_SYMBOLS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}", "multiple_of": "a multiple of {}"}
_LENGTHS = {"min_length": "at least {} long", "max_length": "at most {} long", "pattern": "matches {}"}
_PLAIN = {
    "int": "whole number",
    "float": "number",
    "str": "text",
    "bool": "true or false",
    "NoneType": "none",
    "Path": "path",
    "Any": "any value",
}


def describe_options(of: Component | type[BaseModel]) -> list[dict[str, Any]]:
    """Name, type, default, constraints and description of each option, as plain data that JSON can hold."""
    model: Any = getattr(of, "options", of)
    return [
        {
            "name": name,
            "type": plain_type(field.annotation),
            "required": field.is_required(),
            "default": None if field.is_required() else _plain(field.get_default(call_default_factory=True)),
            "constraints": _constraints(field.annotation, field.metadata),
            "description": field.description or "",
        }
        for name, field in model.model_fields.items()
    ]


def plain_type(annotation: Any) -> str:
    """A type in words that need no Python.

    >>> plain_type(int), plain_type(float | None), plain_type(tuple[str, ...]), plain_type(dict[str, float])
    ('whole number', 'number or none', 'list of text', 'table of number by text')
    """
    if choices := _choices(annotation):
        return " or ".join(dict.fromkeys(plain_type(type(choice)) for choice in choices))
    origin, inner = get_origin(annotation), [one for one in get_args(annotation) if one is not Ellipsis]
    if origin is Annotated:
        return plain_type(inner[0])
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(map(plain_type, inner)))
    if origin is not None and issubclass(origin, dict) and len(inner) == 2:
        return f"table of {plain_type(inner[1])} by {plain_type(inner[0])}"
    if origin is not None and inner:
        return f"list of {' and '.join(dict.fromkeys(map(plain_type, inner)))}"
    name = getattr(annotation, "__name__", str(annotation))
    return _PLAIN.get(name, "table" if hasattr(annotation, "model_fields") else name)


def shown_default(value: Any) -> str:
    """A default as `--set` takes it; "none" for nothing."""
    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=str)


def _choices(annotation: Any) -> tuple[Any, ...]:
    from enum import Enum

    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(member.value for member in annotation)
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _constraints(annotation: Any, metadata: list[Any]) -> list[str]:
    words = [f"one of {', '.join(map(str, choices))}"] if (choices := _choices(annotation)) else []
    if get_origin(annotation) in {Union, types.UnionType}:
        for part in get_args(annotation):
            if get_origin(part) is Annotated:
                words += _constraints(part, list(part.__metadata__))
            elif choices := _choices(part):
                words.append(f"or {', '.join(map(str, choices))}")
    for limit in metadata:
        for attribute, form in (_SYMBOLS | _LENGTHS).items():
            if (value := getattr(limit, attribute, None)) is not None:
                words.append(form.format(value))
        if inner := getattr(limit, "metadata", None):  # a Field inside of Annotated
            words += _constraints(None, list(inner))
    return words
