"""Checkpoints: one file each, whole or not there, with all that going on needs and nothing of the base model.

What is drawn at random depends on the step alone (see `_draws`), so there are no random states to keep.
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

from text2face_core.utils import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._optimiser import Average, Optimiser

log = logging.getLogger(__name__)

FORMAT = "text2face sd_lora 1"
NAME = re.compile(r"step-(\d+)\.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """step: how many are done. tensors: by name. about: plain data."""

    step: int
    tensors: Mapping[str, torch.Tensor]
    about: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one training, the last `keep` of them."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self._keep = keep

    def path(self, step: int) -> Path:
        """Where the checkpoint after `step` steps lies."""
        return self.folder / f"step-{step:07d}.safetensors"

    def steps(self) -> list[int]:
        """The steps that have one, in order."""
        names = (NAME.fullmatch(path.name) for path in self.folder.glob("step-*.safetensors"))
        return sorted(int(name[1]) for name in names if name)

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write it, then remove those that are too old. Raises RunError where the disk is full."""
        path = self.path(checkpoint.step)
        tensors = {name: one.detach().to("cpu").contiguous() for name, one in checkpoint.tensors.items()}
        told = {"format": FORMAT, "about": json.dumps({"step": checkpoint.step, **checkpoint.about})}
        with replacing(path) as temporary:
            save_file(tensors, temporary, told)
        for old in self.steps()[: -self._keep]:
            self.path(old).unlink(missing_ok=True)
        return path

    def latest(self) -> Checkpoint | None:
        """The last that can be read; one that cannot is reported, and the one before it taken."""
        for step in reversed(self.steps()):
            try:
                return read(self.path(step))
            except (OSError, SafetensorError, KeyError, ValueError) as error:
                log.warning("the checkpoint %s cannot be read (%s); an earlier one is used", self.path(step), error)
        return None

    def clear(self) -> None:
        """Remove them all."""
        for step in self.steps():
            self.path(step).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def read(path: Path) -> Checkpoint:
    """A checkpoint, its tensors on the CPU."""
    with safe_open(path, framework="pt", device="cpu") as file:
        told = file.metadata() or {}
        if told.get("format") != FORMAT:
            raise ValueError(f"it is of format {told.get('format')}, not {FORMAT}")
        about = json.loads(told["about"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    return Checkpoint(about.pop("step"), tensors, about)


def pack(step: int, optimiser: Optimiser, average: Average | None, about: Mapping[str, Any]) -> Checkpoint:
    """What training looks like after `step` steps."""
    tensors: dict[str, torch.Tensor] = {f"lora.{name}": one for name, one in optimiser.named.items()}
    if average:
        tensors |= {f"average.{name}": one for name, one in average.named.items()}
    plain: dict[str, dict[str, Any]] = {}
    for number, (name, state) in enumerate(zip(optimiser.named, _states(optimiser), strict=True)):
        for key, value in state.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimiser.{key}.{name}"] = value
            else:
                plain.setdefault(str(number), {})[key] = value
    return Checkpoint(step, tensors, {"optimiser": plain, **about})


def unpack(checkpoint: Checkpoint, optimiser: Optimiser, average: Average | None) -> None:
    """Put weights, averages and the optimiser's state back. Raises KeyError where the weights are not the same."""
    tensors = checkpoint.tensors
    states: dict[int, dict[str, Any]] = {}
    with torch.no_grad():
        for number, (name, parameter) in enumerate(optimiser.named.items()):
            parameter.copy_(tensors[f"lora.{name}"])
            end = f".{name}"
            found = {one[10 : -len(end)]: one for one in tensors if one.startswith("optimiser.") and one.endswith(end)}
            states[number] = {key: tensors[one] for key, one in found.items() if "." not in key}
            states[number] |= checkpoint.about["optimiser"].get(str(number), {})
        if average:  # may have been switched on since
            for name, one in average.named.items():
                one.copy_(tensors.get(f"average.{name}", tensors[f"lora.{name}"]))
    groups = optimiser.inner.state_dict()["param_groups"]
    optimiser.inner.load_state_dict(
        {"state": {n: state for n, state in states.items() if state}, "param_groups": groups}
    )


def _states(optimiser: Optimiser) -> list[dict[str, Any]]:
    return [dict(optimiser.inner.state.get(one, {})) for one in optimiser.parameters]
