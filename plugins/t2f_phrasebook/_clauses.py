"""Clauses from lists of findings: with …, wearing …; has …, wears …. Neighbours with one role share a verb."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from text2face_core.language import Grammar, series

LENGTHS = frozenset(["short", "medium-length", "long"])
COLOURS = frozenset(
    {"black", "blond", "blonde", "blue", "brown", "dark", "gray", "green", "grey", "light", "red", "white"}
)
_MODIFIERS = {"has": "with", "wears": "wearing", "is": "", "looks": "looking"}
_VERBS = {"has": ("has", "have"), "wears": ("wears", "wear"), "is": ("is", "are"), "looks": ("looks", "look")}


def group_by_role(words: Sequence[Grammar]) -> list[Grammar]:
    """Words of one role together: adjectives first, then roles as they first appear; "without …" last in its role."""
    roles = ["is", *dict.fromkeys(word.role for word in words)]
    return sorted(words, key=lambda word: (roles.index(word.role), word.text.startswith("without ")))


def join_adjectives(words: Sequence[Grammar]) -> list[Grammar]:
    """Phrases of an adjective and the same noun as one: "black hair", "long hair" -> "long black hair".

    Length comes before any other adjective, and colour after it.
    """
    nouns = [_noun(word) for word in words]
    joined: list[Grammar] = []
    for at, (word, noun) in enumerate(zip(words, nouns, strict=True)):
        same = [other for other, of in zip(words, nouns, strict=True) if noun and of == noun]
        if len(same) < 2:
            joined.append(word)
        elif noun not in nouns[:at]:
            adjectives = sorted((other.text.split()[0] for other in same), key=_place)
            joined.append(replace(word, text=" ".join([*adjectives, noun])))
    return joined


def _noun(word: Grammar) -> str:
    """The noun of "long hair" and the like; empty for other phrases, also those with an article."""
    adjective, _, noun = word.text.partition(" ")
    single = word.role == "has" and noun and " " not in noun and adjective not in {"a", "an", "no", "without"}
    return noun if single else ""


def _place(adjective: str) -> int:
    return 0 if adjective in LENGTHS else 2 if adjective in COLOURS else 1


def runs(words: Sequence[Grammar]) -> list[tuple[Grammar, ...]]:
    """Groups of neighbours with the same role."""
    return [tuple(group) for _, group in groupby(words, key=lambda word: word.role)]


def modifiers(words: Sequence[Grammar], comma: str = "") -> str:
    """Modifiers after a noun: " with brown hair, wearing a hat" or ", smiling, with bangs".

    comma: "," if an apposition stands between.
    """
    clauses = [f"{_MODIFIERS[run[0].role]} {series([word.text for word in run])}".strip() for run in runs(words)]
    if not clauses:
        return ""
    close = words[0].role in {"has", "wears"} and not comma
    return (" " if close else ", ") + ", ".join(clauses)


def predicates(words: Sequence[Grammar], *, plural: bool = False, also: bool = False) -> str:
    """Predicates after a subject: "has brown hair and bangs, is smiling, and wears a hat"."""
    clauses: list[str] = []
    for run in runs(words):
        verb = _VERBS[run[0].role][plural]
        if also and not clauses:
            verb = f"{verb} also" if run[0].role == "is" else f"also {verb}"
        clauses.append(f"{verb} {series([word.text for word in run])}")
    return series(clauses)


def stands_alone(words: Sequence[Grammar]) -> bool:
    """Whether these read well after a comma: "a man, 34 years old" and "a man, smiling" do, "a man, white" does not."""
    first = words[0]
    return len(words) > 1 or first.role != "is" or first.text.endswith("ing") or bool(re.search(r"\d", first.text))


def choppy(words: Sequence[Grammar]) -> bool:
    """Whether `modifiers` of these would read badly: too many clauses, or an adjective by itself."""
    parts = runs(words)
    adjectives = [part for part in parts if part[0].role == "is"]
    return len(parts) > 3 or any(part is not parts[0] or not stands_alone(part) for part in adjectives)


def share(words: Sequence[Grammar], count: int) -> list[tuple[Grammar, ...]]:
    """Words in `count` lists of about equal length, split between roles if possible and never inside a pair."""
    breaks = [0]
    for number in range(1, count):
        even = round(number * len(words) / count)
        near = [at for at in (even, even + 1, even - 1) if breaks[-1] < at < len(words)]
        changes = [at for at in near if words[at - 1].role != words[at].role]
        together = [at for at in near if not (words[at - 1].role == words[at].role == "looks")]
        breaks += (changes or together)[:1]
    breaks.append(len(words))
    return [tuple(words[start:end]) for start, end in pairwise(breaks) if end > start]
