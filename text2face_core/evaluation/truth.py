"""Labelled photos: what is true of each, from a file that people already have."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..language.fidelity import observed_keys
from ..records import Finding
from ..utils import parse_json

if TYPE_CHECKING:
    from ..language import Vocabulary

NAMES = ("file", "file_name", "filename", "image", "image_id", "path")
"""Columns of a table that may hold the photo's name; else the first column does."""
ALIASES = {"race": "ethnicity", "sex": "gender"}
VALUES = {
    ("ethnicity", "latino"): "latino_hispanic", ("ethnicity", "hispanic"): "latino_hispanic",
    ("ethnicity", "east_asian"): "asian", ("ethnicity", "southeast_asian"): "asian",
    ("gender", "f"): "female", ("gender", "m"): "male", ("gender", "woman"): "female", ("gender", "man"): "male",
}  # fmt: skip
YES, NO = {"true", "yes", "1"}, {"false", "no", "0", "-1"}


class Truth:
    """What is true of a photo.

    Attributes:
        values: The value of each labelled finding, as text: "female", "true"; ages are left out.
        age: In years; None if it is not labelled.
    """

    def __init__(self, values: Mapping[str, str], age: float | None) -> None:
        self.values = dict(values)
        self.age = age


def read_truth(path: Path, vocabulary: Vocabulary) -> dict[str, Truth]:
    """Read labels by the photo's file name.

    JSON: {"a.jpg": {"age": 31, "gender": "female", "eyeglasses": true}}; JSON lines or CSV: a row per photo, with a
    column such as "file". CelebA's names ("Male", "Eyeglasses", 1 and -1) and "race" are understood; what is neither in
    the vocabulary nor an age is left out.

    Raises SourceError if the file cannot be read or labels nothing.
    """
    try:
        rows = dict(_rows(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read as labels: {error!r}") from error
    found = {name: _truth_of(row, vocabulary) for name, row in rows.items()}
    if not any(one.values or one.age is not None for one in found.values()):
        raise SourceError(
            f'{path} labels nothing: wanted for example {{"a.jpg": {{"age": 31, "gender": "female"}}}}, or a CSV file '
            "with the columns file, age, gender"
        )
    return found


def truth_of(findings: Iterable[Finding], vocabulary: Vocabulary) -> Truth:
    """Labels that a run's source knew, as findings."""
    row = {one.name: one.value for one in findings}
    return _truth_of(row, vocabulary)


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() in {".csv", ".tsv", ".txt"}:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        for row in csv.DictReader(io.StringIO(text), delimiter=delimiter):
            yield _named(row)
    elif path.suffix.lower() == ".jsonl":
        for line in text.splitlines():
            if line.strip():
                yield _named(parse_json(line))
    else:
        for name, row in parse_json(text).items():
            yield Path(name).name, row


def _named(row: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    column = next((one for one in NAMES if one in row), next(iter(row)))
    return Path(str(row[column])).name, {key: value for key, value in row.items() if key != column}


def _truth_of(row: Mapping[str, Any], vocabulary: Vocabulary) -> Truth:
    values: dict[str, str] = {}
    age = None
    for key, value in row.items():
        name = re.sub(r"[^a-z0-9]+", "_", str(key).lower()).strip("_")
        name = ALIASES.get(name, name)
        if name == "age":
            age = _number(value)
        elif (finding := _finding(name, value, vocabulary)) and (seen := observed_keys(finding, vocabulary)):
            values[seen[0]] = seen[1]
    return Truth(values, age)


def _finding(name: str, value: Any, vocabulary: Vocabulary) -> Finding | None:
    if name not in vocabulary.findings and name != "male":
        return None
    text = re.sub(r"[^a-z0-9-]+", "_", str(value).lower()).strip("_")
    entry = vocabulary.findings.get(name)
    boolean = entry is None or entry.key(True) is not None
    if boolean and text in YES | NO:
        return Finding(name, text in YES, 1.0)
    text = VALUES.get((name, text), text)
    return Finding(name, text, 1.0) if entry is not None and entry.key(text) is not None else None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
