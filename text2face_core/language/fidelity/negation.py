"""Scope of negation: "without a hat", "no hat or glasses", "Hat: none"."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .attachment import LexedText
from .lexemes import WordClass

_OR = {"or", "nor", "/"}
_SUBJECTS = {"she", "he", "they"}
_ENDS = {WordClass.CLAUSE, WordClass.COPULA, WordClass.POSSESSIVE}
_NEGATABLE = {WordClass.NOUN, WordClass.TERM, WordClass.MODIFIER, WordClass.DETERMINER, WordClass.UNKNOWN}
_FURTHEST = 5  # most words between a noun and a negation after it
_LONGEST = 40  # most words in the scope of one negation


def negated_positions(text: LexedText, after: Collection[str]) -> set[int]:
    """Positions of the words that are negated, by a word before or after them.

    after: words that negate what they follow. "Hat: none".
    """
    negated: set[int] = set()
    for at, word_class in enumerate(text.classes):
        if word_class is WordClass.NEGATION or text.lexemes[at].text == "nor":
            negated.update(_scope(text, at))
        if text.tokens[text.positions[at]] in after:
            negated.update(_before(text, at))
    return negated


def _scope(text: LexedText, at: int) -> Iterator[int]:
    """The scope of a negation before its words: to the end of the clause, or of a list with "or"."""
    classes, seen = text.classes, False
    for place in range(at + 1, min(len(classes), at + _LONGEST)):
        word_class = classes[place]
        if text.tokens[text.positions[place]] in _SUBJECTS:
            continue  # "nor is she smiling"
        if word_class is WordClass.SENTENCE_END or text.lexemes[place].text == "with":
            return
        if word_class is WordClass.COMMA:
            if not seen or not _lists_with_or(text, place):
                return
        elif word_class is WordClass.CONJUNCTION:
            following = classes[place + 1] if place + 1 < len(classes) else WordClass.SENTENCE_END
            if text.lexemes[place].text not in _OR and not (seen and following in {WordClass.NOUN, WordClass.TERM}):
                return
        elif seen and (word_class in _ENDS or (word_class is WordClass.TERM and classes[place - 1] is WordClass.NOUN)):
            return  # "a man without a hat smiles"
        yield place
        seen = seen or word_class in {WordClass.NOUN, WordClass.TERM, WordClass.UNKNOWN}


def _lists_with_or(text: LexedText, comma: int) -> bool:
    for place in range(comma + 1, min(len(text.classes), comma + _LONGEST)):
        if text.classes[place] is WordClass.CONJUNCTION:
            return text.lexemes[place].text in _OR
        if text.classes[place] in _ENDS | {WordClass.SENTENCE_END, WordClass.NEGATION}:
            return False
    return False


def _before(text: LexedText, at: int) -> Iterator[int]:
    """The scope of a negation after its words, if nothing follows that it could negate; gender is never negated so."""
    if at + 1 < len(text.classes) and text.classes[at + 1] in _NEGATABLE:
        return
    linked = False
    for place in range(at - 1, max(-1, at - _FURTHEST - 1), -1):
        word_class = text.classes[place]
        if word_class in {WordClass.NOUN, WordClass.TERM} and linked:
            if not any(claim.invents == "gender" for claim in text.lexemes[place].claims):
                yield place
            return
        linked = linked or word_class is WordClass.COPULA
        if word_class not in {WordClass.COPULA, WordClass.FILLER, WordClass.INTENSIFIER, WordClass.DETERMINER}:
            return
