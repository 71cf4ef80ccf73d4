"""Add a vocabulary's phrases to the lexicon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .lexemes import OTHER, Claim, Key, Lexeme, WordClass, split_words
from .lexicon import INVENTED, Lexicon
from .parser import Parser

_ARTICLES = {"a", "an", "the"}


def add_vocabulary(lexicon: Lexicon, texts: Iterable[tuple[str, str, str]], same: Mapping[Key, Key]) -> None:
    """Add every (text, finding, value) that the parser does not understand yet.

    A phrase with a known noun ("brown eyes") becomes a modifier of that noun, so that the parser understands "eyes that
    are brown" too; any other phrase becomes a term. Last, each modifier gets the meanings that it has for any noun.
    """
    parser = Parser(lexicon)
    for text, name, value in texts:
        key = same.get((name, value), (name, value))
        if not is_understood(parser, text, key):
            _add(lexicon, text, Claim(mentions=(key,), invents=INVENTED.get(key[0], key[0])))
    _collect_meanings_of_any_noun(lexicon)


def is_understood(parser: Parser, text: str, key: Key) -> bool:
    """Whether the parser finds this finding and value in a phrase, and nothing else."""
    statements = parser.parse(split_words(text))
    if any(one.claim == OTHER for one in statements):
        return False
    name = key[0]
    return any(
        key in one.claim.mentions
        or (one.claim.age is not None and name in {"age", "young"})
        or (one.negated and one.claim.when_negated == name)
        or (one.negated and key[1] == "false" and (name, "true") in one.claim.mentions)
        for one in statements
    )


def without_article(words: list[str]) -> list[str]:
    """The words of a phrase without its article; "hat" for "a hat"."""
    return words[1:] if len(words) > 1 and words[0] in _ARTICLES else words


def _add(lexicon: Lexicon, text: str, claim: Claim) -> None:
    words = without_article(split_words(text))
    if len(words) > 1:
        for head, rest in ((words[-1], words[:-1]), (words[0], words[1:])):
            lexeme = lexicon.singles.get(head)
            if lexeme and lexeme.noun and lexeme.claims in {(), (claim,)}:
                lexicon.add_modifier(lexeme.noun, " ".join(rest), (claim,))
                return
    phrase = " ".join(words)
    known = lexicon.singles.get(phrase) if len(words) == 1 else None
    if known and known.noun:
        known.claims = (claim,)
    else:
        lexicon.add(phrase, Lexeme(WordClass.TERM, phrase, (claim,)), first=True)


def _collect_meanings_of_any_noun(lexicon: Lexicon) -> None:
    meanings: dict[str, dict[Key, None]] = {}
    for noun in lexicon.nouns.values():
        for text, claims in noun.modifiers.items():
            meanings.setdefault(text, {}).update((key, None) for claim in claims for key in claim.mentions)
    everything = [*lexicon.singles.values(), *(lexeme for many in lexicon.phrases.values() for _, lexeme in many)]
    for lexeme in everything:
        keys = meanings.get(lexeme.text)
        if lexeme.word_class is WordClass.MODIFIER and keys and not lexeme.claims:
            lexeme.of_any_noun = Claim(mentions=tuple(keys), invents="" if lexeme.is_optional else "other")
