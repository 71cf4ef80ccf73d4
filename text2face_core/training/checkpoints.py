"""Checkpoints: a file each, written atomically, with everything that resuming needs and nothing of the base model.

Random choices depend on the step alone (see `randomness`), so there are no random states to save.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..utils import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .optimizer import GroupedOptimizer, WeightAverage

log = logging.getLogger(__name__)

NAME = re.compile(r"step-(\d+)\.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after `step` optimizer steps. tensors: by name. about: plain data."""

    step: int
    tensors: Mapping[str, torch.Tensor]
    about: Mapping[str, Any]


class Checkpoints:
    """The folder with the last `keep` checkpoints of a training. trainer: its name, which is part of their format."""

    def __init__(self, folder: Path, keep: int, trainer: str) -> None:
        self.folder = folder
        self._keep = keep
        self._format = f"text2face {trainer} 1"

    def path(self, step: int) -> Path:
        """The file of the checkpoint after `step` steps."""
        return self.folder / f"step-{step:07d}.safetensors"

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, in order."""
        names = (NAME.fullmatch(path.name) for path in self.folder.glob("step-*.safetensors"))
        return sorted(int(name[1]) for name in names if name)

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint, then remove old ones. Raises RunError when the disk is full."""
        path = self.path(checkpoint.step)
        tensors = {name: one.detach().to("cpu").contiguous() for name, one in checkpoint.tensors.items()}
        header = {"format": self._format, "about": json.dumps({"step": checkpoint.step, **checkpoint.about})}
        with replacing(path) as temporary:
            save_file(tensors, temporary, header)
        for old in self.steps()[: -self._keep]:
            self.path(old).unlink(missing_ok=True)
        return path

    def latest(self) -> Checkpoint | None:
        """The newest readable checkpoint; unreadable checkpoints are reported and skipped."""
        for step in reversed(self.steps()):
            try:
                return self.read(step)
            except (OSError, SafetensorError, KeyError, ValueError) as error:
                log.warning("the checkpoint %s cannot be read (%s); an earlier one is used", self.path(step), error)
        return None

    def read(self, step: int) -> Checkpoint:
        """The checkpoint after `step` steps, its tensors on the CPU. Raises ValueError if it is of another trainer."""
        with safe_open(self.path(step), framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            if header.get("format") != self._format:
                raise ValueError(f"its format is {header.get('format')}, not {self._format}")
            about = json.loads(header["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
        return Checkpoint(about.pop("step"), tensors, about)

    def clear(self) -> None:
        """Remove all checkpoints."""
        for step in self.steps():
            self.path(step).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def pack(step: int, optimizer: GroupedOptimizer, average: WeightAverage | None, about: Mapping[str, Any]) -> Checkpoint:
    """Collect weights, averages and optimizer state after `step` steps."""
    tensors: dict[str, torch.Tensor] = {f"lora.{name}": one for name, one in optimizer.named.items()}
    if average:
        tensors |= {f"average.{name}": one for name, one in average.named.items()}
    plain: dict[str, dict[str, Any]] = {}
    for number, (name, state) in enumerate(zip(optimizer.named, _states(optimizer), strict=True)):
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimiser.{key}.{name}"] = value
            else:
                plain.setdefault(str(number), {})[key] = value
    return Checkpoint(step, tensors, {"optimiser": plain, **about})


def unpack(checkpoint: Checkpoint, optimizer: GroupedOptimizer, average: WeightAverage | None) -> None:
    """Restore weights, averages and optimizer state. Raises KeyError when a weight is missing."""
    tensors = checkpoint.tensors
    states: dict[int, dict[str, Any]] = {}
    with torch.no_grad():
        for number, (name, parameter) in enumerate(optimizer.named.items()):
            parameter.copy_(tensors[f"lora.{name}"])
            end = f".{name}"
            found = {one[10 : -len(end)]: one for one in tensors if one.startswith("optimiser.") and one.endswith(end)}
            states[number] = {key: tensors[one] for key, one in found.items() if "." not in key}
            states[number] |= checkpoint.about["optimiser"].get(str(number), {})
        if average:  # may have been switched on since
            for name, one in average.named.items():
                one.copy_(tensors.get(f"average.{name}", tensors[f"lora.{name}"]))
    groups = optimizer.inner.state_dict()["param_groups"]
    optimizer.inner.load_state_dict(
        {"state": {n: state for n, state in states.items() if state}, "param_groups": groups}
    )


def _states(optimizer: GroupedOptimizer) -> list[dict[str, Any]]:
    return [dict(optimizer.inner.state.get(one, {})) for one in optimizer.parameters]
