"""What a caption says of its bag: which findings it mentions, which it misses, which it invents.

A caption is read once (reader.py), which gives claims: "brown hair", "a woman", "no glasses". Each is then held against
the bag. What it takes to mention a finding, and which words say something that the bag does not hold, is data:
vocabulary.toml and plugins' vocabularies first, then reading.toml and plain_words.toml.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ...records import Bag, BagItem
from .. import Vocabulary
from .ages import Age
from .lexicon import INVENTED, TOKEN, Claim, Key, Kind, Lexeme, base_lexicon, lowered, split_words
from .reader import Reader, Said
from .vocabulary_words import add_vocabulary, is_understood, without_article

_SAME: dict[Key, Key] = {
    ("male", "true"): ("gender", "male"),
    ("male", "false"): ("gender", "female"),
    ("mouth_slightly_open", "true"): ("mouth_openness", "slightly_open"),
    ("hair_length", "bald"): ("bald", "true"),
}
"""Two names of one characteristic."""
_AGES = {"age", "young"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Names of findings. mentioned and missed together are the bag's names, in its order; invented as they appear.

    A finding that the bag holds twice (two emotions) is two entries. invented: canonical names, and "other" for
    whatever no finding says.
    """

    mentioned: tuple[str, ...]
    missed: tuple[str, ...]
    invented: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether everything is said and nothing is added."""
        return not self.missed and not self.invented


@dataclass(frozen=True, slots=True)
class Span:
    """text[start:end] mentions or invents a finding."""

    start: int
    end: int
    name: str
    kind: Literal["mentioned", "invented"]


def check_caption(text: str, bag: Bag, vocabulary: Vocabulary) -> Verdict:
    """Read a caption against its bag.

    >>> bag = Bag((BagItem("age", 34.2, "34 years old", "F1"), BagItem("wearing_hat", True, "a hat", "F2")))
    >>> check("A 34-year-old with glasses", bag, Vocabulary.load())
    Verdict(mentioned=('age',), missed=('wearing_hat',), invented=('eyeglasses',))
    """
    held = _Held(bag, vocabulary)
    found: set[int] = set()
    invented: dict[str, None] = {}
    for said in held.reader.read(split_words(text)):
        mentioned, name = held.judge(said)
        found.update(mentioned)
        if name:
            invented[name] = None
    names = bag.names
    return Verdict(
        tuple(name for number, name in enumerate(names) if number in found),
        tuple(name for number, name in enumerate(names) if number not in found),
        tuple(invented),
    )


def spans(text: str, bag: Bag, vocabulary: Vocabulary) -> list[Span]:
    """Where a caption mentions findings and where it invents some, by place; spans may overlap."""
    held = _Held(bag, vocabulary)
    matches = list(TOKEN.finditer(lowered(text)))
    found: dict[Span, None] = {}
    for said in held.reader.read([match[0] for match in matches]):
        start, end = matches[said.start].start(), matches[said.end - 1].end()
        mentioned, name = held.judge(said)
        for number in mentioned:
            found[Span(start, end, bag.items[number].name, "mentioned")] = None
        if name:
            found[Span(start, end, name, "invented")] = None
    return sorted(found, key=lambda span: (span.start, span.end))


class _Held:
    """A bag, by what words may say of it."""

    def __init__(self, bag: Bag, vocabulary: Vocabulary) -> None:
        self.items = bag.items
        self.reader = _reader(bag, vocabulary)
        self.vocabulary = vocabulary
        self.keys: dict[Key, list[int]] = {}
        self.ages = []
        for number, item in enumerate(bag.items):
            if item.name in _AGES:
                self.ages.append(number)
            key = _key(item, vocabulary)
            self.keys.setdefault(_SAME.get(key, key), []).append(number)

    def judge(self, said: Said) -> tuple[list[int], str]:
        """(numbers of the items that this mentions, the name that it invents or "")."""
        claim = said.claim
        if claim.age:
            return ([], "") if said.denied else self._age(claim.age)
        keys = self.keys
        if said.denied:
            if not claim.denied:
                return [], "" if said.doubtful else self._denied(claim)
            claim = self.reader.lexicon.meaning(claim.denied)[0]
        mentioned = [number for key in claim.mentions if key in keys for number in keys[key]]
        if said.literal:
            mentioned = [number for number in mentioned if said.literal in split_words(self.items[number].phrase)]
        if claim.first:
            mentioned = mentioned[:1]
        if mentioned or said.doubtful:
            return mentioned, ""
        for key in claim.denies:
            if key in keys:
                return [], key[0]
        if any(key in keys for key in claim.passes):
            return [], ""
        return [], claim.invents

    def _denied(self, claim: Claim) -> str:
        """A finding of the bag that words say is not there."""
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
    # A value in other words than ours, such as "Woman", is what its phrase says.
    said = (item.name, value) if value else _key_of_phrase(vocabulary, item.name, item.phrase)
    return said or (item.name, str(item.value).lower())


@lru_cache(maxsize=4096)
def _key_of_phrase(vocabulary: Vocabulary, name: str, phrase: str) -> Key | None:
    _, reader = _of_vocabulary(vocabulary)
    keys = (key for said in reader.read(split_words(phrase)) if not said.denied for key in said.claim.mentions)
    return next((key for key in keys if key[0] in {name, INVENTED.get(name)}), None)


@lru_cache(maxsize=4096)
def _reach(vocabulary: Vocabulary, phrase: str) -> Age | None:
    """The years that a bag's word for an age stands for."""
    _, reader = _of_vocabulary(vocabulary)
    return next((said.claim.age for said in reader.read(split_words(phrase)) if said.claim.age), None)


def _reader(bag: Bag, vocabulary: Vocabulary) -> Reader:
    """A reader that knows a vocabulary, and those phrases of a bag that are neither listed there nor plain English."""
    listed, reader = _of_vocabulary(vocabulary)
    own = [
        lexeme
        for item in bag.items
        if item.phrase not in listed and item.name not in _AGES
        if (lexeme := _own_phrase(reader, item.phrase, _key(item, vocabulary)))
    ]
    return Reader(reader.lexicon, own) if own else reader


@lru_cache(maxsize=8)
def _of_vocabulary(vocabulary: Vocabulary) -> tuple[frozenset[str], Reader]:
    """(texts of a vocabulary, a reader that knows them)."""
    lexicon = base_lexicon()
    add_vocabulary(lexicon, vocabulary.texts(), _SAME)
    return frozenset(text for text, _, _ in vocabulary.texts()), Reader(lexicon)


@lru_cache(maxsize=4096)
def _own_phrase(reader: Reader, phrase: str, key: Key) -> Lexeme | None:
    key = _SAME.get(key, key)
    words = without_article(split_words(phrase))
    if not words or is_understood(reader, phrase, key):
        return None
    return Lexeme(Kind.WORD, " ".join(words), (Claim(mentions=(key,), invents=key[0]),))
