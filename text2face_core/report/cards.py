"""The report's card of a photo: its boxes, findings and captions."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..language.fidelity import check_caption, spans
from ..records import AnalysisRow, Bag, BagItem, Caption, CaptionRow, Finding
from ..sources import path_of
from ..stats import value_in_words
from .thumbnails import Thumbnail

if TYPE_CHECKING:
    from ..language import Vocabulary

_TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


MOST_ALT_TEXT = 500


@dataclass(frozen=True, slots=True)
class Marks:
    """Boxes and landmarks of faces in the coordinates of a thumbnail that is 100 wide and `height` high."""

    boxes: tuple[tuple[float, ...], ...]
    """x, y, width, height of each face"""
    points: tuple[tuple[float, float], ...]
    radius: float
    height: float = 100.0


@dataclass(frozen=True, slots=True)
class FindingLine:
    """A finding as a line of the card: `score` 0 to 1; `hint` names the component and the model's further figures."""

    name: str
    value: str
    score: float
    hint: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a caption: a finding in words, something invented, or the text between ("")."""

    text: str
    kind: Literal["", "mentioned", "invented"] = ""
    what: str = ""
    """The finding in words: "gender: female"."""


@dataclass(frozen=True, slots=True)
class MarkedCaption:
    """A caption as marked pieces, which together are its text."""

    pieces: tuple[Piece, ...]
    caption: Caption


@dataclass(frozen=True, slots=True)
class Card:
    """A photo's card: outcome, findings and captions."""

    row: AnalysisRow
    name: str
    uri: str
    reason: str
    thumbnail: Thumbnail | None
    marks: Marks | None
    found: tuple[FindingLine, ...]
    absent: tuple[FindingLine, ...]
    said: tuple[MarkedCaption, ...]
    facets: tuple[tuple[str, str], ...]
    alt_text: tuple[Piece, ...] = ()
    """The photo's alternative text on a web page, marked like a caption of the first caption's bag."""


def card(row: AnalysisRow, captions: CaptionRow, thumbnail: Thumbnail | None, vocabulary: Vocabulary) -> Card:
    """Make the card of a photo."""
    rows = [(finding.value is False, _row(finding)) for finding in row.findings]
    return Card(
        row=row,
        name=visible(path_of(row.uri).name or row.uri),
        uri=visible(row.uri),
        reason=visible(row.reason),
        thumbnail=thumbnail,
        marks=_marks(row, thumbnail),
        found=tuple(one for absent, one in rows if not absent),
        absent=tuple(one for absent, one in rows if absent),
        said=tuple(MarkedCaption(pieces(one, vocabulary), one) for one in captions.captions),
        facets=tuple(dict.fromkeys((one.name, value_in_words(one) or "measured") for one in row.findings)),
        alt_text=_alt_text(row.alt_text, captions, vocabulary),
    )


def _alt_text(text: str, captions: CaptionRow, vocabulary: Vocabulary) -> tuple[Piece, ...]:
    text = visible(" ".join(text.split()))[:MOST_ALT_TEXT]
    bag = captions.captions[0].bag if captions.captions else Bag(())
    if not text or not bag.items:
        return (Piece(text),) if text else ()
    said = check_caption(text, bag, vocabulary)
    return pieces(Caption(text, "", "", 1, bag, said.mentioned, said.missed, ()), vocabulary)


def visible(text: str) -> str:
    """Replace control characters, and those that change the direction of writing, by visible symbols or numbers.

    >>> visible("two\\nlines")
    'two␊lines'
    """
    return "".join(_picture(letter) for letter in text)


def in_words(name: str) -> str:
    """Return a canonical name in plain words.

    >>> in_words("hair_length=short"), in_words("other")
    ('hair length: short', 'something else')
    """
    if name == "other":  # the fidelity check's name for what matches no finding
        return "something else"
    return name.replace("_", " ").replace("=", ": ", 1)


def pieces(caption: Caption, vocabulary: Vocabulary) -> tuple[Piece, ...]:
    """Split a caption at what it mentions or invents; of overlapping places, the first and then the longest counts.

    What it mentions and invents is taken from the record; this function only locates it.
    """
    text, bag = caption.text, caption.bag
    cut: list[Piece] = []
    at = 0
    for span in sorted(spans(text, bag, vocabulary), key=lambda span: (span.start, -span.end)):
        recorded = caption.mentioned if span.kind == "mentioned" else caption.invented
        if span.start >= at and span.name in recorded:
            words = text[span.start : span.end]
            cut += [Piece(text[at : span.start]), Piece(words, span.kind, _what(span.name, words, bag))]
            at = span.end
    return tuple(piece for piece in [*cut, Piece(text[at:])] if piece.text)


def _what(name: str, text: str, bag: Bag) -> str:
    """Return the bag's finding, with the value that the text states if it has two; else its bare name."""
    held = sorted((item for item in bag.items if item.name == name), key=lambda item: text.lower() not in item.phrase)
    return _in_words(held[0]) if held else in_words(name)


def _in_words(item: BagItem) -> str:
    return in_words(item.name if isinstance(item.value, bool) else f"{item.name}={_number_or_text(item.value)}")


def _picture(letter: str) -> str:
    code = ord(letter)
    if code < 0x20:
        return chr(0x2400 + code)
    if letter in _TURNS_TEXT or unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"}:
        return f"\\u{code:04x}"
    return letter


def _marks(row: AnalysisRow, thumbnail: Thumbnail | None) -> Marks | None:
    """Return the boxes of all faces and the landmarks of the chosen face; None if the thumbnail shows no face."""
    faces = row.faces or ((row.face,) if row.face else ())
    if not faces or thumbnail is None or thumbnail.window is None:
        return None
    left, top, right, bottom = thumbnail.window
    scale = 100 / (right - left)
    boxes = []
    for face in faces:
        x0, y0, x1, y1 = (float(edge) for edge in face.box)
        place = ((x0 - left) * scale, (y0 - top) * scale, (x1 - x0) * scale, (y1 - y0) * scale)
        boxes.append(tuple(round(number, 2) for number in place))
    points: tuple[tuple[float, float], ...] = ()
    width = float(faces[0].box[2] - faces[0].box[0])
    if row.face:
        width = float(row.face.box[2] - row.face.box[0])
        points = tuple(
            (round((float(x) - left) * scale, 2), round((float(y) - top) * scale, 2)) for x, y in row.face.landmarks
        )
    return Marks(
        tuple(boxes), points, round(min(max(0.035 * width * scale, 0.8), 1.6), 2), round((bottom - top) * scale, 2)
    )


def _row(finding: Finding) -> FindingLine:
    value = "" if isinstance(finding.value, bool) else in_words(_number_or_text(finding.value))
    figures = [f"{in_words(name)} {figure:.3g}" for name, figure in (finding.detail or {}).items()]
    score = min(max(finding.score, 0.0), 1.0) if math.isfinite(finding.score) else 0.0
    return FindingLine(
        in_words(finding.name), value, score, "; ".join([f"seen by {finding.source or 'unknown'}", *figures])
    )


def _number_or_text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{round(value, 1):g}" if abs(value) >= 1 else f"{value:.3g}"
