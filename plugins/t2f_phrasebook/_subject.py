"""Subjects of captions: the noun phrase with the findings of F1, and the findings that remain.

Words keep the order of the bag: those before the noun are adjectives ("a white 34-year-old woman"), those after it are
appositions ("a woman, 34 years old and white").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from text2face_core.language import Grammar, with_article

from ._clauses import modifiers, predicates, stands_alone


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject.

    text: noun phrase with article. rest: the findings that remain, in order. comma: "," if the phrase ends in an
    apposition, which needs a comma before a verb. bare: `rest` begins with words of F1, which do not suit a main verb
    ("a woman is white" is not a caption, "a woman who is white" is).
    """

    text: str
    rest: tuple[Grammar, ...]
    comma: str = ""
    bare: bool = False


def subjects(first: Sequence[Grammar], details: Sequence[Grammar], *, sentences: bool) -> list[Subject]:
    """All good subjects for the words of F1 and of F2. `sentences`: whether sentences with a pronoun will follow."""
    details = _following(details)
    found = []
    for person, about in _noun_phrases(first):
        text = with_article(person)
        if not about:
            found.append(Subject(text, details))
        elif sentences and any(word.pronoun for word in about):  # "a child. She is female." is redundant
            found.append(Subject(f"{text} who {predicates(about)}", details))
        else:
            found.append(Subject(text, (*about, *details), bare=True))
            if stands_alone(about):
                found.append(Subject(text + modifiers(about), details, comma=","))
    if not first and details and details[0].role == "is" and details[0].before:
        found.append(Subject(with_article(f"{details[0].before} person"), details[1:]))
    return found


def _noun_phrases(first: Sequence[Grammar]) -> list[tuple[str, tuple[Grammar, ...]]]:
    """Noun phrases without article and the words after them; only those that change the fewest words."""
    found: list[tuple[int, str, tuple[Grammar, ...]]] = []
    for at in range(len(first) + 1):
        before = [word.before for word in first[:at] if word.before]
        if len(before) < at:
            break  # a word without a form before a noun
        if at < len(first) and first[at].role == "noun":
            after = first[at + 1 :]
            found.append((_changes(first[:at], after), " ".join([*before, first[at].text]), _following(after)))
        changes = _changes(first[:at], first[at:]) + 2 * any(word.role == "noun" for word in first)
        torn = 0 < at < len(first)
        found.append((changes + torn, " ".join([*before, "person"]), _following(first[at:])))
    fewest = min(changes for changes, _, _ in found)
    return [(person, about) for changes, person, about in found if changes == fewest]


def _changes(before: Sequence[Grammar], after: Sequence[Grammar]) -> int:
    """How many nouns are replaced: "woman" by "female", a second noun by an adjective."""
    lost = sum(word.role == "noun" and word.pronoun is not None for word in before)
    return lost + sum(word.role == "noun" and (1 if word.pronoun else 2) for word in after)


def _following(words: Sequence[Grammar]) -> tuple[Grammar, ...]:
    """Words in their form after the noun; a noun becomes a predicate."""
    return tuple(replace(word, role="is", text=word.after) if word.role == "noun" else word for word in words)
