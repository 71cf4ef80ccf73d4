"""What a text says about a person, without any bag: each finding once, with the values that would make it true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...records import Finding, Value
from .. import Vocabulary
from .ages import Age
from .check import SAME, parser_of
from .lexemes import Claim, Key, split_words

NUMBER_REACH = 5.0
"""Years around a number of years that count as that age: as far as a bracket of the bag reaches by default."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A finding that a text states.

    Attributes:
        name: The finding's canonical name.
        values: The (finding, value) pairs of which any makes the statement true; empty for an age.
        age: The years that are stated, from and to (both included); None for anything but an age.
        form: Of an age: "number", "bracket" or "word".
    """

    name: str
    values: tuple[Key, ...] = ()
    age: tuple[float, float] | None = None
    form: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The findings that can decide it."""
        return tuple(dict.fromkeys((self.name, *(name for name, _ in self.values))))

    @property
    def wanted(self) -> str:
        """What is stated, for people: "female", "29 to 39", "yes"."""
        if self.age:
            low, high = self.age
            return f"{low:g}" if low == high else f"{low:g} to {high:g}"
        shown = [value if name == self.name else f"{name}={value}" for name, value in self.values]
        return " or ".join({"true": "yes", "false": "no"}.get(value, value) for value in shown)

    def years_off(self, years: float) -> float:
        """Years from the stated age to `years`, signed; 0 inside the stated range. Raises ValueError if not an age."""
        if self.age is None:
            raise ValueError(f"{self.name} is not an age")
        low, high = self.age
        return years - low if years < low else max(0.0, years - high)

    def allows(self, years: float) -> bool:
        """Whether an age fits what is stated: within 5 years of a number, or inside the range of a bracket or word."""
        if self.form == "number":
            return abs(self.years_off(years)) <= NUMBER_REACH
        low, high = self.age or (0.0, -1.0)
        return low <= years < high + 1


def find_mentions(text: str, vocabulary: Vocabulary) -> tuple[Mention, ...]:
    """What a text states, in order of appearance; a finding that is stated several times is listed once.

    Of several ages, the narrowest is kept: "a 34-year-old adult" states 34.

    >>> [(m.name, m.wanted) for m in find_mentions("A smiling 34-year-old woman, no glasses.", Vocabulary.load())]
    [('smiling', 'yes or emotion=happiness'), ('age', '34'), ('gender', 'female'), ('eyeglasses', 'no')]
    """
    parser = parser_of(vocabulary)
    found: dict[Mention, None] = {}
    ages: list[Age] = []
    for statement in parser.parse(split_words(text)):
        if statement.tentative or statement.literal:
            continue
        claim = statement.claim
        if claim.age:
            if not statement.negated:
                ages.append(claim.age)
                found.setdefault(Mention("age"))
            continue
        negated = statement.negated
        if negated and claim.when_negated:
            claim, negated = parser.lexicon.meaning(claim.when_negated)[0], False
        found.update(dict.fromkeys(_mentions_of(claim, negated=negated)))
    age = min(ages, key=lambda one: one.high - one.low, default=None)
    kept = [one if one.name != "age" else _of_age(age) for one in found if one.name != "age" or age]
    return tuple(_without_repetitions(kept))


def _mentions_of(claim: Claim, *, negated: bool) -> Iterator[Mention]:
    keys = claim.mentions
    if not negated:
        if keys:
            yield Mention(keys[0][0], keys)
        return
    for name, value in keys:
        if value == "true":
            yield Mention(name, ((name, "false"),))


def _of_age(age: Age | None) -> Mention:
    if age is None:
        raise AssertionError
    return Mention("age", age=(age.low, age.high), form="bracket" if age.form == "either" else age.form)


def _without_repetitions(mentions: Iterable[Mention]) -> Iterator[Mention]:
    """One mention for each finding and set of values; the narrower of two that share a value."""
    kept: list[Mention] = []
    for one in sorted(mentions, key=lambda mention: len(mention.values)):
        if not any(one.name == other.name and set(other.values) <= set(one.values) for other in kept):
            kept.append(one)
    return (one for one in mentions if one in kept)


def observed_keys(finding: Finding, vocabulary: Vocabulary) -> Key | None:
    """The canonical (finding, value) of something that was observed; None for numbers.

    >>> observed_keys(Finding("male", False, 0.9), Vocabulary.load())
    ('gender', 'female')
    """
    value = value_key(finding.name, finding.value, vocabulary)
    return None if value is None else SAME.get((finding.name, value), (finding.name, value))


def value_key(name: str, value: Value, vocabulary: Vocabulary) -> str | None:
    """The vocabulary's key of a value, such as "true"; the value itself as text if it has none; None for numbers."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return None
    entry = vocabulary.findings.get(name)
    return (entry.key(value) if entry else None) or value
