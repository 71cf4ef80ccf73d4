"""Check and convert what plugins return, so that nothing reaches a table that it cannot hold.

Each function returns a clean copy, or raises BrokenContract with what is wrong; `Stage` records that as the failure
of that input, with the component's name.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contracts import Rejection
from ..errors import Text2FaceError
from ..records import Face, Finding, Value

LARGEST_NUMBER = 1e12
"""Largest number of a finding and coordinate of a face: sums of them must stay finite."""
LONGEST_NAME = 200
LONGEST_TEXT = 2000
MOST_RESULTS = 1000
"""Most findings, faces or texts for one input."""


class BrokenContract(Text2FaceError):
    """A component returned something that its role does not allow."""


def check_faces(faces: Any) -> tuple[Face, ...]:
    """Check a detector's faces of an image; the copies have read-only float32 arrays."""
    return tuple(_face(face) for face in _listed(faces, "faces"))


def check_rejection(rejection: Any) -> Rejection | None:
    """Check a filter's decision about a portrait."""
    if rejection is None:
        return None
    if not isinstance(rejection, Rejection):
        raise BrokenContract(f"gave {_kind(rejection)}, not a Rejection or None")
    return Rejection(_text(rejection.reason, "the reason of a rejection", LONGEST_TEXT))


def check_findings(findings: Any) -> tuple[Finding, ...]:
    """Check an extractor's findings of a portrait; the copies have plain Python values."""
    return tuple(_finding(finding) for finding in _listed(findings, "findings"))


def check_texts(texts: Any) -> list[str]:
    """Check that a fuser's results for a request are texts; whether captions are well-formed is judged elsewhere."""
    checked = _listed(texts, "texts")
    for text in checked:
        if not isinstance(text, str):
            raise BrokenContract(f"gave {_kind(text)}, not a text")
        _require_unicode(text, "a text")
    return [str(text) for text in checked]


def clean(text: str, longest: int = 500) -> str:
    r"""Make an untrusted message safe to print on a single line: escape control characters and lone surrogates, cut it.

    >>> clean("boom\x1b[31m\nred")
    'boom\\x1b[31m\\nred'
    """
    escaped = "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in {"Cc", "Cs", "Cf"} else letter
        for letter in text[: 2 * longest]
    )
    return escaped if len(escaped) <= longest else escaped[: longest - 1] + "…"


def _listed(results: Any, what: str) -> Sequence[Any]:
    if isinstance(results, str | bytes) or not isinstance(results, Sequence):
        raise BrokenContract(f"gave {_kind(results)}, not a list of {what}")
    if len(results) > MOST_RESULTS:
        raise BrokenContract(f"gave {len(results)} {what} for one input (at most {MOST_RESULTS} are allowed)")
    return results


def _face(face: Any) -> Face:
    if not isinstance(face, Face):
        raise BrokenContract(f"gave {_kind(face)}, not a Face")
    box = _coordinates(face.box, (4,), "the box of a face")
    landmarks = _coordinates(face.landmarks, (5, 2), "the landmarks of a face")
    if not (box[2] > box[0] and box[3] > box[1]):
        raise BrokenContract(f"the box of a face is empty: {box.tolist()}")
    return Face(box, landmarks, _number(face.score, "the score of a face"))


def _coordinates(given: Any, shape: tuple[int, ...], what: str) -> npt.NDArray[np.float32]:
    try:
        array = np.array(given, np.float32)
    except (TypeError, ValueError) as error:
        raise BrokenContract(f"{what} cannot be converted to numbers: {_kind(given)}") from error
    if array.shape != shape:
        raise BrokenContract(f"{what} has the shape {array.shape}, not {shape}")
    if not (np.abs(array) <= LARGEST_NUMBER).all():
        raise BrokenContract(f"{what} is not finite: {array.tolist()}")
    array.flags.writeable = False
    return array


def _finding(finding: Any) -> Finding:
    if not isinstance(finding, Finding):
        raise BrokenContract(f"gave {_kind(finding)}, not a Finding")
    name = _text(finding.name, "the name of a finding", LONGEST_NAME)
    score = _number(finding.score, f"the score of {name}")
    if not -1e-6 <= score <= 1 + 1e-6:
        raise BrokenContract(f"the score of {name} is {score:g}, not between 0 and 1")
    return replace(
        finding,
        name=name,
        value=_value(finding.value, name),
        score=min(max(score, 0.0), 1.0),
        source=_text(finding.source, f"the source of {name}", LONGEST_NAME) if finding.source else "",
        detail=_detail(finding.detail, name),
    )


def _value(value: Any, name: str) -> Value:
    plain = _plain(value)
    if isinstance(plain, bool):
        return plain
    if isinstance(plain, str):
        return _text(plain, f"the value of {name}", LONGEST_TEXT)
    number = _number(plain, f"the value of {name}")
    return int(plain) if isinstance(plain, int) else number


def _detail(detail: Any, name: str) -> dict[str, float] | None:
    if detail is None:
        return None
    if not isinstance(detail, Mapping) or len(detail) > MOST_RESULTS:
        raise BrokenContract(f"the detail of {name} is {_kind(detail)}, not a mapping of names to numbers")
    what = f"the detail of {name}"
    return {_text(key, what, LONGEST_NAME): _number(figure, what) for key, figure in detail.items()}


def _plain(value: Any) -> Any:
    """Convert NumPy scalars and zero-dimensional arrays to Python values."""
    return value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value


def _number(number: Any, what: str) -> float:
    plain = _plain(number)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise BrokenContract(f"{what} is {_kind(number)}, not a number")
    if not abs(plain) <= LARGEST_NUMBER:
        shown = "too large" if isinstance(plain, int) or math.isfinite(plain) else str(plain)
        raise BrokenContract(f"{what} is {shown}, not a number up to {LARGEST_NUMBER:g}")
    return float(plain)


def _text(text: Any, what: str, longest: int) -> str:
    plain = _plain(text)
    if not isinstance(plain, str) or not plain.strip():
        raise BrokenContract(f"{what} is {_kind(text) if plain != '' else 'empty'}, not a text")
    if len(plain) > longest:
        raise BrokenContract(f"{what} has {len(plain)} characters (at most {longest} are allowed)")
    _require_unicode(plain, what)
    if any(unicodedata.category(letter) == "Cc" for letter in plain):
        raise BrokenContract(f"{what} holds control characters: {clean(plain, 80)}")
    return str(plain)


def _require_unicode(text: str, what: str) -> None:
    if any(unicodedata.category(letter) == "Cs" for letter in text):
        raise BrokenContract(f"{what} is not valid Unicode: {clean(text, 80)}")


def _kind(thing: Any) -> str:
    """Return the name of a value's type, with its article."""
    name = type(thing).__name__
    return "None" if thing is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
