"""Time taken per caption, in a file next to each shard of captions, so that equal runs have equal shards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..records import CaptionRow
from ..utils import parse_json, write_text
from .directory import RunDirectory
from .tables import read_metadata


@dataclass(frozen=True, slots=True)
class Speed:
    """Accepted captions of a fuser, and the seconds it took for accepted and refused captions."""

    captions: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float | None:
        """Accepted captions per second; None if no time was measured."""
        return self.captions / self.seconds if self.seconds else None


def write_speed(run: RunDirectory, chunk: int, rows: Sequence[CaptionRow], seconds: Mapping[str, float]) -> None:
    """Record the seconds spent in each fuser on captions that have just been committed."""
    kept = Counter(caption.fuser for row in rows for caption in row.captions)
    note = {fuser: {"captions": kept[fuser], "seconds": round(taken, 6)} for fuser, taken in sorted(seconds.items())}
    write_text(_path(run, chunk), json.dumps({"key": _key(run, chunk), "fusers": note}) + "\n")


def read_speed(run: RunDirectory) -> dict[str, Speed]:
    """Speed by fuser, over the chunks whose captions are still the timed ones; a killed run may lack some.

    Captions made with other settings than run.toml's, which `RunDirectory.rows` leaves out, do not count here either.
    """
    now = run.settings.get("keys", {}).get("captions", "")
    found: dict[str, Speed] = {}
    for chunk in (one.number for one in run.listing.chunks()):
        try:
            note = parse_json(_path(run, chunk).read_text(encoding="utf-8"))
            if note["key"] != _key(run, chunk) or not note["key"].startswith(now):
                continue
            for fuser, one in note["fusers"].items():
                before = found.get(fuser, Speed())
                found[fuser] = Speed(before.captions + one["captions"], before.seconds + one["seconds"])
        except (OSError, ValueError, KeyError, TypeError):  # never written, or by another hand
            continue
    return found


def _path(run: RunDirectory, chunk: int) -> Path:
    shard = run.captions_path(chunk)
    return shard.with_name(f"_{shard.stem}.seconds.json")  # readers of whole folders skip such names


def _key(run: RunDirectory, chunk: int) -> str:
    return read_metadata(run.captions_path(chunk)).get("text2face.key", "")
