"""Early warning of a fuser whose texts are refused again and again, with the words that are the reason."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable

log = logging.getLogger(__name__)

_FEWEST = 8  # texts before anything is said
_SHARE = 0.75  # refused, above which the run is worth stopping
_NAMED = 5


class RefusalWatch:
    """Counts a fuser's texts and the reasons for refusing them, and warns once if most are refused."""

    def __init__(self, fuser: str) -> None:
        self._fuser = fuser
        self._texts = self._refused = 0
        self._reasons: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        self.warned = False

    def accept(self) -> None:
        """Count an acceptable text."""
        self._texts += 1

    def refuse(self, reasons: Iterable[str], words: Iterable[str] = ()) -> None:
        """Count a refused text. words: those of the text that no finding of the bag explains."""
        self._texts += 1
        self._refused += 1
        self._reasons.update(set(reasons))
        self._words.update(set(words))

    def warn(self) -> None:
        """Log a warning, once, if most texts so far were refused."""
        if self.warned or self._texts < _FEWEST or self._refused < _SHARE * self._texts:
            return
        self.warned = True
        text = f"{self._fuser}: {self._refused} of {self._texts} texts were refused so far: {_ranked(self._reasons)}."
        if self._words:
            quoted = Counter({f'"{word}"': count for word, count in self._words.items()})
            most = self._words.most_common(1)[0][0]
            text += f" Words that the findings do not explain: {_ranked(quoted)}."
            text += f" If captions may say them: --set 'captions.allow=[\"{most}\"]'"
        log.warning("%s", text)


def _ranked(counts: Counter[str]) -> str:
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    named = ", ".join(f"{name} ({count})" for name, count in most[:_NAMED])
    return named + (f", {len(most) - _NAMED} more" if len(most) > _NAMED else "")
