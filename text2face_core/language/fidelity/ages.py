"""Ages in English text: numbers, brackets, decades and words, and whether they fit a bag's age."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...records import BagItem


def _words(text: str) -> list[str]:
    return text.split()


_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_SMALL = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_NUMBERS = {word: number for number, word in enumerate(_SMALL)} | {word: 20 + 10 * n for n, word in enumerate(_TENS)}
_NUMBERS |= {"hundred": 100, "fourty": 40, "ninty": 90}
_NUMBERS |= {word + "ish": _NUMBERS[word] for word in _TENS} | {word[:-1] + "yish": _NUMBERS[word] for word in _TENS}
_DECADES = {word[:-1] + "ies": _NUMBERS[word] for word in _TENS}
_SOMETHING = {word + "something": _NUMBERS[word] for word in _TENS}
NUMBER_WORDS = frozenset({*_NUMBERS, *_DECADES, *_SOMETHING})

_DIGITS = re.compile(r"(\d{1,6})(?:\.\d+)?('?s|yo|yrs?|years?|y|ish|f|m|something)?$")
_ONE_WORD = re.compile(r"\d+(yo|yrs?|years?|y)")
_ODD = frozenset(_words("ish odd plus"))
_PARTS = {"early": (0, 6), "mid": (2, 8), "middle": (2, 8), "late": (4, 9)}
"""Years of a decade that its parts may cover, generously: 36 may be called "mid-thirties"."""
_TO = frozenset(_words("to - – — ~ or / through till until"))
_SKIPPED = frozenset(_words("early mid late their her his the"))
_YEARS = frozenset(_words("years year yrs yr yo y yearold yearsold"))
_FRACTIONS = {"months": 12, "month": 12, "weeks": 52, "week": 52, "days": 365, "day": 365}
_OLD = frozenset(_words("old olds old's age o young"))
_OPEN_END = {"over": (0, 10), "above": (0, 10), "past": (0, 10), "under": (-12, 0), "below": (-12, 0), "than": (-5, 10)}

_AGED = frozenset(_words("aged age ages turning aging ageing"))
_BOTH = _AGED | {"between"}
"""Words before two numbers with "and" between them."""
_ABOUT = frozenset(
    _words(
        "about around approximately roughly circa appears looks seems nearly almost at nearing approaching is was 's "
        "near probably perhaps maybe pushing reaching hitting touching just barely some say possibly likely turned "
        "only already still now seemingly evidently merely easily than past over under above below be shy"
    )
)
_BETWEEN = _ABOUT | frozenset(
    _words(
        "of : = the estimated between from range group bracket to be just early mid late over under past above below "
        "- – — ( in approx ~ years likely somewhere anywhere"
    )
)
"""Words that may stand between "aged" and its number."""
_FREE = frozenset(",.;!?()[]|/*•\"'") | {"a", "an", "the", "-", "–", "—"}
_ARTICLES = {"a", "an", "the"}
_MARKS = _FREE - _ARTICLES - {"'", '"', "."}
_PERSON = frozenset(
    _words(
        "woman man girl boy female male person lady gentleman guy individual child adult teenager teen toddler kid f m "
        "lad lass youth chap fellow subject youngster baby infant latina latino hispanic caucasian white black asian "
        "indian he she they redhead blonde brunette blond"
    )
)
_YEARS_APART = 3  # a number this near counts as the same age
_OLDEST = 120  # a larger number is an age only with "years old"


@dataclass(frozen=True, slots=True)
class Age:
    """Years from `low` to `high`, both included.

    form: "number", "bracket" (also for decades), "either" for two alternatives ("33 or 60") or "word".
    """

    low: float
    high: float
    form: str

    def fits(self, item: BagItem, reach: Age | None) -> bool:
        """Whether this is the age of a bag's item. reach: the years that the item's phrase covers, if it is a word."""
        if self.form == "either":
            return all(Age(years, years, "number").fits(item, reach) for years in (self.low, self.high))
        value = float(item.value) if not isinstance(item.value, str | bool) else None
        given = [float(number) for number in re.findall(r"\d+", item.phrase)]
        own = Age(min(given), max(given), "bracket") if given else reach
        if self.form == "word":
            numbers = given if value is None else [*given, value]
            if not numbers or (not given and self == reach):
                return own is not None and self._meets(own)
            return any(self.low <= number < self.high + 1 for number in numbers)
        if self.form == "number":
            apart = _YEARS_APART if given else 0
            near = value is not None and abs(self.low - value) <= _YEARS_APART
            return near or (own is not None and own.low - apart <= self.low <= own.high + apart)
        return (value is not None and self.low <= value <= self.high) or (own is not None and self._meets(own))

    def _meets(self, other: Age) -> bool:
        return self.low <= other.high and self.high >= other.low


@dataclass(frozen=True, slots=True)
class _Number:
    """A number of years, or the years of a decade, and the position after it."""

    low: float
    high: float
    end: int


def read_age(tokens: Sequence[str], at: int) -> tuple[Age, int] | None:
    """The age that begins with the number at `at`, and the position after it; None if the number is not an age.

    >>> read_age("a 29 to 39 year old woman".split(), 1)
    (Age(low=29.0, high=39.0, form='bracket'), 6)
    >>> read_age("two earrings".split(), 0)
    """
    first = _number(tokens, at)
    if first is None:
        return None
    second = _other_end(tokens, at, first.end)
    either = (
        second is not None
        and tokens[first.end] in {"or", "/", "and", ","}
        and "between" not in tokens[max(0, at - 4) : at]
    )
    low, high = first.low, first.high
    place = second.end if second else first.end
    if second:
        low, high = min(low, second.low), max(high, second.high)
    if first.high > first.low:
        apart = either and second is not None and second.low > first.high + 1
        return Age(low, high, "either" if apart else "bracket"), place
    end = _after_unit(tokens, place)
    unit = tokens[place] if end > place else ""
    some = unit in {"years", "yrs"} and at > 0 and tokens[at - 1] in {"some", "about", "of", "around", "his", "her"}
    some = some or tokens[place - 1] in _ODD or tokens[place - 1].endswith("yish")
    clear = end - place > 1 or some or unit in _YEARS - {"years", "year"} or _is_one_word(tokens, at, place)
    in_context = clear or _in_context(tokens, at, place, end)
    if not in_context or (not clear and high > _OLDEST and tokens[at - 1] not in _AGED):
        return None  # "in 1990"
    low, high = low / _FRACTIONS.get(unit, 1), high / _FRACTIONS.get(unit, 1)
    if second is None and at and tokens[at - 1] in _OPEN_END:
        down, up = _OPEN_END[tokens[at - 1]]
        low, high = low + down, high + up
    return Age(low, high, ("either" if either else "bracket") if high > low else "number"), end


def _is_one_word(tokens: Sequence[str], at: int, place: int) -> bool:
    """Whether a number has its unit in the same word: "33yo", "33year-old"."""
    last = place - 2 if tokens[place - 1] == "old" and place - 2 >= at else place - 1
    return bool(_ONE_WORD.fullmatch(tokens[last]))


def _number(tokens: Sequence[str], at: int) -> _Number | None:
    token = tokens[at] if at < len(tokens) else ""
    return _digits(tokens, at) if token[:1].isdigit() else _spelled(tokens, at, token)


def _digits(tokens: Sequence[str], at: int) -> _Number | None:
    match = _DIGITS.match(tokens[at])
    if not match:
        return None
    number, suffix = float(match[1]), match[2] or ""
    following = tokens[at + 1] if at + 1 < len(tokens) and not suffix else ""
    if suffix in {"s", "'s"} or following == "s":
        return None if number % 10 else _decade(tokens, at, number, at + 1 + (following == "s"))
    if suffix == "something" or following == "something":
        return _Number(number, number + 9, at + 1 + (following == "something"))
    joined = tokens[at + 1 : at + 2] == ["old"] and suffix in {"year", "years", "yr", "yrs"}  # "33year-old"
    return _Number(number, number, at + 1 + (following in _ODD or joined))


def _spelled(tokens: Sequence[str], at: int, token: str) -> _Number | None:  # noqa: PLR0911  one for each form
    if token in _DECADES:
        return _decade(tokens, at, _DECADES[token], at + 1)
    number, following = _SOMETHING.get(token), tokens[at + 1] if at + 1 < len(tokens) else ""
    if number:
        return _Number(number, number + 9, at + 1)
    number = _NUMBERS.get(token)
    if number is None:
        return None
    if following == "hundred":
        return _hundreds(tokens, at + 2, 100 * number)
    if token in _TENS and following == "something":
        return _Number(number, number + 9, at + 2)
    if token in _TENS and 0 < _NUMBERS.get(following, 0) < 10:
        number += _NUMBERS[following]
        return _Number(number, number, at + 2)
    return _Number(number, number, at + 1 + (following in _ODD))


def _hundreds(tokens: Sequence[str], at: int, hundreds: float) -> _Number:
    """A number from 100 on, whose tens begin at `at`: "one hundred and five"."""
    rest = at + (tokens[at : at + 1] == ["and"])
    more = _spelled(tokens, rest, tokens[rest]) if rest < len(tokens) and tokens[rest] in _NUMBERS else None
    number = hundreds + (more.low if more else 0)
    return _Number(number, number, more.end if more else at)


def _decade(tokens: Sequence[str], at: int, number: float, end: int) -> _Number:
    before = list(tokens[max(0, at - 3) : at])
    low, high = _PARTS.get(before[-1], (0, 9)) if before else (0, 9)
    if len(before) == 3 and before[0] in _PARTS and before[1] in _TO and before[2] in _PARTS:
        low = _PARTS[before[0]][0]
    return _Number(number + low, number + high, end)


def _other_end(tokens: Sequence[str], at: int, place: int) -> _Number | None:
    """The second number of a bracket. A hyphen between digits is not a token, so the two numbers are neighbours."""
    link = tokens[place] if place < len(tokens) else ""
    after = list(tokens[place + 1 : place + 2])
    skip = 0
    if link in _TO or (link == "and" and not _BOTH.isdisjoint(tokens[max(0, at - 4) : at])):
        skip = 1
    elif (link == "," and after == ["or"]) or (link in _YEARS and after in (["to"], ["-"], ["–"])):
        skip = 2
    elif not (tokens[place - 1][:1].isdigit() and link[:1].isdigit()):
        return None
    while place + skip < len(tokens) and tokens[place + skip] in _SKIPPED:
        skip += 1
    return _number(tokens, place + skip)


def _after_unit(tokens: Sequence[str], place: int) -> int:
    """The position after "years old" and the like; `place` itself if there is no unit."""
    unit = tokens[place] if place < len(tokens) else ""
    if unit not in _YEARS and unit not in _FRACTIONS:
        return place
    end = place + 1
    while end < len(tokens):
        joins = tokens[end] in {"of", "/", "-"} and end + 1 < len(tokens) and tokens[end + 1] in _OLD
        if tokens[end] not in _OLD and not joins:
            break
        end += 1
    return place if unit in _FRACTIONS and end == place + 1 else end


def _in_context(tokens: Sequence[str], at: int, place: int, end: int) -> bool:
    """Whether a number without "old" is an age: "aged 34", "Age: 34", "white, 34, smiling", "a man of forty".

    place: the position after the number. end: the position after its unit.
    """
    back = at - 1
    while back >= 0 and at - back <= 5 and tokens[back] in _BETWEEN:
        back -= 1
    between = set(tokens[back + 1 : at])
    lead = tokens[back] if back >= 0 else ""
    if lead in _AGED or tokens[end : end + 1] == ["age"]:
        return True
    if lead in _PERSON and between & (_ABOUT | {"of"}):
        return True
    if place > at + 2 and between & (_ABOUT | {"between", "from"}):
        return True
    before, after = tokens[at - 1] if at else ",", tokens[end] if end < len(tokens) else "."
    if not tokens[at][0].isdigit():
        alone = place > at + 1 or _spelled_alone(_NUMBERS.get(tokens[at], 0), before, after, lead)
        return place == end and (alone or tokens[max(0, at - 2) : at] == ["close", "to"])
    if (
        len(tokens[at]) == 1
        and after in {".", ")"}
        and (at == 0 or before in {".", "\n"} or list(tokens[:2]) == ["1", after])
    ):
        return False  # "1. a hat 2. a man"
    free = before in _FREE | _ABOUT | _PERSON | _OPEN_END.keys() or before.endswith("'s")
    return free and (after in _FREE | _PERSON | {"and", "with", "or"}) and after != "a"


def _spelled_alone(number: int, before: str, after: str, lead: str) -> bool:
    """Whether a number in a single word is an age: "a woman, forty, with", "looks thirty", "around eight, she"."""
    ends = after in _FREE - _ARTICLES or after in {"and", "with", "or"}
    if before in _MARKS:
        return number > 2 and (ends or after in _PERSON)
    if before in _ABOUT | {"at"}:
        return number > 12 or (number > 2 and ends)
    return lead in _PERSON and before in _PERSON and number > 2 and ends
