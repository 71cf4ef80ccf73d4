"""Prompts from the command line, from files, and from the captions of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import NothingToDo, SourceError
from ..run import RunDirectory
from ..utils import parse_json


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and its source: a photo's id or file; empty if it was typed."""

    text: str
    source: str = ""


def read_prompts(
    given: Sequence[str], file: Path | None = None, captions: Path | None = None, limit: int | None = None
) -> list[Prompt]:
    """Read prompts: the given texts, then those of a file, then captions; at most `limit`.

    Raises SourceError if a file cannot be read, NothingToDo if there are no prompts.
    """

    def all_prompts() -> Iterator[Prompt]:
        yield from (Prompt(text) for text in given)
        if file:
            yield from of_file(file)
        if captions:
            yield from of_captions(captions)

    prompts = list(islice(all_prompts(), limit))
    for prompt in prompts:
        if any("\ud800" <= letter <= "\udfff" for letter in prompt.text):
            raise SourceError(f"the prompt {prompt.text!r} is not valid Unicode")
    if not prompts:
        where = " and ".join(str(path) for path in (file, captions) if path)
        raise NothingToDo(f"{where or 'the command'} holds no prompt")
    return prompts


def of_file(path: Path) -> Iterator[Prompt]:
    """Prompts of a file, one per line, # begins a comment; of a .jsonl file, each line's "prompt" or first "text"."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # not at Unicode's other line breaks
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"the prompts in {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if path.suffix.lower() in {".jsonl", ".ndjson"}:
            yield _of_json(line, f"{path}, line {number}")
        elif not line.lstrip().startswith("#"):
            yield Prompt(line.strip())


def of_captions(path: Path) -> Iterator[Prompt]:
    """The first caption of each captioned photo of a run, or of each picture of an imagefolder."""
    if not (path / "run.toml").is_file() and (path / "metadata.jsonl").is_file():
        yield from of_file(path / "metadata.jsonl")
        return
    for row, captioned in RunDirectory.open(path).rows():
        if captioned.captions:
            yield Prompt(captioned.captions[0].text, row.photo_id)


def _of_json(line: str, where: str) -> Prompt:
    try:
        entry: Any = parse_json(line)
    except ValueError as error:
        raise SourceError(f"{where} is not valid JSON: {error}") from error
    found = entry.get("prompt", entry.get("text")) if isinstance(entry, dict) else None
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, str):
        raise SourceError(f'{where} has no prompt; it should be {{"prompt": "…"}} or {{"text": "…"}}')
    return Prompt(found, str(entry.get("file_name", "")))
