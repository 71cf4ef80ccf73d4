"""The words that captions are read with: reading.toml, nouns.toml and plain_words.toml, by token.

A caption is read word by word, so each word or phrase stands here for one `Lexeme`: a noun that qualities are said of,
a quality, a word with a meaning of its own, or one of the kinds of words that only hold a sentence together.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, auto
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from .ages import Age

Key = tuple[str, str]
"""A finding and its value; ("brown_hair", "true")."""

TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:\.\d+)?(?:'?[a-z]+)?|(?<!\w)-+|-+(?!\w)|[^\w\s-]|\n")
_PLAIN_SIGNS = {0x2019: "'", 0x2010: "-", 0x2011: "-"}
"""Some models write 34\u2011year\u2011old with hyphens that break no line."""
_HERE = Path(__file__).parent


class Kind(IntEnum):
    """What a word does in a sentence."""

    PLAIN = auto()
    DEGREE = auto()
    ARTICLE = auto()
    OWNER = auto()
    LINK = auto()
    JOINT = auto()
    COMMA = auto()
    STOP = auto()
    BREAK = auto()
    DENIAL = auto()
    QUALITY = auto()
    NOUN = auto()
    WORD = auto()
    AGE = auto()
    UNKNOWN = auto()
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class Claim:
    """What words say of a bag; the head of reading.toml explains the fields."""

    mentions: tuple[Key, ...] = ()
    passes: tuple[Key, ...] = ()
    denies: tuple[Key, ...] = ()
    invents: str = ""
    denied: str = ""
    instead: bool = False
    first: bool = False
    not_of: tuple[str, ...] = ()
    age: Age | None = None


OTHER = Claim(invents="other")
Claims = tuple[Claim, ...]


@dataclass(slots=True, eq=False)
class Noun:
    """What qualities mean when they are said of a noun."""

    name: str
    qualities: dict[str, Claims] = field(default_factory=dict)
    like: Noun | None = None

    def meaning(self, quality: str) -> Claims | None:
        """What a quality says of this noun; None where that is not listed."""
        found = self.qualities.get(quality)
        return self.like.meaning(quality) if found is None and self.like else found


@dataclass(slots=True, eq=False)
class Lexeme:
    """A word or phrase.

    weak: a quality that says nothing where its noun gives it no meaning. anywhere: what a quality could mean of any
    noun. within: what words inside a phrase say besides ("bags under her eyes").
    """

    kind: Kind
    text: str
    claims: Claims = ()
    noun: Noun | None = None
    weak: bool = False
    anywhere: Claim | None = None
    within: Claims = ()


Listed = tuple[tuple[str, ...], Lexeme]
"""A phrase by its tokens, and what it is."""


def lowered(text: str) -> str:
    """The text in lower case, each letter in its place, with plain signs for typographic ones."""
    if not text.isascii():
        # lower() may change the length of letters that are not English; those say nothing, so each becomes one letter
        text = "".join(letter if len(letter.lower()) == 1 else "\u00e9" for letter in text).translate(_PLAIN_SIGNS)
    return text.lower()


def split_words(text: str) -> list[str]:
    """Words, numbers and marks in lower case; a hyphen inside a word only parts it."""
    return TOKEN.findall(lowered(text))


@dataclass(eq=False)
class Lexicon:
    """Lexemes: words by their token, phrases by their first two, the longest first."""

    singles: dict[str, Lexeme] = field(default_factory=dict)
    phrases: dict[tuple[str, str], list[Listed]] = field(default_factory=dict)
    claims: dict[str, Claims] = field(default_factory=dict)
    nouns: dict[str, Noun] = field(default_factory=dict)
    after_denial: frozenset[str] = frozenset()
    talk: frozenset[str] = frozenset()
    english: frozenset[str] = frozenset()
    _stems: dict[str, Lexeme] = field(default_factory=dict)

    def word(self, token: str) -> Lexeme:
        """The lexeme of one token, by its stem where the form itself is not listed."""
        found = self.singles.get(token) or self._stems.get(token)
        if found is None:
            found = next(
                (one for stem in _stems(token) if (one := self.singles.get(stem)) and _inflects(one, token)), None
            )
            found = found or Lexeme(_unlisted(token), token)
            if len(self._stems) < 100_000:
                self._stems[token] = found
        return found

    def find(self, text: str) -> Lexeme | None:
        """The lexeme of exactly this word or phrase."""
        words = tuple(split_words(text))
        if len(words) == 1:
            return self.singles.get(words[0])
        return next((lexeme for listed, lexeme in self.phrases.get((words[0], words[1]), ()) if listed == words), None)

    def add(self, text: str, lexeme: Lexeme, *, first: bool = False) -> None:
        """List a phrase; one that is listed already stays, unless `first`."""
        words = tuple(split_words(text))
        if not words:
            return
        if len(words) == 1:
            if first or words[0] not in self.singles:
                self.singles[words[0]] = lexeme
            return
        here = self.phrases.setdefault((words[0], words[1]), [])
        known = [number for number, (listed, _) in enumerate(here) if listed == words]
        if not known:
            here.append((words, lexeme))
            here.sort(key=lambda one: -len(one[0]))
        elif first:
            here[known[0]] = (words, lexeme)

    def add_quality(self, noun: Noun, text: str, claims: Claims) -> None:
        """Let a quality mean something of a noun; what it meant before it means as well."""
        text = " ".join(split_words(text))
        before = noun.qualities.get(text, ())
        if before and claims and before[0] not in {OTHER, claims[0]}:
            claims = (merged(before[0], claims[0]), *before[1:])
        noun.qualities[text] = claims
        known = self.find(text)
        if known and known.kind is Kind.WORD:
            known.kind = Kind.QUALITY
        elif not known:
            self.add(text, Lexeme(Kind.QUALITY, text))

    def meaning(self, text: str) -> Claims:
        """Claims as reading.toml writes them: "brown_hair", "hair_length=short", "@dark_hair", several with +."""
        found: list[Claim] = []
        for part in filter(None, (part.strip() for part in text.split("+"))):
            if part == "other":
                found.append(OTHER)
            elif part.startswith("@"):
                found += self.claims[part[1:]]
            elif part.startswith("age "):
                found.append(_age(part.removeprefix("age ")))
            else:
                key = _key(part)
                not_of = tuple(own_words()["not_of"].get(key[0], ()))
                found.append(Claim(mentions=(key,), invents=INVENTED.get(key[0], key[0]), not_of=not_of))
        return tuple(found)


INVENTED = {"young": "age", "male": "gender", "mouth_slightly_open": "mouth_openness"}


def _claim(given: Mapping[str, Any]) -> Claim:
    keys = {name: tuple(map(_key, given.get(name, ()))) for name in ("mentions", "passes", "denies")}
    return Claim(
        keys["mentions"],
        keys["passes"],
        keys["denies"],
        given.get("invents", ""),
        given.get("denied", ""),
        given.get("instead", False),
        given.get("first", False),
        tuple(given.get("not_of", ())),
    )


def _age(years: str) -> Claim:
    low, high = years.split("-")
    return Claim(invents="age", age=Age(float(low), float(high), "word"))


def _key(text: str) -> Key:
    name, _, value = text.partition("=")
    return name, value or "true"


def merged(one: Claim, other: Claim) -> Claim:
    """What `one` says, or what `other` mentions."""
    mentions = tuple(dict.fromkeys((*one.mentions, *other.mentions)))
    return Claim(
        mentions, one.passes, one.denies, one.invents or other.invents, one.denied, one.instead, one.first, one.not_of
    )


def _inflects(lexeme: Lexeme, token: str) -> bool:
    """Whether a form belongs to a word: nouns have no -ed and -ing, and words of other languages have no stems here."""
    return lexeme.kind is not Kind.FOREIGN and (lexeme.kind is not Kind.NOUN or token.endswith("s"))


def _unlisted(token: str) -> Kind:
    if not token.isascii() and token[0].isalpha():
        return Kind.FOREIGN
    if len(token) == 1 or token[0].isdigit() or not token[0].isalpha():
        return Kind.PLAIN
    return Kind.UNKNOWN


def _stems(token: str) -> Iterator[str]:
    """Forms that a token may be an inflection of, likeliest first."""
    if token.endswith(("'s", "s'")):
        yield token[:-2]
    if token.endswith("ies"):
        yield token[:-3] + "y"
    if token.endswith("es"):
        yield token[:-2]
    if token.endswith("s"):
        yield token[:-1]
    for ending in ("ing", "ed"):
        if token.endswith(ending) and len(token) > len(ending) + 2:
            stem = token[: -len(ending)]
            yield stem
            yield stem + "e"
            if stem[-1] == stem[-2]:
                yield stem[:-1]
            if ending == "ed" and stem.endswith("i"):
                yield stem[:-1] + "y"
    if token.endswith("ly"):
        yield token[:-2]


def _split(text: str) -> Iterator[str]:
    return (part for part in (" ".join(part.split()) for part in text.split(",")) if part)


def _expand(texts: str, groups: Mapping[str, list[str]]) -> Iterator[str]:
    """Phrases of a list, with every {group} replaced by each of its members."""
    for text in _split(texts):
        pieces = re.split(r"\{(\w+)\}", text)
        choices = [groups[piece] if number % 2 else [piece] for number, piece in enumerate(pieces)]
        yield from ("".join(chosen) for chosen in product(*choices))


def _data(name: str) -> dict[str, Any]:
    return tomllib.loads((_HERE / name).read_text("utf-8"))


@cache
def own_words() -> Mapping[str, Any]:
    """The content of reading.toml, nouns.toml and plain_words.toml."""
    return {**_data("reading.toml"), **_data("nouns.toml"), "plain": _data("plain_words.toml")}


def base_lexicon() -> Lexicon:
    """What English says, before any vocabulary is read."""
    data = own_words()
    groups = {name: list(_split(texts)) for name, texts in data["groups"].items()}
    lexicon = Lexicon()
    for name, given in data["claims"].items():
        lexicon.claims[name] = (_claim(given),)
    _add_nouns(lexicon, data["nouns"], groups)
    for meaning, texts in data["words"].items():
        claims = lexicon.meaning(meaning)
        for text in _expand(texts, groups):
            lexicon.add(text, Lexeme(Kind.WORD, text, claims))
    for years, texts in data["ages"].items():
        claim = replace(_age(years), not_of=tuple(data["not_of"]["age"]))
        for text in _expand(texts, groups):
            lexicon.add(text, Lexeme(Kind.AGE, text, (claim,), lexicon.nouns["person"]))
    _add_qualities(lexicon, data["nouns"], groups)
    _add_plain(lexicon, data["plain"])
    for phrases in lexicon.phrases.values():
        for words, lexeme in phrases:
            if lexeme.kind in {Kind.AGE, Kind.WORD, Kind.QUALITY, Kind.NOUN}:
                kinds = {Kind.OWNER, Kind.NOUN} if lexeme.kind is Kind.AGE else {Kind.OWNER}
                named = ((word, lexicon.word(word)) for word in words)
                within = (one for word, one in named if one.kind in kinds or word.endswith("'s"))
                inside = {claim for one in within for claim in one.claims if claim.invents == "gender"}
                lexeme.within = tuple(inside.difference(lexeme.claims))
    return lexicon


def _add_nouns(lexicon: Lexicon, nouns: Mapping[str, Any], groups: Mapping[str, list[str]]) -> None:
    for name, given in nouns.items():
        lexicon.nouns[name] = noun = Noun(name, like=lexicon.nouns.get(given.get("like", "")))
        claims = lexicon.meaning(given.get("means", ""))
        for text in _expand(given["words"], groups):
            lexicon.add(text, Lexeme(Kind.NOUN, text, claims, noun))


def _add_qualities(lexicon: Lexicon, nouns: Mapping[str, Any], groups: Mapping[str, list[str]]) -> None:
    for name, given in nouns.items():
        for meaning, texts in given.get("with", {}).items():
            claims = lexicon.meaning(meaning)
            for text in _expand(texts, groups):
                lexicon.add_quality(lexicon.nouns[name], text, claims)


_KINDS = {
    "article": Kind.ARTICLE, "link": Kind.LINK, "joint": Kind.JOINT, "stop": Kind.STOP, "comma": Kind.COMMA,
    "female": Kind.OWNER, "male": Kind.OWNER, "owner": Kind.OWNER, "denial": Kind.DENIAL, "no_denial": Kind.PLAIN,
    "degree": Kind.DEGREE, "photo": Kind.PLAIN, "person": Kind.PLAIN, "task": Kind.PLAIN,
    "verbs": Kind.PLAIN, "adverbs": Kind.DEGREE,
}  # fmt: skip


def _add_plain(lexicon: Lexicon, plain: Mapping[str, Any]) -> None:
    for mark in ".!?\n":
        lexicon.add(mark, Lexeme(Kind.BREAK, mark))
    lexicon.add("but", Lexeme(Kind.BREAK, "but"))
    for name, texts in (*plain["grammar"].items(), *plain["words"].items()):
        if name == "after_denial":
            continue
        claims = lexicon.meaning(f"gender={name}") if name in {"female", "male"} else ()
        for text in _marks(texts):
            known = lexicon.find(text) if split_words(text) else None
            if known and known.kind is Kind.QUALITY:
                known.weak = True
            lexicon.add(text, Lexeme(_KINDS[name], text, claims))
    for text in _split(plain["foreign"]["words"]):
        for word in split_words(text):
            lexicon.add(word, Lexeme(Kind.FOREIGN, word))
    for mark in ",;:-–—":
        lexicon.add(mark, Lexeme(Kind.LINK if mark == ":" else Kind.COMMA, mark))
    shared = set(_split(plain["foreign"]["shared"]))
    lexicon.english = frozenset(_split(plain["foreign"]["english"])) - shared
    lexicon.after_denial = frozenset(_split(plain["grammar"]["after_denial"]))
    lexicon.talk = frozenset(_split(plain["talk"]["words"]))


def _marks(texts: str) -> Iterable[str]:
    return _split(texts)
