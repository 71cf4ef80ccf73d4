"""`t2f check`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import click

from . import DONE, SOME_FAILED
from .common import plugins_of

if TYPE_CHECKING:
    from pathlib import Path

    from ..language.fidelity import Verdict
    from ..plugins import Plugins
    from ..records import Bag, BagItem

LEVELS = ("F1", "F2", "photo")


class _BadLine(ValueError):
    """A line that is no caption with its bag; the text says what is wrong with it."""


@dataclass
class _Count:
    """What was read so far."""

    captions: int = 0
    findings: int = 0
    mentioned: int = 0
    inventing: int = 0
    clean: int = 0
    unreadable: int = 0

    def add(self, verdict: Verdict) -> None:
        self.captions += 1
        self.findings += len(verdict.mentioned) + len(verdict.missed)
        self.mentioned += len(verdict.mentioned)
        self.inventing += bool(verdict.invented)
        self.clean += verdict.clean

    def __str__(self) -> str:
        parts = [f"{self.captions:,} caption{'s' * (self.captions != 1)} read"]
        if self.captions:
            recall = self.mentioned / self.findings if self.findings else 1
            parts.append(f"{recall:.1%} of {self.findings:,} findings mentioned")
            parts.append(f"{self.inventing / self.captions:.1%} of captions invent something")
            parts.append(f"{self.clean / self.captions:.1%} are clean")
        if self.unreadable:
            parts.append(f"{self.unreadable:,} line{'s' * (self.unreadable != 1)} could not be read")
        return "; ".join(parts)


@click.command(short_help="Say what captions mention, miss and invent.")
@click.argument("file", type=click.File("rb"), metavar="FILE.jsonl")
@click.option("--plugins", default="", metavar="A,B", help="Plugins whose words for findings are read too.")
@click.pass_context
def check(ctx: click.Context, /, file: IO[bytes], plugins: str) -> int:
    """Say which findings of their bags captions mention and miss, and what they invent. FILE may be - for stdin.

    \b
    Each line in:  {"id": …, "bag": [{"name", "value", "phrase", "level"}, …], "caption": "…"}
    Each line out: {"id": …, "mentioned": […], "missed": […], "invented": […]}

    Anybody's captions can be checked. "mentioned" and "missed" are together the names of the bag; "invented" holds
    names of findings, and "other" for whatever else is said of the person or the scene. A line that cannot be read is
    named on stderr and the others go on; the exit code is then 1.
    """
    from ..errors import NothingToDo
    from ..language import Vocabulary
    from ..language.fidelity import check_caption as read
    from ..plugins import split_names

    names = split_names(plugins)
    vocabulary = Vocabulary.load(_words_of(plugins_of(ctx), names) if names else ())
    count = _Count()
    for number, line in _lines(file):
        try:
            name, bag, caption = _parse(line)
        except _BadLine as problem:
            count.unreadable += 1
            click.echo(f"t2f: line {number}: {problem}", err=True)
            continue
        verdict = read(caption, bag, vocabulary)
        count.add(verdict)
        said = {"mentioned": verdict.mentioned, "missed": verdict.missed, "invented": verdict.invented}
        sys.stdout.write(json.dumps({"id": name, **said}) + "\n")
    sys.stdout.flush()
    if not count.captions and not count.unreadable:
        raise NothingToDo("there is no line to check")
    if not (ctx.find_root().obj or {}).get("quiet"):
        click.echo(f"t2f: {count}", err=True)
    return SOME_FAILED if count.unreadable else DONE


def _words_of(plugins: Plugins, names: list[str]) -> list[Mapping[str, Any] | Path]:
    """The words that these plugins bring. Raises PluginError, with the choices, where one is unknown."""
    for name in names:
        plugins.chosen([name])
    return plugins.vocabularies(names)


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1."""
    for number, line in enumerate(file, 1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if text.strip():
            yield number, text


def _parse(line: bytes) -> tuple[Any, Bag, str]:
    """(id, bag, caption) of a line. Raises _BadLine."""
    from ..records import Bag

    try:
        given = json.loads(line.decode("utf-8"))
    except RecursionError:
        raise _BadLine("it is nested too deeply") from None
    except ValueError as error:  # JSON and UTF-8 errors both are
        raise _BadLine(f"it is no JSON in UTF-8: {error}") from None
    if not isinstance(given, dict):
        raise _BadLine('it should be an object {"id", "bag", "caption"}')
    missing = [key for key in ("id", "bag", "caption") if key not in given]
    if missing:
        raise _BadLine(f"it has no {' and no '.join(map(json.dumps, missing))}")
    if not isinstance(given["caption"], str):
        raise _BadLine(f'"caption" should be a text, not {_shown(given["caption"])}')
    if not isinstance(given["bag"], list):
        raise _BadLine(f'"bag" should be a list of findings, not {_shown(given["bag"])}')
    return given["id"], Bag(tuple(_item(number, item) for number, item in enumerate(given["bag"]))), given["caption"]


def _item(number: int, given: object) -> BagItem:
    from ..records import BagItem

    where = f'"bag"[{number}]'
    if not isinstance(given, dict):
        raise _BadLine(f'{where} should be an object {{"name", "value", "phrase", "level"}}, not {_shown(given)}')
    for key in ("name", "value", "phrase", "level"):
        if key not in given:
            raise _BadLine(f'{where} has no "{key}"')
    name, value, phrase, level = given["name"], given["value"], given["phrase"], given["level"]
    if not (isinstance(name, str) and name and isinstance(phrase, str) and phrase.strip()):
        raise _BadLine(f'{where}: "name" and "phrase" should be texts, not {_shown(name)} and {_shown(phrase)}')
    if level not in LEVELS:
        raise _BadLine(f'{where}: "level" should be one of {", ".join(LEVELS)}, not {_shown(level)}')
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            value = float(value)
        if not isinstance(value, float) or not math.isfinite(value):
            raise _BadLine(f'{where}: "value" is no number that can be counted with')
    elif not isinstance(value, str | bool):
        raise _BadLine(f'{where}: "value" should be true, false, a number or a text, not {_shown(value)}')
    return BagItem(name, value, phrase, level)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 40 else f"{text[:37]}…"
