"""Contradictions inside a text, without any bag: "a bald man with long hair", "33 years old, in her sixties"."""

from __future__ import annotations

from collections.abc import Sequence

from .. import Vocabulary
from .ages import Age
from .lexemes import Key
from .parser import Statement

_YEARS_APART = 3  # ages this near do not contradict each other


def contradictory_findings(
    statements: Sequence[Statement], vocabulary: Vocabulary, aliases: dict[Key, Key]
) -> tuple[str, ...]:
    """Names of the findings about which the statements cannot all be true, in order of appearance."""
    clear = [one for one in statements if (one.claim.mentions or one.claim.age) and not (one.tentative or one.literal)]
    found: dict[str, None] = {}
    for number, later in enumerate(clear):
        for earlier in clear[:number]:
            if name := _contradiction(earlier, later, vocabulary, aliases):
                found[name] = None
    return tuple(found)


def _contradiction(one: Statement, other: Statement, vocabulary: Vocabulary, aliases: dict[Key, Key]) -> str:
    """The finding of the later statement that the earlier statement rules out; "" if both can be true."""
    if one.claim.age and other.claim.age:
        return "" if one.negated or other.negated or _overlap(one.claim.age, other.claim.age) else "age"
    first, second = ([aliases.get(key, key) for key in statement.claim.mentions] for statement in (one, other))
    if not first or not second or (one.negated and other.negated):
        return ""
    if one.negated != other.negated:
        return second[0][0] if len(first) == len(second) == 1 and first == second else ""
    pairs = [(left, right) for left in first for right in second]
    return second[0][0] if all(_exclude(left, right, vocabulary) for left, right in pairs) else ""


def _overlap(one: Age, other: Age) -> bool:
    return one.low <= other.high + _YEARS_APART and other.low <= one.high + _YEARS_APART


def _exclude(left: Key, right: Key, vocabulary: Vocabulary) -> bool:
    if left[0] == right[0]:
        entry = vocabulary.findings.get(left[0])
        return left[1] != right[1] and (entry is None or entry.at_most == 1)
    return any(
        other[0] in excluded or "=".join(other) in excluded
        for one, other in ((left, right), (right, left))
        for excluded in (vocabulary.excluded_by(*one),)
    )
