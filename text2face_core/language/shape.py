"""Reject model output that is malformed as a caption: lists, headings, talk about the task, echoes, other languages.

Only the form is tested, in microseconds; `fidelity` tests what a caption says.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

_WORD = re.compile(r"[^\W\d_]+|\d+")
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb", "`": "`"}
_ECHO = 8  # words in a row; shorter runs ("he looks surprised and he has") are common English
_LONGEST = 30  # most words of a caption without a full stop
_OPEN_SIGNS = ",;:-\u2013\u2014([{/&+"
_STOP = re.compile(r"[^\W\d_]{3}[.!?]\s")
_REPEATED = 3  # occurrences of the same four words

_BULLET = re.compile(r"^\s*(?:[-*\u2022\u2023\u25aa\u25cf\u2013\u2014]|\(?\d{1,2}[.)]|\(?[a-h]\))\s", re.MULTILINE)
_BULLETS_IN_LINE = re.compile(r"[\u2022\u25aa\u25cf]|(?:^|\s)1[.)]\s.*\s2[.)]\s")
_PAIRS = re.compile(r"\b[^\W\d_]+(?:[ _-][^\W\d_]+)?\s*:\s*[\w\"'\u201c]")
_MARKS = re.compile(
    r"\*\*|__|```|^\s*#|###|^\s*[\[{]|<[^<>\s]{1,40}>|\[/?[a-z]{3,6}\]|\b(?:user|assistant|system|human)\s*:"
    r"|\\[nrtu]|&(?:[a-z]{2,8}|#\d{1,6});",
    re.IGNORECASE,
)
_WRITING = (
    r"(?:captions?|descriptions?|sentences?|prompts?|paragraphs?|summary|version|tags?|text|output|response"
    r"|answer|examples?|instructions?)"
)
_TASK = re.compile(
    rf"""^(?:sure|certainly|absolutely|of\ course|okay|ok|alright|got\ it|understood|great)\b\s*[,!.:\u2013\u2014-]
    |^(?:sure|certainly|of\ course|okay|ok)\b.{{0,20}}\b(?:here|i|this)\b
    |^(?:\w+\W+){{0,3}}here(?:\s+is|\s+are|['\u2019]s)\s+(?:\S+\s+){{0,6}}?{_WRITING}\b
    |^(?:(?:the|a|my|final|image|photo|short|long)\s+)*{_WRITING}\s*(?::|\bis\b|\b(?:would|could)\ be\b)
    |^(?:based\ on|given|according\ to|using|from)\s+(?:\S+\s+){{0,3}}?
        (?:characteristics|attributes|information|details|words|features|findings|list|description|prompt)\b
    |\bas\s+an?\s+(?:ai\b|artificial|assistant\b|(?:large\s+)?language\s+model)
    |\blanguage\s+model\b
    |\b(?:you|your|yours|yourself)\b  # nor a second one
    |^(?:sorry|unfortunately|apolog\w+)\b|[.!?]\s+(?:sorry|unfortunately|apolog\w+)\b
    |\b(?:unable|(?:not|in)\W*(?:able|appropriate|possible|allowed|permitted))\s+to\s+\w+|\b(?:cannot|can['\u2019]?t)\s+(?:be\s+)?
        (?:describe|identif|comment|comply|help|assist|provid|fulfil|answer|shar|generat|determin)\w*
    |\b(?:content|usage|safety|privacy|my|our|the|violat\w+)\W+(?:policy|policies|guidelines?)\b
    |\b(?:this|the)\s+(?:request|conversation|chat)\b
    |\banything\s+else\s*\?
    |(?-i:\bI\b)  # a caption has no first person
    |\b(?:let\s+me\s+know|feel\s+free|hope\s+this|as\s+requested|as\s+you\s+(?:asked|requested)|your\s+request)\b
    |\bnote\s*(?::|\s+that\b)
    |\b(?:this|the|above|following|coherent|fluent|given|provided)\s+{_WRITING}\b
    |\b(?:given|provided|specified|listed|above|following|mentioned|requested|all\ the|main|other|primary|secondary)\s+
        (?:characteristics|attributes|traits|features|details)\b
    |\b\d+\s+words\b|\bwords?\s+(?:count|limit)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_WORDS = {
    name: frozenset(words.split())
    for name, words in tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")).items()
}
_CONTROL = {"Cc", "Cf", "Cs"}
_ARROWS = "\u25c1\u25b7\u2190\u2192\u21d2\u27e8\u27e9\u3008\u3009\u300a\u300b\u3010\u3011"
"""Arrows and brackets around the tokens of some chat formats, such as \u25c1think\u25b7."""
_LATIN_SIGNS = "\u00aa\u00ba\u00b5"
_ENGLISH = _WORDS["grammar"] | _WORDS["nouns"]
_JOINING = _WORDS["grammar"] - _WORDS["listed"]
_ARTICLES = {"a", "an", "the"}
_ITEM = re.compile(r"[,;]\s+(?:an?|the)\b", re.IGNORECASE)


def tidy_text(text: str) -> str:
    """The text without surrounding white space and quotation marks; wrapped lines are joined.

    >>> tidy_text(' "A woman with\\nbrown hair." ')
    'A woman with brown hair.'
    """
    text = text.strip()
    while len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    text = re.sub(r"(?<=[^\s.!?:])[ \t]*\r?\n[ \t]*(?=[a-z])", " ", text)
    return re.sub(r"[ \t\xa0]+", " ", text)


def find_flaw(text: str, prompt: str = "", style: str = "") -> str:
    """Why a tidied text is not a caption, in a few words; empty if its form is fine.

    prompt: the prompt without the phrases of the bag; a text that repeats it is rejected.
    style: "tags" for a list of words with commas between, anything else for sentences.

    >>> find_flaw("A woman with brown hair."), find_flaw("Sure! A woman with brown hair.")
    ('', 'talk about the task')
    """
    words = _WORD.findall(text.lower())
    if not words:
        return "empty"
    return (
        _language(text, words)
        or ("talk about the task" if not _WORDS["task"].isdisjoint(words) and _TASK.search(text) else "")
        or _layout(text)
        or ("echo of the prompt" if prompt and echoes(words, prompt) else "")
        or ("repeats itself" if _repeats(words) else "")
        or _ending(text, words)
        or ("" if style == "tags" else _sentence(text, words))
    )


def echoes(words: list[str], prompt: str) -> bool:
    """Whether eight consecutive words also occur in a single line of the prompt."""
    if len(words) < _ECHO:
        return False
    runs = {
        tuple(said[at : at + _ECHO])
        for line in prompt.lower().splitlines()
        for said in [_WORD.findall(line)]
        for at in range(len(said) - _ECHO + 1)
    }
    return any(tuple(words[at : at + _ECHO]) in runs for at in range(len(words) - _ECHO + 1))


def _language(text: str, words: list[str]) -> str:
    if any(unicodedata.category(sign) in _CONTROL for sign in text if sign not in "\n\t"):
        return "control characters"
    if not text.isascii():
        strange = [letter for letter in text if not letter.isascii()]
        if any(letter.isalpha() and not _is_latin(letter) for letter in strange):
            return "not English"
        if any(
            unicodedata.category(letter) in {"So", "Cn", "Co"} or letter in _ARROWS or letter == "\ufffd"
            for letter in strange
        ):
            return "signs that are not words"
    foreign = sum(word in _WORDS["foreign"] for word in words)
    if foreign > 1 and foreign > sum(word in _ENGLISH for word in words):
        return "not English"
    return ""


def _is_latin(letter: str) -> bool:
    return letter in _LATIN_SIGNS or unicodedata.name(letter, "").startswith("LATIN")


def _layout(text: str) -> str:
    if _MARKS.search(text):
        return "headings or marks of a page"
    if _BULLET.search(text) or _BULLETS_IN_LINE.search(text) or (":" in text and len(_PAIRS.findall(text)) > 1):
        return "a list"
    return "more than one paragraph" if "\n" in text else ""


def _repeats(words: list[str]) -> bool:
    if len(words) < 4 * _REPEATED:
        return False
    runs = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
    return max(runs.values()) >= _REPEATED


def _ending(text: str, words: list[str]) -> str:
    """Whether the text breaks off: on a word or sign that cannot be the last, or in an ellipsis."""
    if text.endswith(("...", "\u2026")):
        return "unfinished"
    open_end = words[-1] in _WORDS["dangling"] or text[-1] in _OPEN_SIGNS
    return "unfinished" if words[-1] in _WORDS["never_last"] or (open_end and not _is_stopped(text)) else ""


def _is_stopped(text: str) -> bool:
    return text.rstrip("\"'\u201d\u2019)")[-1:] in {".", "!", "?"}


def _sentence(text: str, words: list[str]) -> str:
    if not _is_stopped(text) and (len(words) > _LONGEST or _STOP.search(text)):
        return "unfinished"
    commas = text.count(",") + text.count(";")
    # "a hat, a smile, bald" is a list, "a happy, smiling, bald man" is not
    if commas > 1 and _JOINING.isdisjoint(words) and (_ARTICLES.isdisjoint(words) or _ITEM.search(text)):
        return "a list"
    if any(one == two for one, two in pairwise(words) if one in _WORDS["doubled"]):
        return "repeats itself"
    return ""
