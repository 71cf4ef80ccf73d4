"""Who a caption is about: the noun phrase that says the first findings, and what is left to say after it.

Words keep the order of the bag, so what stands before the noun is an adjective ("a white 34-year-old woman") and what
stands after it follows ("a woman, 34 years old and white").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from text2face_core.language import Grammar, with_article

from ._clauses import modifiers, predicates, stands_alone


@dataclass(frozen=True, slots=True)
class Subject:
    """One way to begin.

    text: noun phrase with article. rest: what remains to be said, in order. comma: "," where the phrase ends in an
    aside, which a verb has to be set off from. bare: `rest` begins with words of F1, which suit no main verb ("a woman
    is white" is no caption, "a woman who is white" is).
    """

    text: str
    rest: tuple[Grammar, ...]
    comma: str = ""
    bare: bool = False


def subjects(first: Sequence[Grammar], details: Sequence[Grammar], *, sentences: bool) -> list[Subject]:
    """All good ways to begin, for the words of F1 and of F2. `sentences`: sentences with a pronoun will follow."""
    details = _following(details)
    found = []
    for person, about in _noun_phrases(first):
        text = with_article(person)
        if not about:
            found.append(Subject(text, details))
        elif sentences and any(word.pronoun for word in about):  # "a child. She is female." says it twice
            found.append(Subject(f"{text} who {predicates(about)}", details))
        else:
            found.append(Subject(text, (*about, *details), bare=True))
            if stands_alone(about):
                found.append(Subject(text + modifiers(about), details, comma=","))
    if not first and details and details[0].role == "is" and details[0].before:
        found.append(Subject(with_article(f"{details[0].before} person"), details[1:]))
    return found


def _noun_phrases(first: Sequence[Grammar]) -> list[tuple[str, tuple[Grammar, ...]]]:
    """Noun phrases without article, and the words they leave to follow; those that change the fewest words."""
    found: list[tuple[int, str, tuple[Grammar, ...]]] = []
    for at in range(len(first) + 1):
        before = [word.before for word in first[:at] if word.before]
        if len(before) < at:
            break  # one of the words cannot stand before a noun
        if at < len(first) and first[at].role == "noun":
            after = first[at + 1 :]
            found.append((_changes(first[:at], after), " ".join([*before, first[at].text]), _following(after)))
        changes = _changes(first[:at], first[at:]) + 2 * any(word.role == "noun" for word in first)
        torn = 0 < at < len(first)
        found.append((changes + torn, " ".join([*before, "person"]), _following(first[at:])))
    fewest = min(changes for changes, _, _ in found)
    return [(person, about) for changes, person, about in found if changes == fewest]


def _changes(before: Sequence[Grammar], after: Sequence[Grammar]) -> int:
    """How many nouns lose their own word: "woman" for "female", "teenager" for a second noun."""
    lost = sum(word.role == "noun" and word.pronoun is not None for word in before)
    return lost + sum(word.role == "noun" and (1 if word.pronoun else 2) for word in after)


def _following(words: Sequence[Grammar]) -> tuple[Grammar, ...]:
    """Words as they follow the noun: a noun among them becomes what the person is."""
    return tuple(replace(word, role="is", text=word.after) if word.role == "noun" else word for word in words)
