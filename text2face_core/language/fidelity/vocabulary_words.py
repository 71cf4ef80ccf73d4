"""A vocabulary's phrases, put among the words that captions are read with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .lexicon import INVENTED, OTHER, Claim, Key, Kind, Lexeme, Lexicon, split_words
from .reader import Reader

_ARTICLES = {"a", "an", "the"}


def add_vocabulary(lexicon: Lexicon, texts: Iterable[tuple[str, str, str]], same: Mapping[Key, Key]) -> None:
    """List every (text, finding, value) that is not understood already.

    A phrase of a known noun ("brown eyes") becomes a quality of that noun, so that "eyes that are brown" is understood
    too; any other becomes a phrase of its own. Then what each quality could mean of any noun is noted.
    """
    reader = Reader(lexicon)
    for text, name, value in texts:
        key = same.get((name, value), (name, value))
        if not is_understood(reader, text, key):
            _add(lexicon, text, Claim(mentions=(key,), invents=INVENTED.get(key[0], key[0])))
    _note_meanings_anywhere(lexicon)


def is_understood(reader: Reader, text: str, key: Key) -> bool:
    """Whether a phrase read as English says a finding and its value, and nothing else."""
    said = reader.read(split_words(text))
    if any(one.claim == OTHER for one in said):
        return False
    name = key[0]
    return any(
        key in one.claim.mentions
        or (one.claim.age is not None and name in {"age", "young"})
        or (one.denied and one.claim.denied == name)
        for one in said
    )


def without_article(words: list[str]) -> list[str]:
    """The words of a phrase; "hat" for "a hat"."""
    return words[1:] if len(words) > 1 and words[0] in _ARTICLES else words


def _add(lexicon: Lexicon, text: str, claim: Claim) -> None:
    words = without_article(split_words(text))
    if len(words) > 1:
        for head, rest in ((words[-1], words[:-1]), (words[0], words[1:])):
            lexeme = lexicon.singles.get(head)
            if lexeme and lexeme.noun and lexeme.claims in {(), (claim,)}:
                lexicon.add_quality(lexeme.noun, " ".join(rest), (claim,))
                return
    phrase = " ".join(words)
    known = lexicon.singles.get(phrase) if len(words) == 1 else None
    if known and known.noun:
        known.claims = (claim,)
    else:
        lexicon.add(phrase, Lexeme(Kind.WORD, phrase, (claim,)), first=True)


def _note_meanings_anywhere(lexicon: Lexicon) -> None:
    meanings: dict[str, dict[Key, None]] = {}
    for noun in lexicon.nouns.values():
        for text, claims in noun.qualities.items():
            meanings.setdefault(text, {}).update((key, None) for claim in claims for key in claim.mentions)
    everything = [*lexicon.singles.values(), *(lexeme for many in lexicon.phrases.values() for _, lexeme in many)]
    for lexeme in everything:
        keys = meanings.get(lexeme.text)
        if lexeme.kind is Kind.QUALITY and keys and not lexeme.claims:
            lexeme.anywhere = Claim(mentions=tuple(keys), invents="" if lexeme.weak else "other")
