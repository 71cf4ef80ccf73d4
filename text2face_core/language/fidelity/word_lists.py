"""Load the word lists: meanings.toml, nouns.toml and filler_words.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from .lexemes import Claim, Lexeme, Noun, WordClass, split_words
from .lexicon import Lexicon, age_claim, parse_key

_HERE = Path(__file__).parent


def _split(text: str) -> Iterator[str]:
    """Parts of a list with commas."""
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
def _word_lists() -> Mapping[str, Any]:
    """The content of meanings.toml, nouns.toml and filler_words.toml."""
    return {**_data("meanings.toml"), **_data("nouns.toml"), "filler": _data("filler_words.toml")}


def base_lexicon() -> Lexicon:
    """The lexicon of plain English, before any vocabulary is added."""
    data = _word_lists()
    groups = {name: list(_split(texts)) for name, texts in data["groups"].items()}
    lexicon = Lexicon(not_said_of=data["not_said_of"])
    for name, given in data["claims"].items():
        lexicon.claims[name] = (_claim(given),)
    _add_nouns(lexicon, data["nouns"], groups)
    for meaning, texts in data["words"].items():
        claims = lexicon.meaning(meaning)
        for text in _expand(texts, groups):
            lexicon.add(text, Lexeme(WordClass.TERM, text, claims))
    for years, texts in data["ages"].items():
        claim = replace(age_claim(years), not_said_of=tuple(data["not_said_of"]["age"]))
        for text in _expand(texts, groups):
            lexicon.add(text, Lexeme(WordClass.AGE, text, (claim,), lexicon.nouns["person"]))
    _add_modifiers(lexicon, data["nouns"], groups)
    _add_filler(lexicon, data["filler"])
    for phrases in lexicon.phrases.values():
        for words, lexeme in phrases:
            if lexeme.word_class in {WordClass.AGE, WordClass.TERM, WordClass.MODIFIER, WordClass.NOUN}:
                classes = (
                    {WordClass.POSSESSIVE, WordClass.NOUN}
                    if lexeme.word_class is WordClass.AGE
                    else {WordClass.POSSESSIVE}
                )
                named = ((word, lexicon.word(word)) for word in words)
                parts = (one for word, one in named if one.word_class in classes or word.endswith("'s"))
                inside = {claim for one in parts for claim in one.claims if claim.invents == "gender"}
                lexeme.embedded = tuple(inside.difference(lexeme.claims))
    return lexicon


def _claim(given: Mapping[str, Any]) -> Claim:
    """A claim from its table in meanings.toml, whose keys are the claim's fields."""
    keys = {
        name: tuple(map(parse_key, given[name])) for name in ("mentions", "permits", "contradicts") if name in given
    }
    return replace(Claim(**{**given, **keys}), not_said_of=tuple(given.get("not_said_of", ())))


def _add_nouns(lexicon: Lexicon, nouns: Mapping[str, Any], groups: Mapping[str, list[str]]) -> None:
    for name, given in nouns.items():
        lexicon.nouns[name] = noun = Noun(name, inherits=lexicon.nouns.get(given.get("inherits", "")))
        claims = lexicon.meaning(given.get("means", ""))
        for text in _expand(given["words"], groups):
            lexicon.add(text, Lexeme(WordClass.NOUN, text, claims, noun))


def _add_modifiers(lexicon: Lexicon, nouns: Mapping[str, Any], groups: Mapping[str, list[str]]) -> None:
    for name, given in nouns.items():
        for meaning, texts in given.get("modifiers", {}).items():
            claims = lexicon.meaning(meaning)
            for text in _expand(texts, groups):
                lexicon.add_modifier(lexicon.nouns[name], text, claims)


_CLASSES = {
    "female": WordClass.POSSESSIVE,
    "male": WordClass.POSSESSIVE,
    "false_negation": WordClass.FILLER,
    "adverbs": WordClass.INTENSIFIER,
} | dict.fromkeys(("photo", "person", "task", "verbs"), WordClass.FILLER)
"""Word classes of lists in filler_words.toml that are not named after one."""


def _add_filler(lexicon: Lexicon, filler: Mapping[str, Any]) -> None:
    for mark in ".!?\n":
        lexicon.add(mark, Lexeme(WordClass.SENTENCE_END, mark))
    lexicon.add("but", Lexeme(WordClass.SENTENCE_END, "but"))
    for name, texts in (*filler["grammar"].items(), *filler["words"].items()):
        if name == "postposed_negation":
            continue
        word_class = _CLASSES.get(name) or WordClass[name.upper()]
        claims = lexicon.meaning(f"gender={name}") if name in {"female", "male"} else ()
        for text in _split(texts):
            known = lexicon.find(text) if split_words(text) else None
            if known and known.word_class is WordClass.MODIFIER:
                known.is_optional = True
            lexicon.add(text, Lexeme(word_class, text, claims))
    for text in _split(filler["foreign"]["words"]):
        for word in split_words(text):
            lexicon.add(word, Lexeme(WordClass.FOREIGN, word))
    for mark in ",;:-–—":
        lexicon.add(mark, Lexeme(WordClass.COPULA if mark == ":" else WordClass.COMMA, mark))
    shared = set(_split(filler["foreign"]["shared"]))
    lexicon.english = frozenset(_split(filler["foreign"]["english"])) - shared
    lexicon.postposed_negation = frozenset(_split(filler["grammar"]["postposed_negation"]))
    lexicon.talk = frozenset(_split(filler["talk"]["words"]))
    lexicon.plural_people = frozenset(_split(filler["people"]["plural"]))
    lexicon.other_people = frozenset(_split(filler["people"]["other"]))
    lexicon.next_to = frozenset(_split(filler["people"]["next_to"]))
