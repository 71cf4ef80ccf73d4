"""Token counts for CLIP's text encoder, which reads at most 77 tokens.

Matches the tokenizer of `transformers` (Radford et al. 2021, arXiv 2103.00020): NFC, lower case, split into letters,
single digits and runs of other signs, then byte pairs merged in the order of OpenAI's list. open_clip also replaces
HTML entities and curly quotes first, which may save a token or two.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from ..errors import ArtifactError
from ..models import Artifact, ModelStore, Url, WheelMember

MERGES = Artifact(
    "bpe_simple_vocab_16e6.txt.gz",
    sources=(
        WheelMember("open_clip_torch", "3.3.0", "open_clip/bpe_simple_vocab_16e6.txt.gz"),
        Url("https://github.com/openai/CLIP/raw/main/clip/bpe_simple_vocab_16e6.txt.gz"),
    ),
    licence="MIT",
    sha256="924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
    size=1_356_917,
    licence_url="https://github.com/openai/CLIP/blob/main/LICENSE",
    note="the merge list of CLIP's tokenizer, which measures the length of captions",
)

_COUNT = 49_152 - 256 - 2  # merges in CLIP's vocabulary: all tokens except the 2 x 256 bytes, start and end
_PIECE = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+", re.ASCII)
_END = "</w>"
_KNOWN_WORDS = 1 << 16


class TokenCounter:
    """CLIP token counter, start and end included; words are cached, since captions share most of them.

    path: the list of merges, see MERGES. Raises ArtifactError if the file is not such a list.

    >>> TokenCounter(ModelStore().path(MERGES)).count("A 34-year-old woman")  # doctest: +SKIP
    10
    """

    def __init__(self, path: Path) -> None:
        try:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                lines = file.read().split("\n")[1 : 1 + _COUNT]
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise ArtifactError(f"{path} is not readable as CLIP's list of merges: {error}") from error
        self._ranks = {(first, second): rank for rank, (first, _, second) in enumerate(map(_halves, lines))}
        self._size = lru_cache(_KNOWN_WORDS)(self._merged)

    def count(self, text: str) -> int:
        """Number of tokens of the text, start and end included."""
        return 2 + sum(map(self._size, _pieces(text)))

    def _merged(self, word: str) -> int:
        """Number of tokens of a piece: at each step, the neighbours that come first in the list are merged."""
        parts = [_LETTERS[byte] for byte in word.encode("utf-8", "replace")]
        parts[-1] += _END
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, _COUNT))
            if best not in self._ranks:
                break
            parts = list(_joined(parts, best))
        return len(parts)


def token_counter(models: ModelStore) -> TokenCounter:
    """The counter; its file is fetched if it is missing. Raises ArtifactError with the alternative."""
    try:
        return TokenCounter(models.path(MERGES))
    except ArtifactError as error:
        raise ArtifactError(f"{error}\nTo skip the length check: --set captions.max_tokens=0") from error


def _halves(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def _joined(parts: list[str], pair: tuple[str, str]) -> Iterator[str]:
    at = 0
    while at < len(parts):
        if (parts[at], *parts[at + 1 : at + 2]) == pair:
            yield pair[0] + pair[1]
            at += 2
        else:
            yield parts[at]
            at += 1


def _pieces(text: str) -> list[str]:
    """Pieces that are merged separately: words, single digits, runs of other signs."""
    if text.isascii():
        return _PIECE.findall(text.lower())
    # Letter by letter: lower() of "ΟΣ" uses the final sigma, which CLIP's tokenizer does not
    text = "".join(letter.lower() for letter in unicodedata.normalize("NFC", text))
    plain = "".join(map(_stand_in, text))
    return [text[piece.start() : piece.end()] for piece in _PIECE.finditer(plain)]


def _stand_in(letter: str) -> str:
    """An ASCII sign of the same category; "a" and "1" do not begin contractions such as 're."""
    if letter.isascii():
        return letter
    kind = unicodedata.category(letter)[0]
    return {"L": "a", "N": "1", "Z": " "}.get(kind, " " if letter == "\x85" else "~")


def _byte_letters() -> list[str]:
    """The letter for each byte: itself if it is printable, otherwise a letter from U+0100 on."""
    seen = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = iter(range(256, 512))
    return [chr(byte if byte in seen else next(hidden)) for byte in range(256)]


_LETTERS = _byte_letters()
