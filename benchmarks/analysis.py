"""What the paper's models cost here, and what they cost through their public packages, one photo after the other.

    python benchmarks/analysis.py [--photos 4] [--side 1024] [--parsing] [--bf16] [--memory] [--weights FOLDER]
                                  [--only retinaface,clip] [--rounds 2] [--threads 1]

CPU seconds (user + system) per photo, in one process, both ways taking turns: wall time on shared cores says little.
One thread unless --threads says more: torch's threads spin while they wait, which would count against its packages.
Weights are random, in the form of the real files (tests/support/random_weights.py): every model does its true work;
with --weights they are kept in FOLDER, about 5 GB. --parsing adds FaRL's parser, minutes of work. --bf16 measures
our way in bfloat16 as well. --memory runs the recipe twice in processes of their own, on some photos and on twice as
many. Needs the reference packages: facexlib, open_clip, pyfacer, rmn, deepface.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import public_ways  # noqa: E402
from public_ways import Way  # noqa: E402
from support import random_weights  # noqa: E402
from support.example_faces import face_of  # noqa: E402

from text2face_core import Photo, Plugins, Portrait, Recipe, Runtime  # noqa: E402
from text2face_core.models.store import ModelStore  # noqa: E402

MODELS = ("retinaface", "clip", "farl.attributes", "resmasknet", "deepface")
FRONTAL = np.array([(0.40, 0.45), (0.60, 0.45), (0.50, 0.57), (0.42, 0.67), (0.58, 0.67)])
DETECTOR = ["retinaface.frame=false", "retinaface.top_k=1"]  # random weights see a face, and no reason to look again


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=4)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default=",".join(MODELS))
    parser.add_argument("--weights", type=Path)
    for switch in ("--parsing", "--bf16", "--memory"):
        parser.add_argument(switch, action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.weights or Path(scratch)
        settings = [*random_weights.write_all(folder, small_parsers=not given.parsing, torch_too=True), *DETECTOR]
        portraits = _portraits(given.photos, given.side)
        print(f"{given.photos} photos of {given.side} x {given.side} px, {given.threads} thread(s); CPU ms per photo\n")
        _compare(portraits, folder, settings, given)
        if given.memory:
            _memory(settings, folder, given)


def _portraits(count: int, side: int) -> list[Portrait]:
    """The examples at one size, each with a frontal face in its middle."""
    paths = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    face = face_of(FRONTAL * side)
    photos = [Image.open(paths[number % len(paths)]).convert("RGB").resize((side, side)) for number in range(count)]
    return [Portrait(Photo(str(number), "", np.asarray(one)), face) for number, one in enumerate(photos)]


def _compare(portraits: list[Portrait], folder: Path, settings: list[str], given: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(given.threads)
    models = [one for one in given.only.split(",") if one] + ["farl.parsing"] * given.parsing
    rate = _convolution_rate(given.threads)
    rows: dict[str, dict[str, float]] = {}
    for model in models:
        ways: dict[str, Way] = {"public": public_ways.build(model, folder)}
        same, small = ([*settings, f"retinaface.longest_side={side}"] for side in (given.side, 640))
        ways["ours"] = _ours(model, same, folder, "float32", given.threads)
        if model == "retinaface":
            ways["ours, 640"] = _ours(model, small, folder, "float32", given.threads)
        if given.bf16:
            ways["ours, bf16"] = _ours(model, small, folder, "bfloat16", given.threads)
        rows[model] = _cost(ways, portraits, given.rounds)
        shown = "   ".join(f"{way} {1000 * cost:6.0f}" for way, cost in rows[model].items())
        print(f"{model:16} {shown}   {rows[model]['public'] / rows[model]['ours']:.1f} x", flush=True)
        if flops := public_ways.flops(model, given.side):
            print(f"{'':16} {flops / 1e9:.0f} GFLOP: {flops / rows[model]['ours'] / rate:.0%} of the convolution rate")
    print(f"{'':16} convolution rate (oneDNN, one measurement): {rate / 1e9:.0f} GFLOP per CPU second\n")
    _totals(rows)


def _totals(rows: dict[str, dict[str, float]]) -> None:
    def total(prefer: Sequence[str], models: Sequence[str]) -> float:
        return sum(next(rows[model][way] for way in prefer if way in rows[model]) for model in models)

    most = [model for model in rows if model != "farl.parsing"]
    sets = {"without parsing": most, "with parsing": list(rows) if "farl.parsing" in rows else []}
    for what, models in sets.items():
        if not models:
            continue
        public = total(["public"], models)
        ours = total(["ours"], models)
        small = total(["ours, 640", "ours"], models)
        print(f"{what}: public {public:.2f} s, ours {ours:.2f} s: {public / ours:.1f} x fewer (same math, fp32)")
        print(f"{what}, detection at longest side 640: {small:.2f} s: {public / small:.1f} x fewer")
        if any("ours, bf16" in row for row in rows.values()):
            mixed = sum(min(rows[one].values()) for one in models)
            print(f"{what}, the better of fp32 and bf16 for each model: {mixed:.2f} s: {public / mixed:.1f} x fewer")


def _ours(model: str, settings: list[str], folder: Path, dtype: str, threads: int) -> Way:
    """One model of the recipe on all portraits at once; new portraits each time, so that nothing was kept."""
    plugins = Plugins.load()
    names = {"clip": ("clip.real", "clip.mouth")}.get(model, (model,))
    resolved = Recipe.load("paper").with_settings(settings).resolve(plugins)
    runtime = Runtime(ModelStore(folder, offline=True), dtype=dtype, threads=threads)
    parts = [part for part in resolved.parts if part.registered.name in names]
    built = [plugins.build(part.registered, part.options, runtime) for part in parts]

    def run(portraits: list[Portrait]) -> None:
        fresh = [Portrait(one.photo, one.face) for one in portraits]
        for part, one in zip(parts, built, strict=True):
            if part.kind == "detector":
                one.detect([portrait.photo.pixels for portrait in fresh])
            else:
                (one.judge if part.kind == "filter" else one.extract)(fresh)

    return run


def _cost(ways: dict[str, Way], portraits: list[Portrait], rounds: int) -> dict[str, float]:
    """CPU seconds per photo of each way, the least of some rounds, after one photo that warms up."""
    found: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, run in ways.items():
            start = _cpu()
            run(portraits[:1] if turn == 0 else portraits)
            if turn:
                found[way].append((_cpu() - start) / len(portraits))
    return {way: min(costs) for way, costs in found.items()}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _convolution_rate(threads: int) -> float:
    """FLOP per CPU second of a 3 x 3 convolution of 256 channels by torch's oneDNN, on one thread."""
    import torch

    torch.set_num_threads(1)
    with torch.inference_mode():
        convolution = torch.nn.Conv2d(256, 256, 3, padding=1).to(memory_format=torch.channels_last)
        images = torch.rand(4, 256, 56, 56).to(memory_format=torch.channels_last)
        flops = 2 * 4 * 256 * 256 * 9 * 56 * 56
        rates = []
        for _ in range(6):
            start = _cpu()
            for _ in range(4):
                convolution(images)
            rates.append(4 * flops / (_cpu() - start))
    torch.set_num_threads(threads)
    return max(rates)


def _memory(settings: list[str], folder: Path, given: argparse.Namespace) -> None:
    """Peak memory of whole runs; were photos kept, twice as many would need more."""
    command = [sys.executable, "-m", "text2face_core", "-q", "run", "--recipe", "paper", "--batch-size", "4"]
    command += ["--no-report", "--threads", str(given.threads), "--set", "faces.min_size=0"]
    if not given.parsing:
        settings = [one for one in settings if not one.startswith("farl.parsing")]
        command += ["--plugins", "farl.attributes,resmasknet,deepface,clip.mouth,photo"]
    for setting in settings:
        command += ["--set", setting]
    with tempfile.TemporaryDirectory() as scratch:
        for count in (given.photos, 2 * given.photos):
            photos = Path(scratch) / str(count)
            photos.mkdir()
            for portrait in _portraits(count, given.side):
                Image.fromarray(portrait.photo.pixels).save(photos / f"{portrait.photo.photo_id}.jpg", quality=90)
            start = time.perf_counter()
            out = ["--out", str(Path(scratch) / f"run-{count}"), str(photos)]
            with subprocess.Popen([*command, *out], env=os.environ | {"T2F_MODELS": str(folder)}) as process:
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            took = time.perf_counter() - start
            print(f"run of {count} photos: peak {used.ru_maxrss / 1e6:.2f} GB, {took:.0f} s, exit {process.returncode}")


if __name__ == "__main__":
    main()
