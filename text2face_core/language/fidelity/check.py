"""Fidelity of a caption to its bag: the findings that it mentions, misses and invents.

A caption is parsed once (parser.py) into statements: "brown hair", "a woman", "no glasses". Each is then compared with
the bag. Which words mention a finding, and which say something that the bag does not hold, is data: vocabulary.toml
and plugins' vocabularies first, then meanings.toml, nouns.toml and filler_words.toml.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ...records import Bag, BagItem
from .. import Vocabulary
from .ages import Age
from .contradictions import contradictory_findings
from .lexemes import TOKEN, Claim, Key, Lexeme, WordClass, lower_text, split_words
from .lexicon import INVENTED
from .parser import Parser, Statement
from .vocabulary_terms import add_vocabulary, is_understood, without_article
from .word_lists import base_lexicon

SAME: dict[Key, Key] = {
    ("male", "true"): ("gender", "male"),
    ("male", "false"): ("gender", "female"),
    ("mouth_slightly_open", "true"): ("mouth_openness", "slightly_open"),
    ("hair_length", "bald"): ("bald", "true"),
}
"""Findings that are two names of the same characteristic."""
_AGES = {"age", "young"}
_UNKNOWN = {WordClass.UNKNOWN, WordClass.FOREIGN}


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How faithful a caption is to its bag, by names of findings.

    Attributes:
        mentioned: findings of the bag that the caption mentions, in the bag's order. Two emotions are two entries.
        missed: the findings of the bag that it does not mention.
        invented: what it says beyond the bag, in order of appearance: canonical names, and "other" for anything that is
            not a finding.
    """

    mentioned: tuple[str, ...]
    missed: tuple[str, ...]
    invented: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether every finding is mentioned and nothing is invented."""
        return not self.missed and not self.invented


@dataclass(frozen=True, slots=True)
class Span:
    """text[start:end] mentions or invents a finding."""

    start: int
    end: int
    name: str
    kind: Literal["mentioned", "invented"]


def check_caption(text: str, bag: Bag, vocabulary: Vocabulary, allowed: Collection[str] = ()) -> Fidelity:
    """Compare a caption with its bag.

    allowed: words and phrases that are never inventions, such as the trigger word of a fuser.

    >>> bag = Bag((BagItem("age", 34.2, "34 years old", "F1"), BagItem("wearing_hat", True, "a hat", "F2")))
    >>> check_caption("A 34-year-old with glasses", bag, Vocabulary.load())
    Fidelity(mentioned=('age',), missed=('wearing_hat',), invented=('eyeglasses',))
    """
    index = _BagIndex(bag, vocabulary, tuple(allowed))
    found: set[int] = set()
    invented: dict[str, None] = {}
    tokens = split_words(text)
    free = _positions_of(allowed, tokens)
    for statement in index.parser.parse(tokens):
        mentioned, name = index.judge(statement)
        found.update(mentioned)
        if name and statement.said_at not in free:
            invented[name] = None
    names = bag.names
    return Fidelity(
        tuple(name for number, name in enumerate(names) if number in found),
        tuple(name for number, name in enumerate(names) if number not in found),
        tuple(invented),
    )


def find_language_flaw(text: str, vocabulary: Vocabulary) -> str:
    """Why a text is not English to its end, in a few words: "not English" or "unfinished"; "" if it is.

    >>> find_language_flaw("A woman with a hat. Ella lleva barba.", Vocabulary.load())
    'not English'
    """
    return _of_vocabulary(vocabulary)[1].language_flaw(split_words(text))


def find_contradictions(text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Names of findings about which a text contradicts itself, without any bag.

    >>> find_contradictions("A bald woman with long hair; he is 33.", Vocabulary.load())
    ('hair_length', 'gender')
    """
    parser = _of_vocabulary(vocabulary)[1]
    return contradictory_findings(parser.parse(split_words(text)), vocabulary, SAME)


def spans(text: str, bag: Bag, vocabulary: Vocabulary, allowed: Collection[str] = ()) -> list[Span]:
    """The places where a caption mentions or invents findings, from left to right; spans may overlap."""
    index = _BagIndex(bag, vocabulary, tuple(allowed))
    matches = list(TOKEN.finditer(lower_text(text)))
    found: dict[Span, None] = {}
    tokens = [match[0] for match in matches]
    free = _positions_of(allowed, tokens)
    for statement in index.parser.parse(tokens):
        start, end = matches[statement.start].start(), matches[statement.end - 1].end()
        mentioned, name = index.judge(statement)
        for number in mentioned:
            found[Span(start, end, bag.items[number].name, "mentioned")] = None
        if name and statement.said_at not in free:
            found[Span(start, end, name, "invented")] = None
    return sorted(found, key=lambda span: (span.start, span.end))


class _BagIndex:
    """A bag, indexed by the claims that words can make about it."""

    def __init__(self, bag: Bag, vocabulary: Vocabulary, allowed: tuple[str, ...]) -> None:
        self.items = bag.items
        self.parser = _parser(bag, vocabulary, allowed)
        self.vocabulary = vocabulary
        self.keys: dict[Key, list[int]] = {}
        self.ages = []
        for number, item in enumerate(bag.items):
            if item.name in _AGES:
                self.ages.append(number)
            key = _key(item, vocabulary)
            self.keys.setdefault(SAME.get(key, key), []).append(number)

    def judge(self, statement: Statement) -> tuple[list[int], str]:
        """(indices of the items that this mentions, the name that it invents or "")."""
        claim = statement.claim
        if claim.age:
            return ([], "") if statement.negated else self._age(claim.age)
        keys = self.keys
        if statement.negated and not claim.when_negated:
            names = [name for name, value in claim.mentions if value == "true"]
            absent = [number for name in names for number in keys.get((name, "false"), ())]
            return absent, "" if absent or statement.tentative else self._contradicted(claim)
        if statement.negated:
            claim = self.parser.lexicon.meaning(claim.when_negated)[0]
        mentioned = [number for key in claim.mentions if key in keys for number in keys[key]]
        if statement.literal:
            mentioned = [number for number in mentioned if statement.literal in split_words(self.items[number].phrase)]
        if claim.first_only:
            mentioned = mentioned[:1]
        if mentioned or statement.tentative:
            return mentioned, ""
        for key in claim.contradicts:
            if key in keys:
                return [], key[0]
        if any(key in keys for key in claim.permits):
            return [], ""
        return [], claim.invents

    def _contradicted(self, claim: Claim) -> str:
        """The finding of the bag whose presence a negated claim denies, or ""."""
        for key in claim.mentions:
            if key in self.keys and (key[0] == claim.invents or len(claim.mentions) == 1) and key[0] != "gender":
                name = self.items[self.keys[key][0]].name
                return INVENTED.get(name, name)
        return ""

    def _age(self, age: Age) -> tuple[list[int], str]:
        fitting = [
            number
            for number in self.ages
            if age.fits(self.items[number], _reach(self.vocabulary, self.items[number].phrase))
        ]
        return fitting, "" if fitting else "age"


def _key(item: BagItem, vocabulary: Vocabulary) -> Key:
    finding = vocabulary.findings.get(item.name)
    if finding is None:
        return item.name, str(item.value).lower()
    value = finding.key(item.value)
    # A value that is not ours, such as "Woman", means what its phrase says.
    key = (item.name, value) if value else _key_of_phrase(vocabulary, item.name, item.phrase)
    return key or (item.name, str(item.value).lower())


@lru_cache(maxsize=4096)
def _key_of_phrase(vocabulary: Vocabulary, name: str, phrase: str) -> Key | None:
    _, parser = _of_vocabulary(vocabulary)
    keys = (key for one in parser.parse(split_words(phrase)) if not one.negated for key in one.claim.mentions)
    return next((key for key in keys if key[0] in {name, INVENTED.get(name)}), None)


@lru_cache(maxsize=4096)
def _reach(vocabulary: Vocabulary, phrase: str) -> Age | None:
    """The years that a bag's word for an age covers; None if the phrase is not about age."""
    _, parser = _of_vocabulary(vocabulary)
    return next((one.claim.age for one in parser.parse(split_words(phrase)) if one.claim.age), None)


def _positions_of(phrases: Collection[str], tokens: Sequence[str]) -> set[int]:
    """Positions of all tokens that belong to any of these phrases."""
    found: set[int] = set()
    for phrase in phrases:
        words = split_words(phrase)
        for at in range(len(tokens) - len(words) + 1):
            if words and list(tokens[at : at + len(words)]) == words:
                found.update(range(at, at + len(words)))
    return found


def _parser(bag: Bag, vocabulary: Vocabulary, allowed: tuple[str, ...]) -> Parser:
    """A parser for a vocabulary and for the bag's phrases that are neither in it nor plain English."""
    listed, parser = _of_vocabulary(vocabulary)
    own = [
        lexeme
        for item in bag.items
        if item.phrase not in listed and item.name not in _AGES
        if (lexeme := _own_phrase(parser, item.phrase, _key(item, vocabulary)))
    ]
    # as an intensifier, an unknown word separates no modifier from its noun: "black ohwx hair"
    own += [Lexeme(WordClass.INTENSIFIER, phrase) for phrase in allowed if _is_unknown(parser, phrase)]
    return Parser(parser.lexicon, own) if own else parser


@lru_cache(maxsize=4096)
def _is_unknown(parser: Parser, phrase: str) -> bool:
    words = split_words(phrase)
    known = parser.lexicon.find(phrase) if words else None
    return known is None and any(parser.lexicon.word(word).word_class in _UNKNOWN for word in words)


def parser_of(vocabulary: Vocabulary) -> Parser:
    """The parser that knows the words of a vocabulary."""
    return _of_vocabulary(vocabulary)[1]


@lru_cache(maxsize=8)
def _of_vocabulary(vocabulary: Vocabulary) -> tuple[frozenset[str], Parser]:
    """(phrases of a vocabulary, a parser that knows them)."""
    lexicon = base_lexicon()
    add_vocabulary(lexicon, vocabulary.texts(), SAME)
    return frozenset(text for text, _, _ in vocabulary.texts()), Parser(lexicon)


@lru_cache(maxsize=4096)
def _own_phrase(parser: Parser, phrase: str, key: Key) -> Lexeme | None:
    key = SAME.get(key, key)
    words = without_article(split_words(phrase))
    if not words or is_understood(parser, phrase, key):
        return None
    return Lexeme(WordClass.TERM, " ".join(words), (Claim(mentions=(key,), invents=key[0]),))
