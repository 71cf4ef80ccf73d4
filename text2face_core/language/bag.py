"""From findings to the words of one caption: what is said, by which phrase, in which order.

Follows section 2.2 of arXiv 2405.10864: F1 (age, gender, ethnicity) and F2 (all else) each in
random order, age in one of three forms, and attributes that models see together too often left out at random.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from ..contracts import Options
from ..errors import RecipeError
from ..records import Bag, BagItem, Finding, Level, Value
from .vocabulary import AgeTemplates, Condition, FindingWords, Phrase, ValueWords, Vocabulary

Probability = Annotated[float, Field(ge=0, le=1)]
AgeForm = Literal["number", "bracket", "word"]
LEVELS: tuple[Level, ...] = ("F1", "F2", "photo")
Known = Mapping[str, tuple[Finding, ...]]


class DropRule(Options):
    """Leave `drop` out with `probability` where any finding of `when` is present too."""

    drop: str
    when: tuple[str, ...]
    probability: Probability


class BagSettings(Options):
    """How findings become words."""

    leave_out: tuple[str, ...] = Field((), description="findings that are never said")
    min_scores: dict[str, Probability] = Field({}, description="smallest score by finding, over the vocabulary's own")
    age_forms: tuple[AgeForm, ...] = Field(
        ("number", "bracket", "word"), min_length=1, description="forms of age, equally likely"
    )
    age_noise: float = Field(1 / 15, ge=0, lt=1, description="largest error put on a number of years, as a share of it")
    age_bracket: int = Field(5, ge=1, description="years on either side in a bracket")
    drops: tuple[DropRule, ...] = Field(
        (DropRule(drop="attractive", when=("heavy_makeup", "wearing_lipstick"), probability=0.8),),
        description="findings left out at random, because models see them together too often",
    )


def check_names(settings: BagSettings, vocabulary: Vocabulary) -> None:
    """Raise RecipeError where the settings name a finding that has no words: misspelt, it would be said after all."""
    named = {"leave_out": settings.leave_out, "min_scores": tuple(settings.min_scores)}
    named["drops"] = tuple(name for rule in settings.drops for name in (rule.drop, *rule.when))
    for setting, names in named.items():
        for name in names:
            if name not in vocabulary.findings:
                near = difflib.get_close_matches(name, vocabulary.findings, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(sorted(vocabulary.findings))}"
                raise RecipeError(f'bag.{setting}: no finding of this run is called "{name}"; {hint}')


def unknown_names(findings: Sequence[Finding], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Names for which the vocabulary has no entry, sorted; `draw_bag` leaves them out."""
    return tuple(sorted({finding.name for finding in findings} - vocabulary.findings.keys()))


def draw_bag(findings: Sequence[Finding], vocabulary: Vocabulary, settings: BagSettings, rng: random.Random) -> Bag:
    """The words for one caption.

    Where several extractors saw a finding, the one with the highest score is believed. What is absent, unsure, excluded
    by something surer, or not in the vocabulary is left out; a bag may be empty. Equal findings, in whatever order, and
    an equally seeded `rng` give equal bags.
    """
    known = _believed(findings, vocabulary, settings)
    dropped = {
        rule.drop
        for rule in settings.drops
        if rule.drop in known and any(name in known for name in rule.when) and rng.random() < rule.probability
    }
    said = {
        name: values
        for name, values in _without_contradictions(known, vocabulary).items()
        if name not in dropped and name not in settings.leave_out and _applies(vocabulary.findings[name], known)
    }
    order = _draw_order(said, vocabulary, rng)
    phrases = _Phrases(vocabulary, settings, rng, known, order)
    for name in sorted(said):  # age comes before gender, whose word depends on it
        phrases.draw(said[name])
    return Bag(tuple(item for name in order for item in phrases.drawn[name]))


def _believed(findings: Sequence[Finding], vocabulary: Vocabulary, settings: BagSettings) -> Known:
    """By name, in alphabetical order: the surest finding, or the `at_most` surest of the surest source."""
    by_name: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda f: (f.name, -f.score, f.source, str(f.value))):
        by_name.setdefault(finding.name, []).append(finding)
    believed = {}
    for name, seen in by_name.items():
        entry = vocabulary.findings.get(name)
        if entry is None:
            continue
        floor = settings.min_scores.get(name, entry.floor)
        surest = {f.value: f for f in reversed(seen) if f.source == seen[0].source}  # one of each value
        best = [f for f in seen if surest.get(f.value) is f][: entry.at_most]
        sayable = tuple(f for f in best if f.score >= floor and vocabulary.words(name, f.value))
        if sayable:
            believed[name] = sayable
    return believed


def _without_contradictions(known: Known, vocabulary: Vocabulary) -> Known:
    """Of findings that exclude each other the surer one; of equally sure ones the first by name."""
    kept: list[Finding] = []
    for finding in sorted(
        (f for values in known.values() for f in values), key=lambda f: (-f.score, f.name, str(f.value))
    ):
        if not any(_excludes(finding, other, vocabulary) or _excludes(other, finding, vocabulary) for other in kept):
            kept.append(finding)
    return {name: left for name, values in known.items() if (left := tuple(f for f in values if f in kept))}


def _excludes(one: Finding, other: Finding, vocabulary: Vocabulary) -> bool:
    listed = vocabulary.findings[one.name].excludes
    return other.name in listed or f"{other.name}={other.value}" in listed


def _draw_order(names: Collection[str], vocabulary: Vocabulary, rng: random.Random) -> list[str]:
    """F1 and F2 each shuffled; what is said of the photo comes last, in the vocabulary's order."""
    order = []
    for level in LEVELS:
        here = [name for name in vocabulary.findings if name in names and vocabulary.findings[name].level == level]
        if level != "photo":
            here.sort()
            rng.shuffle(here)
        order += here
    return order


@dataclass
class _Phrases:
    """Draws a phrase for one finding after the other, minding those drawn before."""

    vocabulary: Vocabulary
    settings: BagSettings
    rng: random.Random
    known: Known
    order: Sequence[str]
    drawn: dict[str, tuple[BagItem, ...]] = field(default_factory=dict)

    def draw(self, values: Sequence[Finding]) -> None:
        entry = self.vocabulary.findings[values[0].name]
        self.drawn[values[0].name] = tuple(
            BagItem(finding.name, finding.value, self._phrase(finding, entry, len(values)), entry.level)
            for finding in values
        )

    def _phrase(self, finding: Finding, entry: FindingWords, count: int) -> str:
        words = self.vocabulary.words(finding.name, finding.value)
        if words is None:
            raise AssertionError(finding)  # _believed lets none of these through
        if entry.number and isinstance(finding.value, int | float):
            return self._age(float(finding.value), words, entry.number)
        if words.pair and count > 1:
            return words.pair.text
        fitting = [phrase for phrase in words.phrases if _applies(phrase, self.known)] or list(words.phrases)
        nouns = [phrase for phrase in fitting if (phrase.role or words.role or entry.role) == "noun"]
        others = [phrase for phrase in fitting if phrase not in nouns]
        if nouns and others:
            fitting = others if self._noun_is_taken(finding.name) else nouns
        return self.rng.choice(fitting).text

    def _age(self, years: float, words: ValueWords, templates: AgeTemplates) -> str:
        form = self.rng.choice(self.settings.age_forms)
        noise = self.rng.uniform(-self.settings.age_noise, self.settings.age_noise)
        number, middle, reach = round(years * (1 + noise)), round(years), self.settings.age_bracket
        if form == "bracket":
            return templates.bracket.text.format(low=max(0, middle - reach), high=middle + reach)
        if form == "number" and number > 0:  # nobody is called 0 years old
            return templates.one.text if number == 1 else templates.many.text.format(years=number)
        return self.rng.choice(words.phrases).text

    def _noun_is_taken(self, name: str) -> bool:
        """Whether another noun stands that this one cannot join: "teenage girl" can be said, "girl teenager" cannot."""
        for item in (item for items in self.drawn.values() for item in items if item.level == "F1"):
            grammar = self.vocabulary.grammar(item.name, item.value, item.phrase)
            joins = grammar.before is not None and self.order.index(item.name) < self.order.index(name)
            if grammar.role == "noun" and not joins:
                return True
        return False


def _applies(what: Phrase | FindingWords, known: Known) -> bool:
    """Whether the `when` and `unless` of a phrase or finding allow it."""

    def holds(name: str, condition: Condition) -> bool:
        return any(_meets(finding.value, condition) for finding in known.get(name, ()))

    return all(holds(*one) for one in what.when.items()) and not any(holds(*one) for one in what.unless.items())


def _meets(value: Value, condition: Condition) -> bool:
    if isinstance(condition, tuple):
        return isinstance(value, int | float) and not isinstance(value, bool) and condition[0] <= value < condition[1]
    return condition == "*" or (type(condition) is type(value) and condition == value)
