"""The final wording of captions in a data set: trigger words, templates, words to replace or forbid.

Wording is applied when data sets and exports are written and when a run is used for training. Captions in the run stay
as the fuser wrote them and as they were checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..records import CaptionRow, Captions

SLOT = "{caption}"


@dataclass(frozen=True, slots=True)
class Wording:
    """Text before and after captions (head and tail), words to replace, and words that are not allowed.

    >>> Wording("ohwx person, ", "", {"woman": "lady"}).apply_to("A woman smiles.")
    'ohwx person, A lady smiles.'
    """

    head: str = ""
    tail: str = ""
    replaced: Mapping[str, str] | None = None
    forbidden: tuple[str, ...] = ()

    @classmethod
    def of(cls, captions: Mapping[str, Any]) -> Wording:
        """Wording from a recipe's [captions]: template around prefix, caption and suffix."""
        before, _, after = str(captions.get("template", SLOT)).partition(SLOT)
        head, tail = before + str(captions.get("prefix", "")), str(captions.get("suffix", "")) + after
        return cls(head, tail, dict(captions.get("replace", {})), tuple(captions.get("forbid", ())))

    def apply_to(self, text: str) -> str | None:
        """The caption in its final wording; None if it has a forbidden word. Whole words match, in any case."""
        if any(_word(word).search(text) for word in self.forbidden):
            return None
        for word, other in (self.replaced or {}).items():
            text = _word(word).sub(lambda _, other=other: other, text)  # type: ignore[misc]
        return f"{self.head}{text}{self.tail}"

    def apply(self, row: CaptionRow) -> CaptionRow:
        """The photo's captions in their final wording."""
        if self == Wording(replaced={}):
            return row
        written = [(number, caption, self.apply_to(caption.text)) for number, caption in row.numbered]
        kept = [(number, replace(caption, text=text)) for number, caption, text in written if text is not None]
        return CaptionRow(row.photo_id, tuple(one for _, one in kept), tuple(number for number, _ in kept))

    def apply_texts(self, captions: Captions) -> Captions:
        """Like `apply`, for pairs of text and style."""
        written = ((self.apply_to(text), style) for text, style in captions)
        return tuple((text, style) for text, style in written if text is not None)

    def strip(self, text: str) -> str:
        """Remove head and tail from a caption."""
        if text.startswith(self.head) and text.endswith(self.tail) and len(text) >= len(self.head) + len(self.tail):
            return text[len(self.head) : len(text) - len(self.tail)].strip()
        return text


def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
