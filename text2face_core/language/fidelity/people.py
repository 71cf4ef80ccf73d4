"""More than one person in a text: "two women", "with another man", "a woman next to a girl"."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .attachment import LexedText
from .lexemes import Lexeme, WordClass
from .lexicon import Lexicon

_BEFORE_NOUN = {WordClass.MODIFIER, WordClass.INTENSIFIER, WordClass.TERM, WordClass.AGE, WordClass.UNKNOWN}
_NOT_PEOPLE = {"origin", "photo"}
"""Nouns that only share modifiers with people."""
_INDEFINITE = {"a", "an"}
_SOMEONE = {"someone", "somebody"}
_HIM = {"him", "her", "them"}


def extra_people(text: LexedText, lexicon: Lexicon, talk: Collection[int]) -> Iterator[int]:
    """Positions of the words that mention people other than the person whom a caption describes.

    These are plurals, nouns after "another", and a person next to, or joined by "and" to, a person mentioned before.
    talk: positions in sentences about the task, where "people" does not mean anyone in the photo.
    """
    person = lexicon.nouns["person"]
    mentioned: set[str] = set()
    for at, lexeme in enumerate(text.lexemes):
        noun = lexeme.noun
        if noun is None or person not in (noun, noun.inherits) or noun.name in _NOT_PEOPLE:
            continue
        if at in talk or not _is_head(text, at) or lexeme.text.endswith(" teens"):  # "in her late teens"
            continue
        word = text.tokens[text.positions[at + 1] - 1]
        before = _before_phrase(text, at)
        following = text.tokens[text.positions[at + 1]] if at + 1 < len(text.lexemes) else ""
        if (
            word in lexicon.plural_people
            or following == "else"
            or any(one.text in lexicon.other_people for one in before)
        ):
            yield at
        elif mentioned and not before and noun.name.endswith("_kin"):
            if _joint(text, at - 1) == "and":
                yield at
        elif mentioned and word in _SOMEONE and _joint(text, at - 1) in lexicon.next_to:
            yield at
        elif mentioned and any(one.text in _INDEFINITE for one in before):
            joint = _joint(text, at - len(before) - 1)
            if joint in lexicon.next_to or (joint == "and" and word in mentioned) or _is_placed(text, lexicon, at):
                yield at
        mentioned.add(word)


def _is_placed(text: LexedText, lexicon: Lexicon, at: int) -> bool:
    """Whether the sentence of a noun places it by the person: "behind her stands a man"."""
    ends = [place for place, word_class in enumerate(text.classes) if word_class is WordClass.SENTENCE_END]
    start = max((end for end in ends if end < at), default=-1) + 1
    stop = min((end for end in ends if end > at), default=len(text.classes))
    for place in range(start, stop - 1):
        after = text.classes[place + 2] if place + 2 < stop else WordClass.SENTENCE_END
        word = text.tokens[text.positions[place + 1]]
        if _joint(text, place) in lexicon.next_to and word in _HIM and after not in {*_BEFORE_NOUN, WordClass.NOUN}:
            return True
    return False


def _is_head(text: LexedText, at: int) -> bool:
    """Whether the word is a noun here, not the "adult" of "a young adult woman"."""
    following = text.classes[at + 1] if at + 1 < len(text.classes) else WordClass.SENTENCE_END
    return following not in {WordClass.NOUN, WordClass.AGE} and (
        text.classes[at] is WordClass.NOUN or following not in _BEFORE_NOUN
    )


def _before_phrase(text: LexedText, at: int) -> list[Lexeme]:
    """The determiner and modifiers before a noun, nearest first."""
    found = []
    for place in range(at - 1, -1, -1):
        if text.classes[place] not in _BEFORE_NOUN and text.classes[place] is not WordClass.DETERMINER:
            break
        found.append(text.lexemes[place])
        if text.classes[place] is WordClass.DETERMINER:
            break
    return found


def _joint(text: LexedText, at: int) -> str:
    """What joins a noun phrase to the words before: "and", "next to"."""
    if at < 0:
        return ""
    lexeme = text.lexemes[at]
    if lexeme.text == "to" and at and text.lexemes[at - 1].text == "next":
        return "next to"
    return lexeme.text
