"""What the report's page shows of one photo."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from .records import AnalysisRow, Bag, Caption, CaptionRow, Face, Finding
from .sources import path_of
from .stats import value_in_words
from .thumbnails import Thumbnail

_EMPTY_WORDS = frozenset(
    (
        "a",
        "an",
        "and",
        "has",
        "have",
        "her",
        "his",
        "in",
        "is",
        "of",
        "old",
        "on",
        "the",
        "their",
        "wearing",
        "with",
        "years",
    )
)
_TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Marks:
    """Box and landmarks in the coordinates of a square thumbnail, 0 to 100."""

    box: tuple[float, float, float, float]
    """x, y, width, height"""
    points: tuple[tuple[float, float], ...]
    radius: float


@dataclass(frozen=True, slots=True)
class Row:
    """A finding as a line of the card: `score` 0 to 1; `hint` says who saw it, and the model's further figures."""

    name: str
    value: str
    score: float
    hint: str


@dataclass(frozen=True, slots=True)
class Said:
    """A caption as pieces of text, each with the finding that it puts into words ("" for what lies between)."""

    pieces: tuple[tuple[str, str], ...]
    caption: Caption


@dataclass(frozen=True, slots=True)
class Card:
    """One photo: what became of it, what was found, what is said."""

    row: AnalysisRow
    name: str
    uri: str
    reason: str
    thumbnail: Thumbnail | None
    marks: Marks | None
    found: tuple[Row, ...]
    absent: tuple[Row, ...]
    said: tuple[Said, ...]
    facets: tuple[tuple[str, str], ...]


def card(row: AnalysisRow, captions: CaptionRow, thumbnail: Thumbnail | None) -> Card:
    """Put together what the page shows of a photo."""
    rows = [(finding.value is False, _row(finding)) for finding in row.findings]
    return Card(
        row=row,
        name=visible(path_of(row.uri).name or row.uri),
        uri=visible(row.uri),
        reason=visible(row.reason),
        thumbnail=thumbnail,
        marks=_marks(row.face, thumbnail),
        found=tuple(one for absent, one in rows if not absent),
        absent=tuple(one for absent, one in rows if absent),
        said=tuple(Said(tuple(highlighted(one.text, one.bag, one.mentioned)), one) for one in captions.captions),
        facets=tuple(dict.fromkeys((one.name, value_in_words(one) or "measured") for one in row.findings)),
    )


def visible(text: str) -> str:
    """The text with each control character, and each that turns the direction of writing, as its picture or number.

    >>> visible("two\\nlines")
    'two␊lines'
    """
    return "".join(_picture(letter) for letter in text)


def in_words(name: str) -> str:
    """A canonical name as a reader writes it.

    >>> in_words("hair_length=short")
    'hair length: short'
    """
    return name.replace("_", " ").replace("=", ": ", 1)


def highlighted(text: str, bag: Bag, mentioned: Iterable[str]) -> list[tuple[str, str]]:
    """Cut a caption where it says the bag's phrases: (piece, "gender: female"), or (piece, "") between them.

    A phrase that does not stand in the text word for word is looked for by its words. The pieces together are the text.
    Only what `mentioned` names is looked for: it decides, this merely points.
    """
    wanted = set(mentioned)
    spans: list[tuple[int, int, str]] = []
    for item in bag.items:
        if item.name in wanted:
            what = in_words(item.name if isinstance(item.value, bool) else f"{item.name}={_number_or_text(item.value)}")
            spans += [(start, end, what) for start, end in _places(text, item.phrase)]
    pieces: list[tuple[str, str]] = []
    at = 0
    for start, end, what in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= at:
            pieces += [(text[at:start], ""), (text[start:end], what)]
            at = end
    return [piece for piece in [*pieces, (text[at:], "")] if piece[0]]


def _places(text: str, phrase: str) -> list[tuple[int, int]]:
    words = re.findall(r"\w+", phrase)
    for parts in ([re.escape(word) for word in words], [_stem(word) for word in words]):
        found = _matches(r"[\s-]+".join(parts), text)
        if found:
            return found
    return [place for word in words if word.lower() not in _EMPTY_WORDS for place in _matches(_stem(word), text)]


def _matches(pattern: str, text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(rf"\b{pattern}\b", text, re.IGNORECASE)] if pattern else []


def _stem(word: str) -> str:
    """A pattern for the word and its near forms: "years" also finds "year", "smiling" also "smiles"."""
    if word.isdigit():
        return word
    bare = re.sub(r"(?<=\w{3})(?:ing|ed|es|s)$", "", word)
    return re.escape(bare) + r"(?:ing|ed|es|e|s|ly)?"


def _picture(letter: str) -> str:
    code = ord(letter)
    if code < 0x20:
        return chr(0x2400 + code)
    if letter in _TURNS_TEXT or unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"}:
        return f"\\u{code:04x}"
    return letter


def _marks(face: Face | None, thumbnail: Thumbnail | None) -> Marks | None:
    if face is None or thumbnail is None or thumbnail.window is None:
        return None
    left, top, right, _ = thumbnail.window
    scale = 100 / (right - left)
    x0, y0, x1, y1 = (float(edge) for edge in face.box)
    return Marks(
        (
            round((x0 - left) * scale, 2),
            round((y0 - top) * scale, 2),
            round((x1 - x0) * scale, 2),
            round((y1 - y0) * scale, 2),
        ),
        tuple((round((float(x) - left) * scale, 2), round((float(y) - top) * scale, 2)) for x, y in face.landmarks),
        round(min(max(0.035 * (x1 - x0) * scale, 0.8), 1.6), 2),
    )


def _row(finding: Finding) -> Row:
    value = "" if isinstance(finding.value, bool) else in_words(_number_or_text(finding.value))
    figures = [f"{in_words(name)} {figure:.3g}" for name, figure in (finding.detail or {}).items()]
    score = min(max(finding.score, 0.0), 1.0) if math.isfinite(finding.score) else 0.0
    return Row(in_words(finding.name), value, score, "; ".join([f"seen by {finding.source or 'unknown'}", *figures]))


def _number_or_text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{round(value, 1):g}" if abs(value) >= 1 else f"{value:.3g}"
