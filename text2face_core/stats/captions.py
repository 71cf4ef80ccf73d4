"""Statistics of a run's captions: recall, inventions, length and variety."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

from ..records import Caption

VARIETY_CAPTIONS = 1000
"""distinct-1 and distinct-2 count this many captions of each fuser and style, as they fall with the amount of text."""

MOST_REFUSALS = 50

_WORD = re.compile(r"\w+(?:[-']\w+)*")
_NUMBER = re.compile(r"\d+")


@dataclass
class Group:
    """Statistics of a group of captions. No text is kept: `texts` and the n-grams are 64-bit fingerprints.

    Attributes:
        sums: Totals by name.
        words: Different words; their total number is in `sums`.
        pairs: Different pairs of adjacent words, likewise.
    """

    sums: Counter[str] = field(default_factory=Counter)
    mentioned: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    invented: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    texts: set[int] = field(default_factory=set)
    words: set[int] = field(default_factory=set)
    pairs: set[int] = field(default_factory=set)

    def add(self, caption: Caption) -> None:
        """Count a caption."""
        if self.sums["number"] < VARIETY_CAPTIONS:
            self._add_variety(caption.text)
        self.sums.update(
            number=1,
            words=len(caption.text.split()),
            tokens=caption.tokens,
            counted=caption.tokens > 0,
            tries=caption.tries,
            retried=caption.tries > 1,
            with_bag=bool(caption.bag.items),
            inventing=bool(caption.invented) and bool(caption.bag.items),
        )
        self.mentioned.update(caption.mentioned)
        self.missed.update(caption.missed)
        self.invented.update(caption.invented)
        for refusal in caption.refusals:
            self.refusals.update(_kinds(refusal, self.refusals))
        self.texts.add(_fingerprint(caption.text))

    def __add__(self, other: Group) -> Group:
        return Group(*(_joined(getattr(self, one.name), getattr(other, one.name)) for one in fields(self)))

    def figures(self) -> dict[str, Any]:
        """Return counts, means per caption and shares from 0 to 1, as plain JSON data; None for a share of nothing.

        recall: share of the bags' findings that are mentioned. inventing: share of the captions with a bag that invent
        something. retried: share of captions with several tries. distinct_1, distinct_2: different words per word,
        different pairs of words per pair.
        """
        sums, mentioned, missed = self.sums, self.mentioned.total(), self.missed.total()
        return {
            "number": sums["number"],
            "distinct": len(self.texts),
            "words_mean": _share(sums["words"], sums["number"]),
            "tokens_mean": _share(sums["tokens"], sums["counted"]),
            "distinct_1": _share(len(self.words), sums["words_seen"]),
            "distinct_2": _share(len(self.pairs), sums["pairs_seen"]),
            "mentioned": mentioned,
            "missed": missed,
            "invented": self.invented.total(),
            "recall": _share(mentioned, mentioned + missed),
            "inventing": _share(sums["inventing"], sums["with_bag"]),
            "tries_mean": _share(sums["tries"], sums["number"]),
            "retried": _share(sums["retried"], sums["number"]),
        }

    def _add_variety(self, text: str) -> None:
        words = [_fingerprint(word) for word in _WORD.findall(text.lower())]
        pairs = [hash(pair) for pair in pairwise(words)]
        self.words.update(words)
        self.pairs.update(pairs)
        self.sums.update(words_seen=len(words), pairs_seen=len(pairs))


class Groups:
    """Statistics of all captions of a run, by fuser and style."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], Group] = {}

    def add(self, captions: Iterable[Caption]) -> None:
        """Count captions."""
        for caption in captions:
            self._groups.setdefault((caption.fuser, caption.style), Group()).add(caption)

    def figures(self) -> dict[str, Any]:
        """Return the figures of all captions, by fuser, by style and by both, as plain JSON data."""
        by_both: dict[str, dict[str, Any]] = {}
        for fuser, style in sorted(self._groups):
            by_both.setdefault(fuser, {})[style] = self._groups[fuser, style].figures()
        everything = sum((group for _, group in sorted(self._groups.items(), key=lambda one: one[0])), Group())
        return {
            **everything.figures(),
            "missed_names": ranked(everything.missed),
            "invented_names": ranked(everything.invented),
            "refusals": ranked(everything.refusals),
            "by_fuser": {fuser: self._where(0, fuser).figures() for fuser in sorted({key[0] for key in self._groups})},
            "by_style": {style: self._where(1, style).figures() for style in sorted({key[1] for key in self._groups})},
            "by_fuser_and_style": by_both,
        }

    def _where(self, place: int, name: str) -> Group:
        return sum((self._groups[key] for key in sorted(self._groups) if key[place] == name), Group())


def ranked(counter: Mapping[str, int]) -> dict[str, int]:
    """Sort by frequency, most frequent first, then by name."""
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _kinds(refusal: str, known: Counter[str]) -> list[str]:
    """Classify why a try was refused, without names and numbers: "missed age; over 77 tokens (83)" has two reasons."""
    kinds = []
    for reason in refusal.split("; "):
        first = reason.partition(" ")[0]
        kind = first if first in {"missed", "invented"} else _NUMBER.sub("N", reason)
        kinds.append(kind if kind in known or len(known) < MOST_REFUSALS else "(others)")
    return kinds


def _joined(one: Any, other: Any) -> Any:
    return one | other if isinstance(one, set) else one + other


def _fingerprint(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None
