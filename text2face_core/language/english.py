"""English grammar for captions: articles, lists with "and", sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SOUNDS_LIKE_A = re.compile(r"(?:u\b|uni(?!n|d|m[^aeiou])|us[aeiou]|ut[aeiou]|eu|ewe|one\b|once\b|ubiq)", re.IGNORECASE)
_SOUNDS_LIKE_AN = re.compile(r"(?:[aeiou]|hour|honest|honou?r|heir|(?:8\d?|11|18|8\d\d)(?!\d))", re.IGNORECASE)


def with_article(noun_phrase: str) -> str:
    """The phrase with "a" or "an", depending on its first sound.

    >>> [with_article(p) for p in ("8-year-old girl", "elderly man", "European", "unusual hat", "hour", "18 to 28")]
    ['an 8-year-old girl', 'an elderly man', 'a European', 'an unusual hat', 'an hour', 'an 18 to 28']
    """
    an = _SOUNDS_LIKE_AN.match(noun_phrase) and not _SOUNDS_LIKE_A.match(noun_phrase)
    return f"{'an' if an else 'a'} {noun_phrase}"


def series(parts: Sequence[str]) -> str:
    """Parts as a list: "a", "a and b", "a, b and c"; with a comma before the last "and" if a part contains "and".

    >>> series(["has big lips and bangs", "is bald", "wears a hat"])
    'has big lips and bangs, is bald, and wears a hat'
    """
    if len(parts) < 2:
        return "".join(parts)
    comma = "," if any(re.search(r"\band\b|,", part) for part in parts) else ""
    return f"{', '.join(parts[:-1])}{comma} and {parts[-1]}"


FILTERS = {"a": with_article, "series": series}
"""Jinja filters for templates that write English."""


def as_sentences(text: str) -> str:
    """Template output as prose: single spaces, none before a comma or full stop, and a capital after each full stop."""
    text = re.sub(r"\s+([.,])", r"\1", " ".join(text.split()))
    return re.sub(r"(^|\. )(\w)", lambda match: match[1] + match[2].upper(), text)
