"""The lexicon: lexemes by token, with English stemming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .ages import Age
from .lexemes import OTHER, Claim, Claims, Key, Lexeme, Listed, Noun, WordClass, split_words

INVENTED = {"young": "age", "male": "gender", "mouth_slightly_open": "mouth_openness"}
"""The name under which an invention is reported, if it is not the finding's own."""


def age_claim(years: str) -> Claim:
    """The claim of a word that stands for years from - to, such as "13-19"."""
    low, high = years.split("-")
    return Claim(invents="age", age=Age(float(low), float(high), "word"))


def parse_key(text: str) -> Key:
    """A finding and its value from "hair_length=short" or "bald"."""
    name, _, value = text.partition("=")
    return name, value or "true"


@dataclass(eq=False)
class Lexicon:
    """Lexemes: words by their token, phrases by their first two tokens, the longest first.

    Attributes:
        singles: lexemes of a single token.
        phrases: lexemes of several tokens.
        claims: the claims that meanings.toml names. "@dark_hair".
        nouns: head nouns by name.
        not_said_of: nouns of which the words for a finding mean something else, by finding.
        postposed_negation: words that negate what stands before them. "Hat: none".
        talk: words that mark a sentence as talk about the task. "caption".
        english: words that are evidence of English among foreign words.
        plural_people: nouns for more than one person. "women".
        other_people: words that make a noun another person. "another".
        next_to: words that put a second person next to the first. "beside".
    """

    singles: dict[str, Lexeme] = field(default_factory=dict)
    phrases: dict[tuple[str, str], list[Listed]] = field(default_factory=dict)
    claims: dict[str, Claims] = field(default_factory=dict)
    nouns: dict[str, Noun] = field(default_factory=dict)
    not_said_of: Mapping[str, list[str]] = field(default_factory=dict)
    postposed_negation: frozenset[str] = frozenset()
    talk: frozenset[str] = frozenset()
    english: frozenset[str] = frozenset()
    plural_people: frozenset[str] = frozenset()
    other_people: frozenset[str] = frozenset()
    next_to: frozenset[str] = frozenset()
    _stems: dict[str, Lexeme] = field(default_factory=dict)

    def word(self, token: str) -> Lexeme:
        """The lexeme of a token, by its stem if the form itself is not listed."""
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
        """List a phrase; `first` lets it replace a phrase that is already listed."""
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

    def add_modifier(self, noun: Noun, text: str, claims: Claims) -> None:
        """Give a modifier a meaning for a noun, next to any meaning that it has already."""
        text = " ".join(split_words(text))
        before = noun.modifiers.get(text, ())
        if before and claims and before[0] not in {OTHER, claims[0]}:
            claims = (before[0].or_mentions(claims[0]), *before[1:])
        noun.modifiers[text] = claims
        known = self.find(text)
        if known and known.word_class is WordClass.TERM:
            known.word_class = WordClass.MODIFIER
        elif not known:
            self.add(text, Lexeme(WordClass.MODIFIER, text))

    def meaning(self, text: str) -> Claims:
        """Claims in the notation of meanings.toml: "brown_hair", "hair_length=short", "@dark_hair", several with +."""
        found: list[Claim] = []
        for part in filter(None, (part.strip() for part in text.split("+"))):
            if part == "other":
                found.append(OTHER)
            elif part.startswith("@"):
                found += self.claims[part[1:]]
            elif part.startswith("age "):
                found.append(age_claim(part.removeprefix("age ")))
            else:
                key = parse_key(part)
                elsewhere = tuple(self.not_said_of.get(key[0], ()))
                found.append(Claim(mentions=(key,), invents=INVENTED.get(key[0], key[0]), not_said_of=elsewhere))
        return tuple(found)


def _inflects(lexeme: Lexeme, token: str) -> bool:
    """Whether a form belongs to a word: nouns take no -ed or -ing, and foreign words have no stems here."""
    return lexeme.word_class is not WordClass.FOREIGN and (
        lexeme.word_class is not WordClass.NOUN or token.endswith("s")
    )


def _unlisted(token: str) -> WordClass:
    if not token.isascii() and token[0].isalpha():
        return WordClass.FOREIGN
    if len(token) == 1 or token[0].isdigit() or not token[0].isalpha():
        return WordClass.FILLER
    return WordClass.UNKNOWN


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
