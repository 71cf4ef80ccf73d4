"""Does work that is killed at random instants end like work that is left alone?

    python benchmarks/kills.py --kills 1000

`t2f run`, `fuse` and `export` of toy plugins are ended by SIGKILL at random instants of their time and given again,
without any other care. Whenever one comes to its end, its files are compared with those of a command that was left
alone: every byte, but for measured seconds and the time of metadata.jsonl in review/written.parquet. Nothing unfinished
may lie around then. Prints a line for each command, and exits with 1 if anything differed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "tests")]

from support import comparing, toys  # noqa: E402

WORDS = ("--set", "captions.max_tokens=0", "--set", "captions.check=false", "--set", "captions.fallback=")
THREE = ("--set", "captions.per_photo=3")
FORMATS = ("kohya", "parquet", "imagefolder", "jsonl")


@dataclass(frozen=True)
class Case:
    """A command that is killed again and again.

    Attributes:
        name: For the report.
        arguments: What stands behind `t2f`.
        folder: What it writes.
        reset: Makes the folder as it was before the command.
        code: Its exit code when it is done.
    """

    name: str
    arguments: Sequence[str]
    folder: Path
    reset: Callable[[], None]
    code: int = 0


class Killer:
    """Runs commands in processes of their own, kills them, and compares what comes of it."""

    def __init__(self, work: Path, seed: int) -> None:
        self.log, self.chance = work / "log", random.Random(seed)
        info = work / "site" / "t2f_toy-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: t2f-toy\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[text2face]\ntoy = support.toys\n")
        path = os.pathsep.join(map(str, (work / "site", ROOT, ROOT / "plugins", ROOT / "tests")))
        mine = {"PYTHONPATH": path, "T2F_CONFIG": str(work / "config"), "XDG_CACHE_HOME": str(work / "cache")}
        self.environment = os.environ | mine

    def start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """Begin a command."""
        command = [sys.executable, "-m", "text2face_core", "-q", *arguments]
        with self.log.open("wb") as log:
            return subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def finish(self, case: Case) -> tuple[dict[str, str], float]:
        """What the command leaves if it is left alone, and its seconds. Ends the benchmark if it fails."""
        case.reset()
        began = time.monotonic()
        if (code := self.start(case.arguments).wait()) != case.code:
            raise SystemExit(f"{case.name} left alone: exit code {code}: {self.log.read_text(errors='replace')}")
        return comparing.digests(case.folder), time.monotonic() - began

    def kill(self, case: Case, kills: int) -> bool:
        """Kill the command so many times, print what came of it, and return whether all was well."""
        expected, seconds = self.finish(case)
        case.reset()
        killed = ended = 0
        wrong: list[str] = []
        while killed < kills or not ended:
            process = self.start(case.arguments)
            try:
                code = process.wait(self.chance.uniform(0, 1.1 * seconds) if killed < kills else None)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
                continue
            ended += 1
            wrong += self._compare(case, expected, code)
            case.reset()
        print(f"{case.name:<20}{killed:>6} kills, {ended:>4} ends compared, {len(wrong)} wrong", flush=True)
        for line in wrong[:10]:
            print(f"    {line}", flush=True)
        return not wrong

    def _compare(self, case: Case, expected: dict[str, str], code: int) -> list[str]:
        if code != case.code:
            return [f"exit code {code}: {self.log.read_text(errors='replace').strip()[-500:]}"]
        found = comparing.digests(case.folder)
        differing = [name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]
        return [
            *(f"differs: {name}" for name in differing),
            *(f"left: {path}" for path in comparing.leftovers(case.folder)),
        ]


def draw_photos(folder: Path, count: int) -> Path:
    """Photos with a square, some with none, and two that are not images."""
    for number in range(count):
        toys.draw_photo(folder / f"{number:03d}.jpg", [] if number % 9 == 8 else [(60, 40, 80)], 20 + number)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8junk")
    (folder / "empty.jpg").touch()
    return folder


def cases(work: Path, photos: Path, finished: Path) -> list[Case]:
    """The commands. finished: a run that fuse and export begin with."""

    def copy(target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(finished, target)

    out, again = work / "run" / "out", work / "fuse" / "out"
    made = run_arguments(photos, out)
    found = [
        Case("run", made, out, lambda: shutil.rmtree(out, ignore_errors=True), 1),  # two photos cannot be read
        Case(
            "fuse", ["fuse", str(again), "--seed", "5", "--set", "captions.per_photo=3"], again, lambda: copy(again), 1
        ),
    ]
    for name in FORMATS:
        to = work / "exports" / name
        arguments = ["export", str(finished), "--format", name, "--out", str(to), "--overwrite"]
        found.append(Case(f"export {name}", arguments, to, lambda to=to: shutil.rmtree(to, ignore_errors=True)))  # type: ignore[misc]
    return found


def run_arguments(photos: Path, out: Path) -> list[str]:
    """A run in small chunks."""
    return ["run", str(photos), "--out", str(out), "--plugins", "toy", "--chunk-size", "4", "--batch-size", "3", *WORDS]


def main() -> int:
    """Kill them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60, help="of all commands together (default: %(default)s)")
    parser.add_argument("--only", default="run,fuse,export", help="commands, by commas (default: %(default)s)")
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0, help="of the random instants")
    given = parser.parse_args()
    wanted = given.only.split(",")
    with tempfile.TemporaryDirectory() as room:
        work = Path(room)
        killer, photos, finished = (
            Killer(work, given.seed),
            draw_photos(work / "photos", given.photos),
            work / "finished",
        )
        if (code := killer.start(run_arguments(photos, finished)).wait()) != 1:
            raise SystemExit(f"run: exit code {code}: {killer.log.read_text(errors='replace')}")
        chosen = [case for case in cases(work, photos, finished) if case.name.split()[0] in wanted]
        weights = {"run": 4, "fuse": 2}
        total = sum(weights.get(case.name, 1) for case in chosen)
        done = [killer.kill(case, max(1, given.kills * weights.get(case.name, 1) // total)) for case in chosen]
    return 0 if all(done) else 1


if __name__ == "__main__":
    sys.exit(main())
