"""Alternative texts of web pages beside our captions of the same photos: length, and what each says of the bag."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..records import AnalysisRow, CaptionRow

if TYPE_CHECKING:
    from ..language import Vocabulary

MOST_COMPARED = 2000
"""Photos that are compared, the first of the run: each is read like a caption, which takes a millisecond."""


class AltTexts:
    """Compares alternative texts with the first caption of each photo, by the bag of that caption."""

    def __init__(self) -> None:
        self._photos = 0
        self._alt: Counter[str] = Counter()
        self._ours: Counter[str] = Counter()
        self._vocabulary: Vocabulary | None = None

    def add(self, row: AnalysisRow, captions: CaptionRow) -> None:
        """Count a photo, if it has both."""
        if not row.alt_text:
            return
        self._photos += 1
        caption = next((one for one in captions.captions if one.bag.items), None)
        if caption is None or self._alt["number"] >= MOST_COMPARED:
            return
        from ..language import Vocabulary
        from ..language.fidelity import check_caption

        self._vocabulary = self._vocabulary or Vocabulary.load()
        said = check_caption(row.alt_text, caption.bag, self._vocabulary)
        for sums, text, mentioned, missed in (
            (self._alt, row.alt_text, said.mentioned, said.missed),
            (self._ours, caption.text, caption.mentioned, caption.missed),
        ):
            sums.update(number=1, words=len(text.split()), mentioned=len(mentioned), missed=len(missed))

    def figures(self) -> dict[str, Any] | None:
        """Figures of both, as plain JSON data; None if no photo has an alternative text.

        photos: photos with an alternative text. compared: those that also have a caption, at most the first 2,000.
        words_mean: words. findings_mean: findings of the bag that are mentioned. recall: the same as a share.
        """
        if not self._photos:
            return None
        return {
            "photos": self._photos,
            "compared": self._alt["number"],
            "alt_text": _means(self._alt),
            "caption": _means(self._ours),
        }


def _means(sums: Counter[str]) -> dict[str, float | None]:
    def share(part: int, whole: int) -> float | None:
        return round(part / whole, 4) if whole else None

    return {
        "words_mean": share(sums["words"], sums["number"]),
        "findings_mean": share(sums["mentioned"], sums["number"]),
        "recall": share(sums["mentioned"], sums["mentioned"] + sums["missed"]),
    }
