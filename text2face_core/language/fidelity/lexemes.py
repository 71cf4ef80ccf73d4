"""Words as the parser knows them: word classes, lexemes, head nouns, and the claims that words make about a bag."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import IntEnum, auto

from .ages import Age

Key = tuple[str, str]
"""A finding and its value, such as ("brown_hair", "true")."""

TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:\.\d+)?(?:'?[a-z]+)?|(?<!\w)-+|-+(?!\w)|[^\w\s-]|\n")
_PLAIN_SIGNS = {0x2019: "'", 0x2010: "-", 0x2011: "-", 0x2212: "-"}
"""Some models write 34\u2011year\u2011old with non-breaking hyphens."""
_HYPHEN = re.compile(
    r"(?<=\w)[\u2012\u2013\ufe58\ufe63\uff0d\u00ad](?=\w)"
    r"|(?<=\d)[\u2014\u2015](?=yea?r)|(?<=year)[\u2014\u2015](?=old)"
)
"""Dashes that stand for hyphens, as in 33\u2013year\u2013old. Other long dashes are punctuation."""
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_NUMBER = rf"\d+|{_TENS}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen"
_PARTED = re.compile(
    rf"\b(?:(?:{_TENS})\s*[-\u2013-\u2015]\s*(?=(?:one|two|three|four|five|six|seven|eight|nine)\b)"
    rf"|(?:{_NUMBER})\s*[-\u2013-\u2015]\s*(?=y(?:ea)?rs?\b)"
    r"|y(?:ea)?rs?\s*[-\u2013-\u2015]\s*(?=old\b)"
    r"|\w+\s*[-\u2013-\u2015]\s*(?=(?:haired|eyed|skinned|lipped|nosed|cheeked|browed|shaven|aged)\b))"
)
"""Hyphenated words that are written with spaces or with long dashes: "33 - year - old", "black\u2014haired"."""
_DASHES = str.maketrans("-\u2013\u2014\u2015", "    ")


class WordClass(IntEnum):
    """The part that a word or phrase plays in a sentence, with an example each."""

    FILLER = auto()  # says nothing about a person: "shows"
    INTENSIFIER = auto()  # may stand between a modifier and its noun: "very"
    DETERMINER = auto()  # "the"
    POSSESSIVE = auto()  # "her"
    COPULA = auto()  # joins a noun to what is said about it: "is", "of", ":"
    CONJUNCTION = auto()  # "and", "as well as"
    COMMA = auto()  # "," and other marks inside a sentence
    CLAUSE = auto()  # a preposition or verb that starts a new phrase: "with", "wearing"
    SENTENCE_END = auto()  # "." and "but"
    NEGATION = auto()  # "without"
    MODIFIER = auto()  # its meaning depends on its noun: "brown", "down to her shoulders"
    NOUN = auto()  # takes modifiers: "hair"
    TERM = auto()  # has a meaning by itself: "smiling"
    AGE = auto()  # "34 years old", "teenager"
    UNKNOWN = auto()  # in no list: "carefree"
    FOREIGN = auto()  # a word of another language: "mujer"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a word or phrase says about the findings of a bag.

    Attributes:
        mentions: findings that it mentions, whichever the bag holds. "dark hair": black_hair, brown_hair.
        permits: findings next to which it is neither a mention nor an invention. "happy" permits smiling.
        contradicts: findings that it contradicts. "thin eyebrows" contradicts bushy_eyebrows.
        invents: the name that it invents if the bag holds none of the above. "dark hair" invents black_hair.
        when_negated: the entry of meanings.toml that its negation amounts to. "no beard" is no_beard.
        overrides_noun: whether it replaces what its noun means by itself. "light makeup" is not heavy_makeup.
        first_only: whether only the first of `mentions` that the bag holds counts. "white skin".
        not_said_of: nouns of which the same words mean something else. "a blurry background" is not blurry.
        age: the years that it states. "34 years old": 34 to 34.
    """

    mentions: tuple[Key, ...] = ()
    permits: tuple[Key, ...] = ()
    contradicts: tuple[Key, ...] = ()
    invents: str = ""
    when_negated: str = ""
    overrides_noun: bool = False
    first_only: bool = False
    not_said_of: tuple[str, ...] = ()
    age: Age | None = None

    def or_mentions(self, other: Claim) -> Claim:
        """This claim, or what the other claim mentions."""
        mentions = tuple(dict.fromkeys((*self.mentions, *other.mentions)))
        return replace(self, mentions=mentions, invents=self.invents or other.invents, age=None)


OTHER = Claim(invents="other")
Claims = tuple[Claim, ...]


@dataclass(slots=True, eq=False)
class Noun:
    """A head noun, and what modifiers mean when they are attached to it.

    Attributes:
        name: its name in nouns.toml, such as "hair".
        modifiers: claims by modifier. "brown": brown_hair.
        inherits: the noun whose modifiers mean the same for this noun. "curls" inherits from "hair".
    """

    name: str
    modifiers: dict[str, Claims] = field(default_factory=dict)
    inherits: Noun | None = None

    def meaning(self, modifier: str) -> Claims | None:
        """What a modifier says of this noun; None if that is not listed."""
        found = self.modifiers.get(modifier)
        return self.inherits.meaning(modifier) if found is None and self.inherits else found


@dataclass(slots=True, eq=False)
class Lexeme:
    """A word or phrase of the lexicon.

    Attributes:
        word_class: its part in a sentence.
        text: the word itself, such as "brown".
        claims: what it says by itself. "smiling": smiling or happiness.
        noun: the head noun that it is a form of. "haircut": hair.
        is_optional: whether a modifier says nothing of nouns that give it no meaning. "visible".
        of_any_noun: what a modifier could mean of any noun. "brown" could be brown_hair or brown skin.
        embedded: what words inside a phrase say as well. "bags under her eyes": gender.
    """

    word_class: WordClass
    text: str
    claims: Claims = ()
    noun: Noun | None = None
    is_optional: bool = False
    of_any_noun: Claim | None = None
    embedded: Claims = ()


Listed = tuple[tuple[str, ...], Lexeme]
"""A phrase by its tokens, and its lexeme."""


def lower_text(text: str) -> str:
    """The text in lower case with plain signs in place of typographic signs; every letter keeps its position."""
    if not text.isascii():
        # lower() may change the length of letters that are not English; those say nothing, so each becomes one letter
        text = "".join(letter if len(letter.lower()) == 1 else "\u00e9" for letter in text).translate(_PLAIN_SIGNS)
        text = _HYPHEN.sub("-", text)
    text = text.lower()
    if " -" in text or "- " in text or not text.isascii():
        text = _PARTED.sub(lambda match: match[0].translate(_DASHES), text)
    return text


def split_words(text: str) -> list[str]:
    """Words, numbers and marks in lower case; a hyphen inside a word only splits it."""
    return TOKEN.findall(lower_text(text))
