"""The errors of graders that an audit counted."""

from __future__ import annotations

from pathlib import Path

from ..errors import SourceError
from ..evaluation import CountedError, GraderError
from ..utils import parse_json

ERRORS = "errors.json"


def read_errors(place: Path) -> list[CountedError]:
    """What an audit counted: its folder, or its errors.json. Raises SourceError if it cannot be read."""
    path = place / ERRORS if place.is_dir() else place
    try:
        rows = parse_json(path.read_text(encoding="utf-8"))
        return [CountedError(**{**row, "error": GraderError(**row["error"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SourceError(
            f"{path} does not hold the errors of graders ({error}): t2f evaluate --photos … --truth … --out {place} "
            "writes them"
        ) from error
