"""`t2f check`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from ..utils import parse_json
from . import DONE, SOME_FAILED
from .common import plugins_of

if TYPE_CHECKING:
    from ..language import Vocabulary
    from ..language.fidelity import Fidelity
    from ..plugins import Plugins
    from ..records import Bag, BagItem

LEVELS = ("F1", "F2", "photo")


class _BadLine(ValueError):
    """A line that is not a caption with its bag; the text says why."""


@dataclass
class _Totals:
    """Totals over all lines so far."""

    captions: int = 0
    findings: int = 0
    mentioned: int = 0
    inventing: int = 0
    clean: int = 0
    with_bag: int = 0
    malformed: int = 0
    unreadable: int = 0

    def add(self, fidelity: Fidelity | None, flaw: str, contradicts: tuple[str, ...]) -> None:
        """Count a caption; without a bag it has no fidelity."""
        self.captions += 1
        self.malformed += bool(flaw)
        self.clean += not (flaw or contradicts) and (fidelity is None or fidelity.clean)
        if fidelity and (fidelity.mentioned or fidelity.missed):
            self.with_bag += 1
            self.findings += len(fidelity.mentioned) + len(fidelity.missed)
            self.mentioned += len(fidelity.mentioned)
            self.inventing += bool(fidelity.invented)

    def __str__(self) -> str:
        parts = [f"{self.captions:,} caption{'s' * (self.captions != 1)} read"]
        if self.with_bag:
            parts.append(f"{self.mentioned / self.findings:.1%} of {self.findings:,} findings mentioned")
            parts.append(f"{self.inventing / self.with_bag:.1%} of captions invent something")
        if self.malformed:
            parts.append(f"{self.malformed / self.captions:.1%} are malformed")
        if self.captions:
            parts.append(f"{self.clean / self.captions:.1%} are clean")
        if self.unreadable:
            parts.append(f"{self.unreadable:,} line{'s' * (self.unreadable != 1)} not readable")
        return "; ".join(parts)


@click.command(short_help="Check what captions mention, miss and invent.")
@click.argument("source", metavar="FILE.jsonl|RUN")
@click.option("--allow", "allowed", multiple=True, metavar="WORD", help="Word that is never an invention. Repeatable.")
@click.option("--lines", is_flag=True, help="Print the lines of RUN to check elsewhere, without checking them.")
@click.option("--plugins", default="", metavar="A,B", help="Plugins whose vocabularies are used as well.")
@click.pass_context
def check(ctx: click.Context, /, source: str, plugins: str, allowed: tuple[str, ...], *, lines: bool) -> int:
    """Check which findings of their bags captions mention and miss, and what they invent.

    The captions are lines of a file (- for stdin), or those of a run directory.

    \b
    Each line in:  {"id": …, "bag": [{"name", "value", "phrase", "level"}, …], "caption": "…"}
    Each line out: {"id": …, "mentioned": […], "missed": […], "invented": […]}
    Without a bag: {"caption": "…"}  →  {"id": line number, "contradicts": […]}

    \b
    t2f check captions.jsonl
    t2f check runs/photos
    t2f check runs/photos --lines > captions.jsonl

    Captions from any program can be checked. "mentioned" and "missed" together are the names of the bag; "invented"
    lists names of findings, and "other" for anything else about the person or the scene. A malformed
    caption (a refusal, a list, another language, a sentence without an end) has the key "flaw" as well. For a plain
    caption, "contradicts" lists the findings about which it contradicts itself. An invalid line is reported on stderr
    and skipped; the exit code is then 1.
    """
    from ..errors import NothingToDo
    from ..language import Vocabulary
    from ..language.fidelity import check_caption, find_contradictions
    from ..plugins import split_names

    names = split_names(plugins)
    vocabulary = Vocabulary.load(_words_of(plugins_of(ctx), names) if names else ())
    count = _Totals()
    for number, line in _read_source(source):
        if lines:
            sys.stdout.write(line.decode("utf-8", "replace").strip() + "\n")
            continue
        try:
            name, bag, caption = _parse(line)
        except _BadLine as problem:
            count.unreadable += 1
            click.echo(f"t2f: line {number}: {problem}", err=True)
            continue
        flaw = _flaw(caption, vocabulary)
        contradicts: tuple[str, ...] = ()
        result: dict[str, Any] = {}
        fidelity = None if bag is None else check_caption(caption, bag, vocabulary, allowed)
        if fidelity is None:
            contradicts = find_contradictions(caption, vocabulary)
            result["contradicts"] = contradicts
        else:
            result |= {"mentioned": fidelity.mentioned, "missed": fidelity.missed, "invented": fidelity.invented}
        count.add(fidelity, flaw, contradicts)
        shown = {"id": number if name is None else name, **result, **({"flaw": flaw} if flaw else {})}
        sys.stdout.write(json.dumps(shown) + "\n")
    sys.stdout.flush()
    if lines:
        return DONE
    if not count.captions and not count.unreadable:
        raise NothingToDo("the file has no line to check")
    if not (ctx.find_root().obj or {}).get("quiet"):
        click.echo(f"t2f: {count}", err=True)
    return SOME_FAILED if count.unreadable else DONE


def _words_of(plugins: Plugins, names: list[str]) -> list[Mapping[str, Any] | Path]:
    """The vocabularies of these plugins. Raises PluginError with the choices if a name is unknown."""
    for name in names:
        plugins.chosen([name])
    return plugins.vocabularies(names)


def _flaw(caption: str, vocabulary: Vocabulary) -> str:
    """Why a caption is malformed; sentences and tags are both well-formed."""
    from ..language import find_flaw, tidy_text
    from ..language.fidelity import find_language_flaw

    text = tidy_text(caption)
    if not text:
        return ""  # it misses every finding, which is said already
    flaw = find_flaw(text)
    if flaw == "a list":
        flaw = find_flaw(text, style="tags")
    return flaw or find_language_flaw(text, vocabulary)


def _read_source(source: str) -> Iterator[tuple[int, bytes]]:
    """Numbered lines of a file, of stdin, or of the captions of a run."""
    if source == "-":
        yield from _lines(sys.stdin.buffer)
    elif Path(source).is_dir():
        yield from enumerate(_lines_of_run(Path(source)), 1)
    else:
        try:
            with Path(source).open("rb") as file:
                yield from _lines(file)
        except OSError as error:
            raise click.BadParameter(f"cannot read {source}: {error.strerror}", param_hint="FILE.jsonl") from None


def _lines_of_run(path: Path) -> Iterator[bytes]:
    """A line for each caption of a run; the id is the photo's, with the index of the caption."""
    from ..run import RunDirectory

    for _, captions in RunDirectory.open(path).rows():
        for number, caption in enumerate(captions.captions):
            bag = [
                {"name": item.name, "value": item.value, "phrase": item.phrase, "level": item.level}
                for item in caption.bag.items
            ]
            line = {"id": f"{captions.photo_id}-{number}", "bag": bag, "caption": caption.text}
            yield json.dumps(line, ensure_ascii=False).encode()


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, numbered from 1."""
    for number, line in enumerate(file, 1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if text.strip():
            yield number, text


def _parse(line: bytes) -> tuple[Any, Bag | None, str]:
    """(id, bag, caption) of a line; id and bag may be None. Raises _BadLine."""
    from ..records import Bag

    try:
        given = parse_json(line.decode("utf-8"))
    except ValueError as error:  # JSON and UTF-8 errors both are
        raise _BadLine(f"it is not valid JSON in UTF-8: {error}") from None
    if not isinstance(given, dict):
        raise _BadLine('it should be an object {"id", "bag", "caption"}')
    if "caption" not in given:
        raise _BadLine('it has no "caption"')
    if not isinstance(given["caption"], str):
        raise _BadLine(f'"caption" should be a text, not {_shown(given["caption"])}')
    if "bag" not in given:
        return given.get("id"), None, given["caption"]
    if not isinstance(given["bag"], list):
        raise _BadLine(f'"bag" should be a list of findings, not {_shown(given["bag"])}')
    bag = Bag(tuple(_item(number, item) for number, item in enumerate(given["bag"])))
    return given.get("id"), bag, given["caption"]


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
            raise _BadLine(f'{where}: "value" is not a finite number')
    elif not isinstance(value, str | bool):
        raise _BadLine(f'{where}: "value" should be true, false, a number or a text, not {_shown(value)}')
    return BagItem(name, value, phrase, level)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 40 else f"{text[:37]}…"
