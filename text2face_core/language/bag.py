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
_SAME_AGE = 10  # years between two sources that count as agreement
LEVELS: tuple[Level, ...] = ("F1", "F2", "photo")
Known = Mapping[str, tuple[Finding, ...]]


class DropRule(Options):
    """Drop the finding `drop` with `probability` if any finding of `when` is present too, or always if it is empty.

    Findings are named with or without a value: "smiling", "mouth_openness=closed".
    """

    drop: str
    when: tuple[str, ...] = ()
    probability: Probability


class BagSettings(Options):
    """How findings become words."""

    leave_out: tuple[str, ...] = Field((), description="findings that never enter a bag")
    min_scores: dict[str, Probability] = Field({}, description="minimum score by finding; overrides the vocabulary's")
    absences: tuple[str, ...] = Field(
        (), description="findings whose absence is mentioned too, such as eyeglasses: without glasses"
    )
    prefer: dict[str, tuple[str, ...]] = Field(
        {}, description="plugins that decide a finding by themselves, in order; overrides the vocabulary's"
    )
    age_forms: tuple[AgeForm, ...] = Field(
        ("number", "bracket", "word"), min_length=1, description="forms of age, each equally likely"
    )
    age_noise: float = Field(
        1 / 15, ge=0, lt=1, description="largest random change of an age in years, as a share of it"
    )
    exact_age: Probability = Field(
        0.0, description="score of an age below which it is given as a bracket or a word, never as a number"
    )
    age_bracket: int = Field(5, ge=1, description="years on either side of the age in a bracket, at most")
    drops: tuple[DropRule, ...] = Field(
        (DropRule(drop="attractive", when=("heavy_makeup", "wearing_lipstick"), probability=0.8),),
        description="findings dropped at random: models predict some together too often, and some, such as a closed "
        "mouth, are true of nearly everybody",
    )


def check_names(settings: BagSettings, vocabulary: Vocabulary) -> None:
    """Raise RecipeError if the settings name a finding that has no words; a misspelt name would have no effect."""
    named = {
        "leave_out": settings.leave_out,
        "min_scores": tuple(settings.min_scores),
        "absences": settings.absences,
        "prefer": tuple(settings.prefer),
    }
    named["drops"] = tuple(name for rule in settings.drops for name in (rule.drop, *rule.when))
    for setting, names in named.items():
        for given in names:
            name, _, value = given.partition("=") if setting == "drops" else (given, "", "")
            if name in vocabulary.findings and value and value not in (values := vocabulary.findings[name].values):
                raise RecipeError(f"bag.{setting}: {name} has no value {value}; there are: {', '.join(sorted(values))}")
            if name not in vocabulary.findings:
                near = difflib.get_close_matches(name, vocabulary.findings, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(sorted(vocabulary.findings))}"
                raise RecipeError(f'bag.{setting}: no finding of this run is called "{name}"; {hint}')


def unknown_names(findings: Sequence[Finding], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Names of findings without words in the vocabulary, sorted; `draw_bag` ignores these findings."""
    return tuple(sorted({finding.name for finding in findings} - vocabulary.findings.keys()))


def draw_bag(findings: Sequence[Finding], vocabulary: Vocabulary, settings: BagSettings, rng: random.Random) -> Bag:
    """Draw the bag of words for a caption.

    If several extractors report a finding, the preferred extractor or the majority decides; without either, the
    finding is left out.
    Findings that are below their minimum score, excluded by a sharper or surer finding, absent (unless the settings
    ask for absences), or not in the vocabulary are ignored; a bag may be empty. Equal findings, in any order, and an
    equally seeded `rng` give equal bags.
    """
    known = _select(findings, vocabulary, settings)
    present = {name for values in known.values() for finding in values for name in (finding.name, _label(finding))}
    dropped = {
        rule.drop
        for rule in settings.drops
        if rule.drop in present
        and (not rule.when or not present.isdisjoint(rule.when))
        and rng.random() < rule.probability
    }
    kept = {
        name: values
        for name, values in _without_contradictions(known, vocabulary).items()
        if dropped.isdisjoint((name, *map(_label, values)))
        and name not in settings.leave_out
        and _applies(vocabulary.findings[name], known)
    }
    order = _draw_order(kept, vocabulary, rng)
    phrases = _Phrases(vocabulary, settings, rng, known, order)
    for name in sorted(kept):  # age comes before gender, whose word depends on it
        phrases.draw(kept[name])
    return Bag(tuple(item for name in order for item in phrases.drawn[name]))


def trim_bag(bag: Bag, vocabulary: Vocabulary, most_words: int) -> Bag:
    """Drop findings until a caption of `most_words` words has room for the rest.

    First the last findings of F2 go, until one is left, then what is said of the photo, then that finding, and then
    what is neither an age nor a noun, such as the ethnicity. Two emotions stay or go together. The number of words is
    an estimate of "A 34-year-old woman with bangs and a hat".
    """
    details, photo = (list(dict.fromkeys(item.name for item in bag.at(level))) for level in ("F2", "photo"))
    nouns = [item.name for item in bag.at("F1") if _is_subject(item, vocabulary)]
    about = [item.name for item in bag.at("F1") if item.name not in nouns]
    for name in (*details[:0:-1], *reversed(photo), *details[:1], *reversed(about)):
        if len(bag.items) == 1 or _words_needed(bag, vocabulary) <= most_words:
            break
        bag = Bag(tuple(item for item in bag.items if item.name != name))
    return bag


def _is_subject(item: BagItem, vocabulary: Vocabulary) -> bool:
    """Whether the item can be the subject of a caption: an age or a noun, such as "woman"."""
    entry = vocabulary.findings[item.name]
    return entry.number is not None or entry.role == "noun"


def _words_needed(bag: Bag, vocabulary: Vocabulary) -> int:
    grammars = {item: vocabulary.grammar(item.name, item.value, item.phrase) for item in bag.items}
    nouns = [number for number, item in enumerate(bag.at("F1")) if grammars[item].role == "noun"]
    first = [  # "a white woman who is 34 years old": what follows the noun is not shortened
        f"who is {item.phrase}" if nouns and number > nouns[0] else grammars[item].before or item.phrase
        for number, item in enumerate(bag.at("F1"))
    ]
    details, photo = bag.at("F2"), [item.phrase for item in bag.at("photo")]
    joints = len({grammars[item].role for item in details}) + (len(details) > 1)
    words = sum(len(text.split()) for text in (*first, *(item.phrase for item in details), *photo))
    further = words // 5 + 5 * (words // 20)  # pronouns, verbs and "also" of further sentences
    return 1 + words + joints + 3 * bool(photo) + further


def _select(findings: Sequence[Finding], vocabulary: Vocabulary, settings: BagSettings) -> Known:
    """Findings by name, in alphabetical order: the value that sources agree on, or a source's `at_most` highest values.

    The minimum score applies to the highest value; a second emotion may have a lower score.
    """
    by_name: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda f: (f.name, -f.score, f.source, str(f.value))):
        by_name.setdefault(finding.name, []).append(finding)
    selected = {}
    for name, reported in by_name.items():
        entry = vocabulary.findings.get(name)
        if entry is None:
            continue
        floor = settings.min_scores.get(name, entry.floor)
        agreed = _agree(reported, entry, floor, settings.prefer.get(name, entry.prefer))
        of_source = {f.value: f for f in reversed(agreed) if f.source == agreed[0].source}  # one of each value
        best = [f for f in agreed if of_source.get(f.value) is f][: entry.at_most]
        usable = (
            tuple(f for f in best if _has_words(f, vocabulary, settings)) if best and best[0].score >= floor else ()
        )
        if usable:
            selected[name] = usable
    return selected


def _has_words(finding: Finding, vocabulary: Vocabulary, settings: BagSettings) -> bool:
    """Whether a value may be mentioned: an absence only if the settings ask for it."""
    words = vocabulary.words(finding.name, finding.value)
    return words is not None and (not words.on_request or finding.name in settings.absences)


def _agree(reported: Sequence[Finding], entry: FindingWords, floor: float, prefer: Sequence[str]) -> list[Finding]:
    """The findings of the sources that prevail, highest score first.

    A preferred source decides by itself. Otherwise the value that most sources report wins, whatever their scores; if
    as many report something else, the finding is left out. Reports below the minimum score have no vote.
    """
    for source in prefer:
        own = [f for f in reported if (f.source == source or f.source.startswith(f"{source}.")) and f.score >= floor]
        if own:
            return own
    if entry.at_most > 1:
        return list(reported)  # mixed emotions do not contradict each other
    votes = [next(f for f in reported if f.source == source) for source in dict.fromkeys(f.source for f in reported)]
    votes = [vote for vote in votes if vote.score >= floor]
    camps: list[list[Finding]] = []
    for vote in votes:
        camp = next((camp for camp in camps if _same_value(camp[0], vote)), None)
        if camp is None:
            camps.append([vote])
        else:
            camp.append(vote)
    camps.sort(key=len, reverse=True)
    if not camps or (len(camps) > 1 and len(camps[0]) == len(camps[1])):
        return []
    return camps[0]


def _same_value(one: Finding, other: Finding) -> bool:
    numbers = [f.value for f in (one, other) if isinstance(f.value, int | float) and not isinstance(f.value, bool)]
    return abs(numbers[0] - numbers[1]) <= _SAME_AGE if len(numbers) == 2 else one.value == other.value


def _without_contradictions(known: Known, vocabulary: Vocabulary) -> Known:
    """Of findings that exclude each other, keep the more precise, else the higher score, else the first by name."""
    everything = [f for values in known.values() for f in values]
    precise = [f for f in everything if not _yields(f, everything, vocabulary)]
    kept: list[Finding] = []
    said: set[str] = set()
    excluded: set[str] = set()
    for finding in sorted(precise, key=lambda f: (-f.score, f.name, str(f.value))):
        names, excludes = _names(finding), vocabulary.excluded_by(finding.name, finding.value)
        if excluded.isdisjoint(names) and said.isdisjoint(excludes):
            kept.append(finding)
            said.update(names)
            excluded.update(excludes)
    return {name: left for name, values in known.items() if (left := tuple(f for f in values if f in kept))}


def _yields(finding: Finding, everything: Sequence[Finding], vocabulary: Vocabulary) -> bool:
    """Whether another finding is a more precise form of this finding."""
    words = vocabulary.words(finding.name, finding.value)
    listed = {*vocabulary.findings[finding.name].yields_to, *(words.yields_to if words else ())}
    return bool(listed) and any(
        other.name != finding.name and not listed.isdisjoint((other.name, _label(other))) for other in everything
    )


def _names(finding: Finding) -> tuple[str, ...]:
    """Names of a finding in the vocabulary's lists of exclusions; an absence is only named with its value."""
    return (_label(finding),) if finding.value is False else (finding.name, _label(finding))


def _label(finding: Finding) -> str:
    """A finding with its value, as settings and the vocabulary write it: "hair_length=long", "smiling=true"."""
    return f"{finding.name}={_text(finding.value)}"


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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
    """Draw a phrase for each finding in turn, depending on the phrases drawn before."""

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
            return self._age(finding, words, entry.number)
        if words.pair and count > 1:
            return words.pair.text
        fitting = [phrase for phrase in words.phrases if _applies(phrase, self.known)] or list(words.phrases)
        nouns = [phrase for phrase in fitting if (phrase.role or words.role or entry.role) == "noun"]
        others = [phrase for phrase in fitting if phrase not in nouns]
        if nouns and others:
            fitting = others if self._noun_is_taken(finding.name) else nouns
        return self.rng.choice(fitting).text

    def _age(self, finding: Finding, words: ValueWords, templates: AgeTemplates) -> str:
        years, forms = float(finding.value), self.settings.age_forms
        if finding.score < self.settings.exact_age:
            forms = tuple(form for form in forms if form != "number") or forms
        form = self.rng.choice(forms)
        noise = self.rng.uniform(-self.settings.age_noise, self.settings.age_noise)
        number, middle, reach = round(years * (1 + noise)), round(years), self._reach(finding)
        if form == "bracket":
            return templates.bracket.text.format(low=max(0, middle - reach), high=middle + reach)
        if form == "number" and number > 0:  # "0 years old" is not English
            return templates.one.text if number == 1 else templates.many.text.format(years=number)
        return self.rng.choice(words.phrases).text

    def _reach(self, finding: Finding) -> int:
        """Years on either side of an age: fewer if its extractor knows it better, as that of a child."""
        spread = finding.detail.get("std") if isinstance(finding.detail, Mapping) else None
        most = self.settings.age_bracket
        return max(1, min(most, round(spread))) if isinstance(spread, int | float) else most

    def _noun_is_taken(self, name: str) -> bool:
        """Whether the bag has a noun that this noun cannot join: "teenage girl" works, "girl teenager" does not."""
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
