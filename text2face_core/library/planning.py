"""Plan a run: measure a small sample, and estimate what the whole will take."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ..contracts import FusionRequest
from ..dataset import write_metadata
from ..errors import NothingToDo
from ..recipe import Recipe, Resolved
from ..records import AnalysisRow, Caption, PhotoRef
from ..run import RunDirectory
from ..sources import Sources, iter_photos, use_sources
from ..stats import collect_stats
from .session import Session, Silent

SAMPLE = 32
LISTED = 20_000
"""Photos that are listed if the user says how many there are."""
CHARACTERS_PER_TOKEN = 4.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take, by a sample of its photos.

    Attributes:
        photos: Photos of the whole run.
        sample: Photos that were measured.
        accepted: Share of the sample that was captioned.
        seconds: Seconds a photo by what they go to: "listing", "reading and decoding" (what remains of analysis beside
            its components), and each component.
        hours: Hours of the whole run on this machine; of n such machines or GPUs, a part of n.
        bytes_per_photo: Bytes a photo of the run directory.
        disk: Bytes of the whole run directory.
        files: Files of the whole run directory.
        models: Bytes of model files, which is about what they take of memory.
        prompt_tokens: Tokens that a language model reads, for the whole run; 0 without one.
        answer_tokens: Tokens that it writes.
    """

    photos: int
    sample: int
    accepted: float
    seconds: dict[str, float]
    hours: float
    bytes_per_photo: float
    disk: float
    files: int
    models: int
    prompt_tokens: float
    answer_tokens: float

    def as_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


@dataclass(slots=True)
class _Timed(Silent):
    """Progress that notes how long each kind of work takes for a photo.

    The first batch counts only if there is no other: processes start and word lists are read meanwhile.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    _what: str = ""
    _times: list[tuple[int, float]] = field(default_factory=list)

    def start(self, what: str, total: int, done: int = 0) -> None:  # noqa: ARG002  the form of `Progress.start`
        self._what, self._times = what, [(0, time.perf_counter())]

    def advance(self, count: int, **counts: int) -> None:  # noqa: ARG002
        self._times.append((self._times[-1][0] + count, time.perf_counter()))

    def finish(self) -> None:
        if self._what and len(self._times) > 1:
            (before, began), (after, ended) = self._times[1 if len(self._times) > 2 else 0], self._times[-1]
            self.seconds[self._what] = (ended - began) / max(1, after - before)
        self._what = ""


def plan_run(
    source: Sequence[str | Path], recipe: Recipe, *, photos: int | None = None, sample: int = SAMPLE, **session: Any
) -> Plan:
    """Measure a sample, and estimate the whole.

    Args:
        source: As for `t2f run`.
        recipe: The recipe.
        photos: Photos of the whole, if they are not to be counted.
        sample: Photos to measure, chosen at random with a fixed seed.
        session: `plugins` and `models`, and `device`, `dtype`, `threads`, `work`: see `Session`.

    Raises:
        NothingToDo: There are no photos.
        UsageError: The recipe cannot run here.
    """
    with tempfile.TemporaryDirectory(prefix="text2face-plan-") as scratch:
        timed = _Timed()
        work = Session(run=RunDirectory(Path(scratch, "run")), progress=timed, **session)
        recipe = recipe.with_sources([str(one) for one in source], work.plugins)
        resolved = recipe.resolve(work.plugins)
        use_sources(Sources(work.plugins, work.models, recipe.plugins))
        began = time.perf_counter()
        chosen, listed = _choose(source, sample, LISTED if photos else None)
        listing = (time.perf_counter() - began) / listed
        if not chosen:
            raise NothingToDo("there are no photos to plan for")
        work.run.list_first(chosen, work.chunk_size)
        with work.run.lock():
            work.analyse_listed(resolved, [str(one) for one in source])
            work.caption(resolved)
            write_metadata(work.run)
        return _plan(work, resolved, timed, listing, len(chosen), photos or listed)


def _choose(source: Sequence[str | Path], count: int, most: int | None) -> tuple[list[PhotoRef], int]:
    """A random sample, in order, and how many photos were listed; nothing else is held in memory."""
    luck, kept, listed = random.Random(0), dict[int, PhotoRef](), 0
    for place, photo in enumerate(islice(iter_photos(source), most)):
        listed += 1
        if len(kept) < count:
            kept[place] = photo
        elif (number := luck.randrange(place + 1)) < count:  # reservoir sampling, algorithm R
            del kept[list(kept)[number]]
            kept[place] = photo
    return [kept[place] for place in sorted(kept)], listed


def _plan(work: Session, resolved: Resolved, timed: _Timed, listing: float, count: int, photos: int) -> Plan:
    rows = [(row, captions.captions) for row, captions in work.run.rows()]
    seconds = {"listing": listing}
    fusers = {part.registered.name for part in resolved.of("fuser")}
    for kind, rest in (("analysing", "reading and decoding"), ("captioning", "checking captions")):
        spent = {name: one for name, one in work.clock.seconds.items() if (name in fusers) == (kind == "captioning")}
        whole, shares = timed.seconds.get(kind, 0.0), {name: one / count for name, one in spent.items()}
        factor = min(1.0, whole / sum(shares.values())) if any(shares.values()) else 1.0  # without the first batch
        seconds |= {name: one * factor for name, one in shares.items()}
        seconds[rest] = whole - factor * sum(shares.values())
    stats = collect_stats(work.run.rows())
    size = sum(path.stat().st_size for path in work.run.path.rglob("*") if path.is_file())
    accepted = stats["photos"]["ok"] / count
    chunks = -(-photos // work.chunk_size)
    prompts, answers = _tokens(resolved, rows)
    return Plan(
        photos=photos,
        sample=count,
        accepted=accepted,
        seconds={name: round(one, 6) for name, one in seconds.items()},
        hours=sum(seconds.values()) * photos / 3600,
        bytes_per_photo=size / count,
        disk=size / count * photos,
        files=int(accepted * photos) * bool(resolved.recipe.dataset.enabled) + 3 * chunks + 10,
        models=sum(one.planned_size or 0 for one in resolved.artifacts().values()),
        prompt_tokens=prompts / count * photos,
        answer_tokens=answers / count * photos,
    )


def _tokens(resolved: Resolved, rows: Sequence[tuple[AnalysisRow, tuple[Caption, ...]]]) -> tuple[float, float]:
    """About how many tokens a language model reads and writes for the sample; nothing if the fuser asks none."""
    part = resolved.of("fuser")[0]
    prompt = part.registered.component.prompt
    if prompt is None:
        return 0.0, 0.0
    read = written = 0.0
    for row, captions in rows:
        for number, one in enumerate(captions):
            request = FusionRequest(row.photo_id, row.uri, number, one.bag, one.style, 0)
            read += one.tries * len(prompt(part.options, request)) / CHARACTERS_PER_TOKEN
            written += one.tries * len(one.text) / CHARACTERS_PER_TOKEN
    return read, written
