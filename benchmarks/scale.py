"""Cost and memory of a run by its size: tiny photos in tars, plugins that do nothing.

    python benchmarks/scale.py 10000 100000            the local engine
    python benchmarks/scale.py 10000 --engine ray      Ray on this machine

For each size: seconds to list, to run and to resume when all is done; CPU time a photo, which other work on the machine
does not change; and the largest memory of the process that lists and hands out (locally, it also analyses).
Each phase is a process of its own.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PER_TAR = 10_000
CHUNK = 1000


def main() -> None:
    """Measure each size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--engine", default="local", choices=["local", "ray"])
    parser.add_argument("--folder", type=Path, help="where tars and runs go; a temporary folder by default")
    parser.add_argument("--phase", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.phase:
        print(json.dumps(measure(given.phase, given.folder, given.sizes[0], given.engine)))
        return
    figures = []
    for size in given.sizes:
        folder = Path(tempfile.mkdtemp(prefix="t2f-scale-", dir=given.folder))
        try:
            write_tars(folder / "tars", size)
            found = {phase: phase_of(phase, folder, size, given.engine) for phase in ("list", "run", "resume")}
            figures.append((size, found))
            print(row(size, found), flush=True)
        finally:
            shutil.rmtree(folder)
    if len(figures) > 1:
        (small, first), (large, last) = figures[0], figures[-1]
        for phase in ("list", "run"):
            growth = (last[phase]["cpu"] / large) / (first[phase]["cpu"] / small)
            print(f"{phase}: a photo of {large:,} takes {growth:.2f} times the CPU time of one of {small:,}")


def row(size: int, found: dict[str, dict[str, float]]) -> str:
    """A line of figures."""
    run = found["run"]
    return (
        f"{size:>9,} photos: list {found['list']['seconds']:.1f} s ({found['list']['mb']:.0f} MB); "
        f"run {run['seconds']:.1f} s, {1000 * run['cpu'] / size:.2f} ms of CPU a photo ({run['mb']:.0f} MB); "
        f"resume {found['resume']['seconds']:.1f} s ({found['resume']['mb']:.0f} MB)"
    )


def phase_of(phase: str, folder: Path, size: int, engine: str) -> dict[str, float]:
    """Measure a phase in a process of its own."""
    command = [sys.executable, __file__, str(size), "--phase", phase, "--folder", str(folder), "--engine", engine]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def write_tars(folder: Path, count: int) -> None:
    """Tars of img2dataset's layout, with one and the same photo of a kilobyte."""
    from PIL import Image

    folder.mkdir(parents=True)
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)).resize((40, 40)).save(
        buffer, "JPEG"
    )
    for number in range(-(-count // PER_TAR)):
        with tarfile.open(folder / f"{number:05d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for place in range(min(PER_TAR, count - number * PER_TAR)):
                for ending, content in (("jpg", buffer.getvalue()), ("txt", b"a face")):
                    member = tarfile.TarInfo(f"{number:05d}{place:04d}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def measure(phase: str, folder: Path, size: int, engine: str) -> dict[str, float]:
    """Do a phase, and return its seconds and this process' largest memory in MB."""
    from text2face_core import Plugins, Recipe
    from text2face_core.engines import LocalEngine, RayEngine
    from text2face_core.library import Session, finish_run, run_photos
    from text2face_core.models import ModelStore
    from text2face_core.run import RunDirectory
    from text2face_core.sources import Sources

    plugins = Plugins.load(builtin_only=True)
    place = f"webdataset:{folder}/tars"
    began = time.monotonic()
    if phase == "list":
        count = sum(1 for _ in Sources(plugins).iter_photos([place], [], print))
    else:
        plugins.register("nothing", importlib.import_module(Path(__file__).stem))  # by a name that actors can import
        captions = {"max_tokens": 0, "fallback": "", "check": False, "per_photo": 1}
        recipe = Recipe(
            detector="nothing",
            fuser="nothing.fuser",
            captions=captions,
            dataset={"enabled": False},
            faces={"whole": False},
        )
        session = Session(
            run=RunDirectory(folder / "run"),
            plugins=plugins,
            models=ModelStore(),
            engine=RayEngine() if engine == "ray" else LocalEngine(),
            chunk_size=CHUNK,
        )
        with session.run.lock():
            run_photos(session, [place], recipe)
            stats = finish_run(session.run)
        count = stats["photos"]["ok"]
    seconds = time.monotonic() - began
    if count != size:
        raise AssertionError(f"{count} photos of {size}")
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)  # of decoders that have ended, too
    return {"seconds": seconds, "cpu": cpu, "mb": peak()}


def peak() -> float:
    """The largest memory of this process so far, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1000


def build(options: Any, runtime: Any) -> Any:  # noqa: ARG001  the form of `Component.build`
    """A detector of one and the same face."""
    from text2face_core import Detector, Face

    class Nothing(Detector):
        def detect(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
            box = np.array([4, 4, 36, 36], np.float32)
            marks = np.array([[14, 16], [26, 16], [20, 22], [15, 28], [25, 28]], np.float32)
            return [[Face(box, marks, 1.0)] for _ in images]

    return Nothing()


def build_fuser(options: Any, runtime: Any) -> Any:  # noqa: ARG001
    """A fuser that always writes the same."""
    from text2face_core import Fuser, FusionRequest

    class Same(Fuser):
        def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
            return [["A photo of a person who looks at the camera."] for _ in requests]

    return Same()


def _components(name: str, maker: Any) -> Any:
    from text2face_core import Component, hookimpl

    @hookimpl
    def declare() -> Iterable[Component]:
        yield Component(name, maker, summary="nothing")

    return declare


t2f_detectors = _components("nothing", build)
t2f_fusers = _components("nothing.fuser", build_fuser)

if __name__ == "__main__":
    main()
