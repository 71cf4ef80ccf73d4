"""Pictures drawn by a trainer's Drawer: which are asked for, their files, and what was drawn before."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import DrawRequest, Rejection
from ..utils import stream_seed, write_text
from . import files
from .prompts import Prompt

if TYPE_CHECKING:
    from ..contracts import Drawer, Progress

MANIFEST = "generated.jsonl"
SAY_EVERY_SECONDS = 20.0
SEEDS = 1 << 32
"""Seeds are below this, as other tools have them."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is asked for.

    prompt, number: which prompt it is of, and which of that prompt's pictures; they lead its file's name.
    mark: a word for the name, such as "base". source: where the prompt came from, such as a photo's id.
    """

    request: DrawRequest
    prompt: int = 0
    number: int = 0
    mark: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What became of pictures that were asked for.

    paths: the file of each, in order; None where there is none. reasons: why, once each. new: how many were drawn now.
    """

    paths: list[Path | None]
    reasons: tuple[str, ...]
    new: int

    @property
    def failed(self) -> int:
        """How many pictures there are not."""
        return sum(path is None for path in self.paths)


def picture_seed(seed: int, prompt: int, number: int) -> int:
    """The seed of a prompt's picture: `seed` itself for the first of all, another below 2^32 for each further one.

    So any picture can be drawn again alone, with the seed that is recorded in it.

    >>> picture_seed(7, 0, 0)
    7
    """
    return seed if prompt == number == 0 else stream_seed(seed, "picture", prompt, number) % SEEDS


def pictures_of(prompts: Sequence[Prompt], like: DrawRequest, per_prompt: int = 1) -> list[Picture]:
    """So many pictures of each prompt, each with a seed of its own; all else is as in `like`."""
    return [
        Picture(
            replace(like, prompt=prompt.text, seed=picture_seed(like.seed, place, number)),
            place,
            number,
            source=prompt.source,
        )
        for place, prompt in enumerate(prompts)
        for number in range(per_prompt)
    ]


def draw_pictures(
    drawer: Drawer, pictures: Sequence[Picture], folder: Path, batch_size: int, progress: Progress
) -> Drawn:
    """Draw what is not in `folder` yet, each picture into a PNG of its own that tells how it was made.

    generated.jsonl is brought up to date also where drawing is interrupted. Raises RunError where the folder cannot be
    written, and what the drawer raises.
    """
    prompts = list(dict.fromkeys(picture.request.prompt for picture in pictures))
    unread = dict(zip(prompts, drawer.unread(prompts), strict=True))
    told = []
    for picture in pictures:
        facts = files.facts(picture.request, drawer.identity(picture.request))
        told.append({**facts, "unread": end} if (end := unread[picture.request.prompt]) else facts)
    names = [files.name_of(picture, facts["key"]) for picture, facts in zip(pictures, told, strict=True)]
    paths: list[Path | None] = [folder / name for name in names]
    missing = [place for place, name in enumerate(names) if not files.is_there(folder / name, told[place]["key"])]
    missing = list({names[place]: place for place in reversed(missing)}.values())[::-1]  # equal pictures are drawn once
    missing.sort(key=lambda place: pictures[place].request.scale)  # so that hardly a batch is of two strengths
    if not missing:
        progress.say(f"all {len(set(names))} picture(s) were drawn before")
        _write_manifest(folder, pictures, names, told)
        return Drawn(paths, (), 0)
    reasons: dict[str, str] = {}
    progress.start("drawing", len(set(names)), len(set(names)) - len(missing))
    try:
        for batch in _batches(missing, batch_size):
            requests = [pictures[place].request for place in batch]
            results = drawer.draw(requests, _Steps(max(one.steps for one in requests), progress))
            for place, result in zip(batch, results, strict=True):
                if isinstance(result, Rejection):
                    reasons[names[place]] = result.reason
                else:
                    files.write(folder / names[place], result, told[place])
            refused = sum(isinstance(result, Rejection) for result in results)
            progress.advance(len(batch), failed=refused)
    finally:
        progress.finish()
        _write_manifest(folder, pictures, names, told)
    paths = [None if name in reasons else path for name, path in zip(names, paths, strict=True)]
    return Drawn(paths, tuple(dict.fromkeys(reasons.values())), len(missing) - len(reasons))


def warn_of_unread(drawer: Drawer, prompts: Sequence[str], progress: Progress, most: int = 5) -> int:
    """Say which prompts are longer than the model reads, and what of them it does not; returns how many."""
    distinct = list(dict.fromkeys(prompts))
    ends = [(prompt, end) for prompt, end in zip(distinct, drawer.unread(distinct), strict=True) if end]
    for prompt, end in ends[:most]:
        start = prompt if len(prompt) <= 60 else f"{prompt[:57]}…"
        progress.say(f'too long: of "{start}" the model does not read the end: "{end}"')
    if len(ends) > most:
        progress.say(f"too long: {len(ends) - most} more prompts, whose ends are not read")
    return len(ends)


class _Steps:
    """Says now and then how far a batch is that takes long."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress
        self._began = self._spoke = time.monotonic()

    def __call__(self) -> None:
        """A step is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._spoke < SAY_EVERY_SECONDS or self._done >= self._total:
            return
        self._spoke = now
        left = (now - self._began) / self._done * (self._total - self._done)
        self._progress.say(f"step {self._done} of {self._total}, {left:.0f} s left for these pictures")


def _batches(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (places[first : first + size] for first in range(0, len(places), size))


def _write_manifest(
    folder: Path, pictures: Sequence[Picture], names: Sequence[str], told: Sequence[Mapping[str, Any]]
) -> None:
    """A line for each picture in the folder: these, and those of earlier commands."""
    if not folder.is_dir():
        return
    path = folder / MANIFEST
    lines: dict[str, dict[str, Any]] = {}
    # not splitlines(): a prompt may hold one of Unicode's other ends of lines
    for line in path.read_text(encoding="utf-8").split("\n") if path.is_file() else ():
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that is none of ours
            entry = json.loads(line)
            lines[entry["file_name"]] = entry
    for picture, name, facts in zip(pictures, names, told, strict=True):
        source = {"source": picture.source} if picture.source else {}
        lines[name] = {"file_name": name, "text": picture.request.prompt, **source, **facts}
    kept = [lines[name] for name in sorted(lines) if (folder / name).is_file()]
    write_text(path, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in kept))
