"""Images from a trainer's ImageGenerator: which ones are wanted, their files, and which are there already."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import GenerationRequest, Rejection
from ..utils import parse_json, stream_seed, write_text
from . import files
from .prompts import Prompt

if TYPE_CHECKING:
    from ..contracts import ImageGenerator, Progress

MANIFEST = "generated.jsonl"
SAY_EVERY_SECONDS = 20.0
SEEDS = 1 << 32
"""Seeds are below this, as other tools have them."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """An image to generate.

    Attributes:
        request: Prompt, seed and settings.
        prompt: The number of its prompt, from 0; its file's name begins with it.
        number: Which of that prompt's images it is, from 0.
        mark: A word for the file's name, such as "base".
        source: Where the prompt came from, such as a photo's id.
    """

    request: GenerationRequest
    prompt: int = 0
    number: int = 0
    mark: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """The files of the images that were wanted.

    Attributes:
        paths: The file of each image, in order; None if it could not be generated.
        reasons: Why images could not be generated, each reason once.
        new: How many images were generated now, and not earlier.
    """

    paths: list[Path | None]
    reasons: tuple[str, ...]
    new: int

    @property
    def failed(self) -> int:
        """How many images could not be generated."""
        return sum(path is None for path in self.paths)


def image_seed(seed: int, prompt: int, number: int) -> int:
    """The seed of a prompt's image: `seed` itself for the very first, another one below 2^32 for each further image.

    So any image can be generated again alone, with the seed that is recorded in it.

    >>> image_seed(7, 0, 0)
    7
    """
    return seed if prompt == number == 0 else stream_seed(seed, "picture", prompt, number) % SEEDS


def plan_images(prompts: Sequence[Prompt], like: GenerationRequest, per_prompt: int = 1) -> list[ImageSpec]:
    """`per_prompt` images of each prompt, each with its own seed; everything else as in `like`."""
    return [
        ImageSpec(
            replace(like, prompt=prompt.text, seed=image_seed(like.seed, place, number)),
            place,
            number,
            source=prompt.source,
        )
        for place, prompt in enumerate(prompts)
        for number in range(per_prompt)
    ]


def generate_images(
    generator: ImageGenerator, specs: Sequence[ImageSpec], folder: Path, batch_size: int, progress: Progress
) -> GenerationResult:
    """Generate what is not in `folder` yet, each image as a PNG that records how it was made.

    generated.jsonl is updated even if the generation is interrupted.

    Args:
        generator: Generates the images.
        specs: The images wanted.
        folder: Where the files go.
        batch_size: Images at once.
        progress: Receives how far the work has come.

    Raises:
        RunError: The folder cannot be written.
    """
    prompts = list(dict.fromkeys(spec.request.prompt for spec in specs))
    unread = dict(zip(prompts, generator.unread(prompts), strict=True))
    records = []
    for spec in specs:
        record = files.image_record(spec.request, generator.identity(spec.request))
        records.append({**record, "unread": end} if (end := unread[spec.request.prompt]) else record)
    names = [files.name_of(spec, record["key"]) for spec, record in zip(specs, records, strict=True)]
    paths: list[Path | None] = [folder / name for name in names]
    missing = [place for place, name in enumerate(names) if not files.is_there(folder / name, records[place]["key"])]
    missing = list({names[place]: place for place in reversed(missing)}.values())[::-1]  # equal images once
    missing.sort(key=lambda place: specs[place].request.scale)  # so that almost every batch has one strength
    if not missing:
        progress.say(f"all {len(set(names))} image(s) were generated before")
        _write_manifest(folder, specs, names, records)
        return GenerationResult(paths, (), 0)
    reasons: dict[str, str] = {}
    progress.start("generating", len(set(names)), len(set(names)) - len(missing))
    try:
        for batch in _batches(missing, batch_size):
            requests = [specs[place].request for place in batch]
            results = generator.generate(requests, _Steps(max(one.steps for one in requests), progress))
            for place, result in zip(batch, results, strict=True):
                if isinstance(result, Rejection):
                    reasons[names[place]] = result.reason
                else:
                    files.write_image(folder / names[place], result, records[place])
            refused = sum(isinstance(result, Rejection) for result in results)
            progress.advance(len(batch), failed=refused)
    finally:
        progress.finish()
        _write_manifest(folder, specs, names, records)
    paths = [None if name in reasons else path for name, path in zip(names, paths, strict=True)]
    return GenerationResult(paths, tuple(dict.fromkeys(reasons.values())), len(missing) - len(reasons))


def warn_of_unread(generator: ImageGenerator, prompts: Sequence[str], progress: Progress, most: int = 5) -> int:
    """Warn about prompts that are longer than the model reads, with the part that it ignores; returns how many."""
    distinct = list(dict.fromkeys(prompts))
    ends = [(prompt, end) for prompt, end in zip(distinct, generator.unread(distinct), strict=True) if end]
    for prompt, end in ends[:most]:
        start = prompt if len(prompt) <= 60 else f"{prompt[:57]}…"
        progress.say(f'prompt too long: "{start}": the model does not read the end: "{end}"')
    if len(ends) > most:
        progress.say(f"prompt too long: {len(ends) - most} more prompts are not read to the end")
    return len(ends)


class _Steps:
    """Reports now and then how far a slow batch has come."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress
        self._began = self._spoke = time.monotonic()

    def __call__(self) -> None:
        """Count a denoising step."""
        self._done += 1
        now = time.monotonic()
        if now - self._spoke < SAY_EVERY_SECONDS or self._done >= self._total:
            return
        self._spoke = now
        left = (now - self._began) / self._done * (self._total - self._done)
        self._progress.say(f"step {self._done} of {self._total}, {left:.0f} s left for these images")


def _batches(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (places[first : first + size] for first in range(0, len(places), size))


def _write_manifest(
    folder: Path, specs: Sequence[ImageSpec], names: Sequence[str], records: Sequence[Mapping[str, Any]]
) -> None:
    """Write a line for each image in the folder: these, and those of earlier commands."""
    if not folder.is_dir():
        return
    path = folder / MANIFEST
    lines: dict[str, dict[str, Any]] = {}
    # not splitlines(): a prompt may hold one of Unicode's other line ends
    for line in path.read_text(encoding="utf-8").split("\n") if path.is_file() else ():
        with contextlib.suppress(ValueError, KeyError, TypeError):  # not one of our lines
            entry = parse_json(line)
            lines[entry["file_name"]] = entry
    for spec, name, record in zip(specs, names, records, strict=True):
        source = {"source": spec.source} if spec.source else {}
        lines[name] = {"file_name": name, "text": spec.request.prompt, **source, **record}
    kept = [lines[name] for name in sorted(lines) if (folder / name).is_file()]
    write_text(path, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in kept))
