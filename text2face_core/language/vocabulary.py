"""Vocabulary: every finding with its level, its phrases, and the grammar of each phrase.

The words are data, in vocabulary.toml; its head explains the format. Plugins provide files of the same format.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from ..errors import PluginError
from ..records import Level, Value
from ..utils import parse_toml
from .english import with_article

BUILT_IN = Path(__file__).with_name("vocabulary.toml")

PhraseRole = Literal["has", "wears", "is", "looks", "noun", "photo"]


def _inside_a_sentence(text: str) -> str:
    if text != " ".join(text.split()) or not text or set(text) & set(".,;:!?"):
        raise ValueError(
            f"{text!r} does not fit inside a sentence: write words with single spaces, without . , ; : ! ?"
        )
    return text


Words = Annotated[str, AfterValidator(_inside_a_sentence)]
Condition = bool | Annotated[str, StringConstraints(min_length=1)] | tuple[float, float]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a phrase is used in a sentence; see the head of vocabulary.toml.

    text: the phrase. before: its form before a noun, None if it has none. after: its form after a noun.
    pronoun: "she" or "he" if the value implies it.
    """

    text: str
    role: PhraseRole
    before: str | None
    after: str
    pronoun: str | None = None


def _as_table(phrase: object) -> object:
    return {"text": phrase} if isinstance(phrase, str) else phrase


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Phrase(_Entry):
    """One way to say a value."""

    text: Words
    role: PhraseRole | None = None
    before: Words | None = None
    after: Words | None = None
    when: dict[str, Condition] = {}
    unless: dict[str, Condition] = {}


PhraseOrText = Annotated[Phrase, BeforeValidator(_as_table)]


class ValueWords(_Entry):
    """All words for a value of a finding."""

    phrases: tuple[PhraseOrText, ...] = Field(min_length=1)
    also: tuple[Words, ...] = ()
    role: PhraseRole | None = None
    range: tuple[float, float] | None = None
    pronoun: Literal["she", "he"] | None = None
    pair: PhraseOrText | None = None
    excludes: tuple[str, ...] = ()
    yields_to: tuple[str, ...] = ()
    on_request: bool = False


class AgeTemplate(_Entry):
    """A phrase with placeholders for numbers."""

    text: str
    before: str
    role: PhraseRole

    def read(self, phrase: str) -> dict[str, str] | None:
        """The numbers in a phrase of this form; None for other phrases."""
        match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>\\d+)", self.text), phrase)
        return match.groupdict() if match else None


class AgeTemplates(_Entry):
    """Phrases for a number of years: `one`, `many` ({years}) or a `bracket` ({low}, {high})."""

    one: AgeTemplate
    many: AgeTemplate
    bracket: AgeTemplate


class FindingWords(_Entry):
    """All words for a finding."""

    level: Level
    role: PhraseRole
    min_score: float | None = Field(None, ge=0, le=1)
    at_most: int = Field(1, ge=1)
    excludes: tuple[str, ...] = ()
    yields_to: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    when: dict[str, Condition] = {}
    unless: dict[str, Condition] = {}
    number: AgeTemplates | None = None
    values: dict[str, ValueWords]

    @model_validator(mode="before")
    @classmethod
    def _present_or_absent(cls, entry: object) -> object:
        if not isinstance(entry, Mapping):
            return entry
        given = dict(entry)
        own = {key: given.pop(key) for key in ("phrases", "also") if key in given}
        if own and "values" in given:
            raise ValueError("put phrases either on the finding (present or absent) or on its values, not on both")
        if own:
            given["values"] = {"true": own}
        if not given.get("values"):
            raise ValueError("it has no phrases: add `phrases`, or a table of `values` with phrases")
        return given

    @model_validator(mode="after")
    def _photo_words_are_of_the_photo(self) -> Self:
        spoken = [
            (value, phrase) for value in self.values.values() for phrase in (*value.phrases, value.pair) if phrase
        ]
        roles = {phrase.role or value.role or self.role for value, phrase in spoken}
        if ("photo" in roles) != (self.level == "photo") or ("photo" in roles and len(roles) > 1):
            raise ValueError('the level "photo" and the role "photo" go together')
        return self

    @property
    def floor(self) -> float:
        """Findings with a lower score do not enter a bag."""
        if self.min_score is not None:
            return self.min_score
        return 0.5 if self.values.keys() <= {"true", "false"} else 0.0

    def key(self, value: Value) -> str | None:
        """The key of a value in `values`: "true", its own name, or the entry whose range contains the number."""
        if isinstance(value, bool):
            key = str(value).lower()
        elif isinstance(value, str):
            key = value
        else:
            key = next((k for k, v in self.values.items() if v.range and v.range[0] <= value < v.range[1]), "")
        return key if key in self.values else None


class _File(_Entry):
    findings: dict[Name, FindingWords]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words for findings by name: ours first, then each plugin's, in the order given."""

    findings: Mapping[str, FindingWords]

    @classmethod
    def load(cls, extra: Sequence[Mapping[str, Any] | Path] = ()) -> Vocabulary:
        """Load the built-in and further vocabularies (mappings or TOML files); later entries replace earlier entries.

        Raises PluginError with the file, the finding and the problem.
        """
        findings: dict[str, FindingWords] = {}
        for given in (BUILT_IN, *extra):
            findings.update(_read(given).findings)
        return cls(findings)

    def words(self, name: str, value: Value) -> ValueWords | None:
        """The words for a value; None if the vocabulary has none."""
        finding = self.findings.get(name)
        key = finding.key(value) if finding else None
        return finding.values[key] if finding and key else None

    def excluded_by(self, name: str, value: Value) -> tuple[str, ...]:
        """What cannot also be true: "goatee" of any value but False, "hair_length=bald" of this value only."""
        finding, words = self.findings.get(name), self.words(name, value)
        return (*(finding.excludes if finding else ()), *(words.excludes if words else ()))

    def grammar(self, name: str, value: Value, phrase: str) -> Grammar:
        """How a phrase of this finding is used in a sentence.

        A phrase that is not listed gets the grammar of the finding's other phrases.
        Raises PluginError for an unknown finding.

        >>> Vocabulary.load().grammar("age", 34.2, "34 years old").before
        '34-year-old'
        """
        kept = self._grammars.get((name, value, phrase))
        if kept is None:
            kept = self._grammars[name, value, phrase] = self._find_grammar(name, value, phrase)
        return kept

    def texts(self) -> Iterator[tuple[str, str, str]]:
        """Every (text, finding, key of the value): phrases, their other forms, and `also`."""
        for name, finding in self.findings.items():
            for key, value in finding.values.items():
                phrases = (*value.phrases, value.pair) if value.pair else value.phrases
                forms = [form for p in phrases for form in (p.text, p.before, p.after) if form]
                yield from ((text, name, key) for text in dict.fromkeys((*forms, *value.also)))

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with any word."""
        plain = {name: finding.model_dump(mode="json") for name, finding in sorted(self.findings.items())}
        return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16).hexdigest()

    @cached_property
    def _grammars(self) -> dict[tuple[str, Value, str], Grammar]:
        return {}

    def _find_grammar(self, name: str, value: Value, phrase: str) -> Grammar:
        finding = self.findings.get(name)
        if finding is None:
            raise PluginError(f'the vocabulary has no words for the finding "{name}"; its plugin should provide them')
        words = self.words(name, value)
        for listed in (*words.phrases, words.pair) if words else ():
            if listed and words and listed.text == phrase:
                role = listed.role or words.role or finding.role
                return _grammar(phrase, role, listed.before, listed.after, words.pronoun)
        for template in (finding.number.one, finding.number.many, finding.number.bracket) if finding.number else ():
            numbers = template.read(phrase)
            if numbers is not None:
                return _grammar(phrase, template.role, template.before.format(**numbers), None, None)
        role = (words.role if words else None) or finding.role
        return _grammar(phrase, role, None, None, words.pronoun if words else None)


def _grammar(text: str, role: PhraseRole, before: str | None, after: str | None, pronoun: str | None) -> Grammar:
    return Grammar(text, role, before, after or (with_article(text) if role == "noun" else text), pronoun)


def _read(given: Mapping[str, Any] | Path) -> _File:
    where = given.name if isinstance(given, Path) else "a plugin's vocabulary"
    try:
        content = parse_toml(given.read_bytes()) if isinstance(given, Path) else given
        return _File.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise PluginError(f"{where}: {place}: {what}{more}. The head of {BUILT_IN.name} explains the format") from None
    except (OSError, ValueError) as error:  # ValueError: not TOML, or not UTF-8
        raise PluginError(f"{where} is not readable as a vocabulary: {error}") from None
