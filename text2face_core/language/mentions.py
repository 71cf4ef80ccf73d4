"""What a caption says of its bag: which findings it mentions, which it misses, which it invents.

A first check, by words: a finding is mentioned by any word that the vocabulary lists for its value, at word boundaries
and in any case. Longer words win over shorter ones ("black hair" says nothing of a black person), and what is denied
("no glasses", "without a hat") is not mentioned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..records import Bag, BagItem
from .vocabulary import Vocabulary

Key = tuple[str, str]  # finding, key of its value
Tokens = tuple[str, ...]
Index = dict[str, list[tuple[Tokens, tuple[Key, ...]]]]
"""By first token: words, and every (finding, value) that they may stand for."""

_TOKEN = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*|[^\w\s]")
_AGE = re.compile(
    r"\b(\d{1,3})(?:\s*(?:-\s*to\s*-|-\s*to\b|to\b|-|\u2013)\s*(\d{1,3}))?[\s-]*years?[\s-]*old\b|\baged?\s+(\d{1,3})\b"
)
_ARTICLES = {"a", "an", "the"}
_DENIALS = {"no", "not", "without", "never", "lacks", "lacking", "isn't", "aren't", "doesn't", "don't"}
_DENIAL_REACH = 3  # words between "not" and what it denies: "not wearing any glasses"
_YEARS_APART = 3  # a number this near is no other age


@dataclass(frozen=True, slots=True)
class Mentions:
    """Names of findings. mentioned and missed together are the bag's names, in its order; invented as they appear."""

    mentioned: tuple[str, ...]
    missed: tuple[str, ...]
    invented: tuple[str, ...]


def mentions(text: str, bag: Bag, vocabulary: Vocabulary) -> Mentions:
    """Read a caption against its bag.

    >>> bag = Bag((BagItem("age", 34.2, "34 years old", "F1"), BagItem("wearing_hat", True, "a hat", "F2")))
    >>> mentions("A 34-year-old with glasses", bag, Vocabulary.load())
    Mentions(mentioned=('age',), missed=('wearing_hat',), invented=('eyeglasses',))
    """
    text = text.lower().replace("\u2019", "'")
    wanted: dict[Key, int] = {}
    own: Index = {}
    for number, item in enumerate(bag.items):
        key = _key(item, vocabulary)
        wanted[key] = number
        words = _without_article(_TOKEN.findall(item.phrase.lower()))
        own.setdefault(words[0], []).append((words, (key,)))
    found: set[int] = set()
    invented: dict[str, None] = {}

    ages = [number for number, item in enumerate(bag.items) if item.name == "age"]
    for match in _AGE.finditer(text):
        right = [number for number in ages if _same_age(match, bag.items[number], vocabulary)]
        found.update(right)
        if not right and "age" in vocabulary.findings:
            invented["age"] = None
    for keys, denied in _readings(_AGE.sub(" ; ", text), _index(vocabulary), own):
        held = [wanted[key] for key in keys if key in wanted]
        if held and not denied:
            found.update(held)
        elif held or not denied:  # denying what the bag holds contradicts it
            invented[bag.items[held[0]].name if held else keys[0][0]] = None

    names = bag.names
    return Mentions(
        tuple(name for number, name in enumerate(names) if number in found),
        tuple(name for number, name in enumerate(names) if number not in found),
        tuple(invented),
    )


def _readings(
    text: str,
    index: Index,
    own: Index,
) -> Iterator[tuple[tuple[Key, ...], bool]]:
    """What each listed word in the text may mean, and whether it is denied; from left to right, the longest first."""
    tokens = _TOKEN.findall(text)
    at = 0
    while at < len(tokens):
        word = tokens[at]
        candidates = [*own.get(word, ()), *index.get(word, ())]
        fitting = [(words, keys) for words, keys in candidates if tuple(tokens[at : at + len(words)]) == words]
        if not fitting:
            at += 1
            continue
        longest = max(len(words) for words, _ in fitting)
        keys = tuple(dict.fromkeys(key for words, keys in fitting if len(words) == longest for key in keys))
        yield keys, _denied(tokens[max(0, at - _DENIAL_REACH - 1) : at])
        at += longest


def _denied(before: Sequence[str]) -> bool:
    clause = list(before)
    for stop in range(len(clause) - 1, -1, -1):
        if not clause[stop][0].isalnum() or clause[stop] in {"and", "but", "with"}:
            clause = clause[stop + 1 :]
            break
    return not _DENIALS.isdisjoint(clause)


def _same_age(match: re.Match[str], item: BagItem, vocabulary: Vocabulary) -> bool:
    said = [int(number) for number in match.groups() if number]
    given = [int(number) for number in re.findall(r"\d+", item.phrase)]
    words = vocabulary.words(item.name, item.value)
    if not given and words and words.range:
        given = [int(words.range[0]), int(words.range[1])]
    given = given or [round(float(item.value))]
    return min(said) <= max(given) + _YEARS_APART and max(said) >= min(given) - _YEARS_APART


def _key(item: BagItem, vocabulary: Vocabulary) -> Key:
    finding = vocabulary.findings.get(item.name)
    return item.name, (finding.key(item.value) if finding else None) or str(item.value)


def _without_article(words: Sequence[str]) -> Tokens:
    return tuple(words[1:] if len(words) > 1 and words[0] in _ARTICLES else words)


@lru_cache(maxsize=8)
def _index(vocabulary: Vocabulary) -> Index:
    meanings: dict[Tokens, list[Key]] = {}
    for text, name, key in vocabulary.texts():
        meanings.setdefault(_without_article(_TOKEN.findall(text.lower())), []).append((name, key))
    index: Index = {}
    for words, keys in meanings.items():
        index.setdefault(words[0], []).append((words, tuple(keys)))
    return index
