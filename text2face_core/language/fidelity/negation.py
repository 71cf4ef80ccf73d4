"""What a text denies: "without a hat", "no hat or glasses", "Hat: none"."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .lexicon import Kind
from .sentence import Words

_OR = {"or", "nor", "/"}
_SUBJECTS = {"she", "he", "they"}
_ENDS = {Kind.STOP, Kind.LINK, Kind.OWNER}
_MEANT = {Kind.NOUN, Kind.WORD, Kind.QUALITY, Kind.ARTICLE, Kind.UNKNOWN}
_FURTHEST = 5  # words between a noun and a denial after it
_LONGEST = 40  # words that one denial reaches


def denied_places(words: Words, after: Collection[str]) -> set[int]:
    """Places of what is denied, by a word before it or after it. after: words that deny what they follow."""
    denied: set[int] = set()
    for at, kind in enumerate(words.kinds):
        if kind is Kind.DENIAL or words.lexemes[at].text == "nor":
            denied.update(_reach(words, at))
        if words.tokens[words.places[at]] in after:
            denied.update(_before(words, at))
    return denied


def _reach(words: Words, at: int) -> Iterator[int]:
    """What a word of denial reaches: up to the end of its clause, or of a list with "or"."""
    kinds, seen = words.kinds, False
    for place in range(at + 1, min(len(kinds), at + _LONGEST)):
        kind = kinds[place]
        if words.tokens[words.places[place]] in _SUBJECTS:
            continue  # "nor is she smiling"
        if kind is Kind.BREAK or words.lexemes[place].text == "with":
            return
        if kind is Kind.COMMA:
            if not seen or not _lists_with_or(words, place):
                return
        elif kind is Kind.JOINT:
            following = kinds[place + 1] if place + 1 < len(kinds) else Kind.BREAK
            if words.lexemes[place].text not in _OR and not (seen and following in {Kind.NOUN, Kind.WORD}):
                return
        elif seen and (kind in _ENDS or (kind is Kind.WORD and kinds[place - 1] is Kind.NOUN)):
            return  # "a man without a hat smiles"
        yield place
        seen = seen or kind in {Kind.NOUN, Kind.WORD, Kind.UNKNOWN}


def _lists_with_or(words: Words, comma: int) -> bool:
    for place in range(comma + 1, min(len(words.kinds), comma + _LONGEST)):
        if words.kinds[place] is Kind.JOINT:
            return words.lexemes[place].text in _OR
        if words.kinds[place] in _ENDS | {Kind.BREAK, Kind.DENIAL}:
            return False
    return False


def _before(words: Words, at: int) -> Iterator[int]:
    """What stands just before a denial that denies nothing after it; nobody's gender is denied so."""
    if at + 1 < len(words.kinds) and words.kinds[at + 1] in _MEANT:
        return
    linked = False
    for place in range(at - 1, max(-1, at - _FURTHEST - 1), -1):
        kind = words.kinds[place]
        if kind in {Kind.NOUN, Kind.WORD} and linked:
            if not any(claim.invents == "gender" for claim in words.lexemes[place].claims):
                yield place
            return
        linked = linked or kind is Kind.LINK
        if kind not in {Kind.LINK, Kind.PLAIN, Kind.DEGREE, Kind.ARTICLE}:
            return
