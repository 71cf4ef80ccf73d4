"""Word pieces: a vocabulary made from captions, and how texts become numbers.

Words that the vocabulary lacks are cut into the longest pieces that it has, greedily from the left, as WordPiece does
(Schuster and Nakajima 2012); letters are always pieces, so that no word is lost. Digits of a number that is not a word
of its own are separate pieces. Numbers that can be ages are preceded by the tens below them (35: 10, 20, 30, 35), so
that near ages have near sums. Case and punctuation are dropped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

PAD, UNKNOWN = 0, 1
SPECIAL = ("[pad]", "[unknown]")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
LONGEST_PIECE = 16
OLDEST = 120
"""Numbers up to this are encoded with the tens below them: what is learned of one age then holds for those near it."""
_WORD = re.compile(r"[^\W\d_]+|\d+")


def split_words(text: str) -> list[str]:
    """Words and numbers in lower case.

    >>> split_words("A 60-year-old man's hat.")
    ['a', '60', 'year', 'old', 'man', 's', 'hat']
    """
    return _WORD.findall(text.lower())


def make_pieces(texts: Iterable[str], size: int) -> list[str]:
    """The pieces of a vocabulary of at most `size`: letters, then the most frequent words, then ends of other words.

    A piece within a word begins with "##".
    """
    counts = Counter(word for text in texts for word in split_words(text) if len(word) <= LONGEST_PIECE)
    letters = [*LETTERS, *(f"##{letter}" for letter in LETTERS)]
    room = size - len(SPECIAL) - len(letters)
    frequent = sorted((word for word in counts if len(word) > 1), key=lambda word: (-counts[word], word))
    words = [word for word in frequent if counts[word] > 1][: room - room // 10]
    known = set(words)
    ends: Counter[str] = Counter()
    for word in counts:
        if word not in known:
            ends.update({f"##{word[-length:]}": counts[word] for length in range(2, min(5, len(word)))})
    found = sorted(ends, key=lambda end: (-ends[end], end))
    return [*letters, *words, *found[: room - len(words)]]


class WordPieces:
    """Texts as numbers of pieces. context: pieces that are read; the rest of a text is cut off."""

    def __init__(self, pieces: Sequence[str], context: int) -> None:
        self.pieces = tuple(pieces)
        self.context = context
        self._numbers = {piece: number for number, piece in enumerate(pieces, len(SPECIAL))}
        self._known: dict[str, list[int]] = {}

    def __len__(self) -> int:
        """The number of pieces, with padding and unknown."""
        return len(self.pieces) + len(SPECIAL)

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's pieces, at most `context`."""
        return [number for word in split_words(text) for number in self._of_word(word)][: self.context]

    def unread(self, text: str) -> str:
        """The words of a text that do not fit into the context; "" if all do."""
        length = 0
        for match in _WORD.finditer(text.lower()):
            length += len(self._of_word(match.group()))
            if length > self.context:
                return text[match.start() :].strip()
        return ""

    def _of_word(self, word: str) -> list[int]:
        if word not in self._known:
            below = range(10, int(word), 10) if word.isdecimal() and len(word) <= 3 and int(word) <= OLDEST else ()
            self._known[word] = [number for one in (*map(str, below), word) for number in self._cut(one)]
        return self._known[word]

    def _cut(self, word: str) -> list[int]:
        found, start = [], 0
        while start < len(word):
            mark = "##" if start else ""
            for end in range(min(len(word), start + LONGEST_PIECE), start, -1):
                if (number := self._numbers.get(mark + word[start:end])) is not None:
                    found.append(number)
                    break
            else:
                end = start + 1  # a letter of another alphabet
                found.append(UNKNOWN)
            start = end
        return found
