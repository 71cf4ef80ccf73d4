"""Draw the bag of words of a caption from findings: which findings, in which phrase and order.

Follows section 2.2 of arXiv 2405.10864: F1 (age, gender, ethnicity) and F2 (everything else) each in random order,
age in one of three forms, and attributes that models predict together too often are dropped at random.
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
    """Drop the finding `drop` with `probability` if any finding of `when` is present too."""

    drop: str
    when: tuple[str, ...]
    probability: Probability


class BagSettings(Options):
    """How findings become words."""

    leave_out: tuple[str, ...] = Field((), description="findings that never enter a bag")
    min_scores: dict[str, Probability] = Field({}, description="minimum score by finding; overrides the vocabulary's")
    age_forms: tuple[AgeForm, ...] = Field(
        ("number", "bracket", "word"), min_length=1, description="forms of age, each equally likely"
    )
    age_noise: float = Field(
        1 / 15, ge=0, lt=1, description="largest random change of an age in years, as a share of it"
    )
    age_bracket: int = Field(5, ge=1, description="years on either side of the age in a bracket")
    drops: tuple[DropRule, ...] = Field(
        (DropRule(drop="attractive", when=("heavy_makeup", "wearing_lipstick"), probability=0.8),),
        description="findings dropped at random, because models predict them together too often",
    )


def check_names(settings: BagSettings, vocabulary: Vocabulary) -> None:
    """Raise RecipeError if the settings name a finding that has no words; a misspelt name would have no effect."""
    named = {"leave_out": settings.leave_out, "min_scores": tuple(settings.min_scores)}
    named["drops"] = tuple(name for rule in settings.drops for name in (rule.drop, *rule.when))
    for setting, names in named.items():
        for name in names:
            if name not in vocabulary.findings:
                near = difflib.get_close_matches(name, vocabulary.findings, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(sorted(vocabulary.findings))}"
                raise RecipeError(f'bag.{setting}: no finding of this run is called "{name}"; {hint}')


def unknown_names(findings: Sequence[Finding], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Names of findings without words in the vocabulary, sorted; `draw_bag` ignores these findings."""
    return tuple(sorted({finding.name for finding in findings} - vocabulary.findings.keys()))


def draw_bag(findings: Sequence[Finding], vocabulary: Vocabulary, settings: BagSettings, rng: random.Random) -> Bag:
    """The bag of words for one caption.

    If several extractors report a finding, the one with the highest score counts. Findings that are absent, below
    their minimum score, excluded by a finding with a higher score, or not in the vocabulary are ignored; a bag may be
    empty. Equal findings, in any order, and an equally seeded `rng` give equal bags.
    """
    known = _select(findings, vocabulary, settings)
    dropped = {
        rule.drop
        for rule in settings.drops
        if rule.drop in known and any(name in known for name in rule.when) and rng.random() < rule.probability
    }
    kept = {
        name: values
        for name, values in _without_contradictions(known, vocabulary).items()
        if name not in dropped and name not in settings.leave_out and _applies(vocabulary.findings[name], known)
    }
    order = _draw_order(kept, vocabulary, rng)
    phrases = _Phrases(vocabulary, settings, rng, known, order)
    for name in sorted(kept):  # age comes before gender, whose word depends on it
        phrases.draw(kept[name])
    return Bag(tuple(item for name in order for item in phrases.drawn[name]))


def _select(findings: Sequence[Finding], vocabulary: Vocabulary, settings: BagSettings) -> Known:
    """By name, in alphabetical order: the finding with the highest score, or the `at_most` highest of its source."""
    by_name: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda f: (f.name, -f.score, f.source, str(f.value))):
        by_name.setdefault(finding.name, []).append(finding)
    selected = {}
    for name, reported in by_name.items():
        entry = vocabulary.findings.get(name)
        if entry is None:
            continue
        floor = settings.min_scores.get(name, entry.floor)
        of_source = {f.value: f for f in reversed(reported) if f.source == reported[0].source}  # one of each value
        best = [f for f in reported if of_source.get(f.value) is f][: entry.at_most]
        usable = tuple(f for f in best if f.score >= floor and vocabulary.words(name, f.value))
        if usable:
            selected[name] = usable
    return selected


def _without_contradictions(known: Known, vocabulary: Vocabulary) -> Known:
    """Of findings that exclude each other, the one with the higher score; of equal scores, the first by name."""
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
    """F1 and F2, each shuffled; findings about the photo come last, in the vocabulary's order."""
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
    """Draw a phrase for one finding after the other, depending on those drawn before."""

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
            raise AssertionError(finding)  # _select lets none of these through
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
        if form == "number" and number > 0:  # "0 years old" is not English
            return templates.one.text if number == 1 else templates.many.text.format(years=number)
        return self.rng.choice(words.phrases).text

    def _noun_is_taken(self, name: str) -> bool:
        """Whether the bag has a noun that this one cannot join: "teenage girl" works, "girl teenager" does not."""
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
