"""What it costs to decode photos in processes of their own: photos per second, and memory.

    python benchmarks/decoding.py [--photos 200] [--side 1024] [--pairs 5] [--recipe starter] [--start]

Runs of the recipe take turns: photos decoded by the pool of processes, and by threads of the process itself. Prints
the median of the ratios of neighbours, so that a busy machine falls on both. With --start: whole commands `t2f run`
over 12 photos, starts of Python and of the pool included. Photos are the examples, enlarged and repeated.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from caption import EXAMPLES, enlarge

ONE_RUN = """
import resource, sys, time
from text2face_core import caption_photos, library
from text2face_core.engines import analysing
from text2face_core.images.pool import ThreadDecoder

if sys.argv[1] == "threads":
    analysing.open_decoder = lambda limits, workers: ThreadDecoder(limits)
    library.session.start_decoders = lambda: None
    # else the budget of bytes would be compared, too
caption_photos(sys.argv[2], out=sys.argv[4] + "-warm", recipe=sys.argv[5])
result = caption_photos(sys.argv[3], out=sys.argv[4], recipe=sys.argv[5])
print(len(result.rows) / result.seconds, resource.getrusage(0).ru_maxrss / 1e3)
"""
COMMAND = """
import sys
from text2face_core import library
from text2face_core.engines import analysing
from text2face_core.images.pool import ThreadDecoder
from text2face_core.cli import main

if sys.argv[1] == "threads":
    analysing.open_decoder = lambda limits, workers: ThreadDecoder(limits)
    library.session.start_decoders = lambda: None
main(["-q", "run", sys.argv[2], "--out", sys.argv[3], "--no-report", "--recipe", sys.argv[4]])
"""
WAYS = ("pool", "threads")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--recipe", default="starter")
    parser.add_argument("--start", action="store_true")
    given = parser.parse_args()
    examples = sorted(EXAMPLES.glob("*.jpg"))
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        for name, count in (("warm", 4), ("few", 12), ("many", given.photos)):
            (room / name).mkdir()
            enlarge(examples, room / name, count, given.side)
        if given.start:
            _compare_starts(room, given)
        else:
            _compare_runs(room, given)


def _compare_runs(room: Path, given: argparse.Namespace) -> None:
    speeds: dict[str, list[float]] = {way: [] for way in WAYS}
    memory: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(given.pairs):
        for way in WAYS[:: 1 if turn % 2 else -1]:
            code = [sys.executable, "-c", ONE_RUN, way, room / "warm", room / "many", room / f"{way}-{turn}"]
            done = subprocess.run([*code, given.recipe], capture_output=True, check=True, text=True, env=_environment())
            speed, peak = map(float, done.stdout.split()[-2:])
            speeds[way].append(speed)
            memory[way].append(peak)
        pair = " ".join(f"{way} {speeds[way][-1]:6.1f} photos/s {memory[way][-1]:5.0f} MB" for way in WAYS)
        print(f"{pair}  ratio {speeds['pool'][-1] / speeds['threads'][-1]:.3f}", flush=True)
    ratios = [one / other for one, other in zip(speeds["pool"], speeds["threads"], strict=True)]
    print(f"{given.photos} photos of {given.side} px: the pool does {statistics.median(ratios):.1%} of the photos/s")


def _compare_starts(room: Path, given: argparse.Namespace) -> None:
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(given.pairs):
        for way in WAYS[:: 1 if turn % 2 else -1]:
            start = time.perf_counter()
            code = [sys.executable, "-c", COMMAND, way, room / "few", room / f"{way}-{turn}", given.recipe]
            subprocess.run(code, check=True, env=_environment(), stdout=subprocess.DEVNULL)
            seconds[way].append(time.perf_counter() - start)
    differences = [one - other for one, other in zip(seconds["pool"], seconds["threads"], strict=True)]
    shown = ", ".join(f"{way} {statistics.median(seconds[way]):.2f} s" for way in WAYS)
    print(f"t2f run over 12 photos: {shown}; median difference {statistics.median(differences):+.2f} s")


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path[1:]))}


if __name__ == "__main__":
    main()
