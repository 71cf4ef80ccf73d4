"""What was probably meant: names that are close, and pydantic's errors in words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from pydantic import ValidationError


def explain_validation(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Describe pydantic's errors on a single line; an unknown name comes with the closest known name."""
    found = []
    for one in error.errors():
        place = ".".join(map(str, one["loc"]))
        what = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            what = "there is no such setting." + did_you_mean(str(one["loc"][-1]), _fields(model, one["loc"][:-1]))
            what = what.removesuffix(".")
        found.append(f"{place}: {what}" if place else what)
    return "; ".join(found)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean …?" with the closest known name, or "" if none is close.

    >>> did_you_mean("scroe", ["score", "size"])
    ' Did you mean "score"?'
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f' Did you mean "{near[0]}"?' if near else ""


def _fields(model: type[BaseModel] | None, place: Sequence[int | str]) -> list[str]:
    """List the fields at a location inside a model."""
    for name in place:
        field = model.model_fields.get(str(name)) if model else None
        annotation = field.annotation if field else None
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    return list(model.model_fields) if model else []
