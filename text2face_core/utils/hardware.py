"""CPU cores and devices of this machine."""

from __future__ import annotations

import importlib.util
import math
import os
import re
from pathlib import Path

from ..errors import UsageError

MOST_THREADS = 16
"""With more threads than this, models here are barely faster: threads wait for each other."""
CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Count the cores that this process may use, at least 1, by its affinity and its container's CPU quota.

    Args:
        cgroup: The folder in which the kernel shows the quota, of cgroup version 2 or 1.

    Returns:
        The smaller of both; a quota of 1.5 cores counts as 1.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(cores, _quota(cgroup))))


def default_threads(processes: int = 1) -> int:
    """Default number of threads for each of `processes` on this machine, at most 16."""
    return max(1, min(usable_cores() // processes, MOST_THREADS))


def _quota(cgroup: Path) -> float:
    """The CPU quota in cores; infinite if there is no quota."""
    try:
        if (cgroup / "cpu.max").is_file():
            quota, period = (cgroup / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        return int(quota) / int(period) if quota not in {"max", "-1"} else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def check_device(name: str) -> None:
    """Refuse a device that does not exist here, before any model is loaded.

    Raises:
        UsageError: The name is not a device, or no installed library can use it.
    """
    found = re.fullmatch(r"(cpu|cuda|mps)(?::(\d+))?", name)
    if not found:
        raise UsageError(f"--device {name} is not a device that text2face can use: write cpu, cuda, cuda:1 or mps")
    kind, number = found[1], int(found[2] or 0)
    if kind == "cpu":
        return
    here = _accelerators(kind)
    if not here:
        raise UsageError(
            f"--device {name} was asked for, but {_why_not(kind)}. Leave --device out to compute on the CPU; "
            "t2f doctor lists the devices"
        )
    if number >= here:
        raise UsageError(f"--device {name} was asked for, but the last one here is {kind}:{here - 1}")


def _accelerators(kind: str) -> int:
    """Count the devices of a kind that torch or onnxruntime can use."""
    count = 0
    if importlib.util.find_spec("torch"):
        import torch

        count = torch.cuda.device_count() if kind == "cuda" else int(torch.backends.mps.is_available())
    if not count and kind == "cuda" and importlib.util.find_spec("onnxruntime"):
        import onnxruntime

        # It does not say how many there are
        count = 64 if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else 0
    return count


def _why_not(kind: str) -> str:
    if not importlib.util.find_spec("torch"):
        return "torch is not installed, and onnxruntime finds no GPU"
    import torch

    if kind == "mps":
        return f"torch {torch.__version__} finds no Apple GPU"
    built = "finds no NVIDIA GPU" if torch.version.cuda else "is built without CUDA"
    return f"torch {torch.__version__} {built}"
