"""An image format whose decoder does what its files say: crash, hang, fill the memory. For decoder processes only."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

MARK = b"CRASHING"
_HOOK = Path(__file__).read_text(encoding="utf-8").partition('"""The hook."""\n')[2].replace("'''", "")


def crashing(*actions: str) -> bytes:
    """A file that makes its decoder do this, as soon as its header is read: see the hook at the end of this file."""
    return MARK + b" " + " ".join(actions).encode()


def install(folder: Path) -> str:
    """Write the hook as sitecustomize.py into a folder; returns the PYTHONPATH that makes processes read it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_HOOK, encoding="utf-8")
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def processes_below(pid: int) -> list[int]:
    """All descendants of a process, on Linux."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = re.fullmatch(rb"(\d+) \(.*\) (\S) (\d+) .*", path.read_bytes(), re.DOTALL)
        except OSError:
            continue
        if fields and fields[2] != b"Z":
            parents[int(fields[1])] = int(fields[3])
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        children = [child for child, of in parents.items() if of == parent]
        found += children
        waiting += children
    return found


def memory_of(pid: int) -> int:
    """Bytes of physical memory of a process, on Linux; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


def noise(side: int = 64) -> np.ndarray:
    """An image that no compression makes small."""
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)


'''
"""The hook."""
import os, signal, sys, time

if any("run_template" in argument for argument in sys.orig_argv):
    from PIL import Image, ImageFile

    def act(action, *given):
        if action == "signal":
            os.kill(os.getpid(), getattr(signal, given[0]))
        elif action == "exit":
            os._exit(int(given[0]))
        elif action == "spin":
            while True:
                pass
        elif action == "sleep":
            time.sleep(1000)
        elif action == "fill":
            kept = [bytes(10**8) for _ in range(int(given[0]))]
        elif action == "write":
            with open(given[0], "w") as file:
                file.write("taken over")
        elif action == "once":
            if not os.path.exists(given[0]):
                os.mkdir(given[0])
                act(*given[1:])
        elif action == "nonsense":
            for number in range(3, 64):
                try:
                    os.write(number, b"p" + b"\\xff" * 400)
                except OSError:
                    pass
            time.sleep(1000)

    def read(stream, name):
        actions = stream.read().decode().split()[1:]
        if actions[0] != "later":
            act(*actions)
        image = Image.new("RGB", (64, 48), (9, 99, 199))
        if actions[0] == "later":
            image.load = lambda: act(*actions[1:])
        return image

    Image.register_open("ZZZ", read, lambda head: head.startswith(b"CRASHING"))
'''
