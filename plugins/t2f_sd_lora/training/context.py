"""Options, hardware and folders that all parts of a training share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

    from text2face_core import Runtime
    from text2face_core.contracts import Progress

    from ..options import SdLoraOptions
    from .signals import StopRequest


class SilentProgress:
    """The progress of all processes except the main process, which alone reports."""

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Do nothing."""

    def advance(self, count: int, **counts: int) -> None:
        """Do nothing."""

    def say(self, message: str) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """Options, hardware and folders of a training.

    accelerator: the device and the other processes. out: the folder of the result.
    progress: receives messages; silent except in the main process. stop: whether a signal requested a stop.
    """

    options: SdLoraOptions
    runtime: Runtime
    accelerator: Accelerator
    out: Path
    progress: Progress
    stop: StopRequest

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return self.accelerator.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and reports."""
        return bool(self.accelerator.is_main_process)

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return int(self.accelerator.num_processes)

    @property
    def photos_per_step(self) -> int:
        """Photos per optimizer step, over all processes and forward passes."""
        return self.options.batch_size * self.options.accumulation * self.processes

    @property
    def scales_gradients(self) -> bool:
        """Whether gradients must be scaled, because small gradients would become 0 in float16."""
        return self.runtime.dtype == "float16"

    @property
    def cache_folder(self) -> Path:
        """The folder of cached latents and tokens."""
        return Path(self.options.cache).expanduser() if self.options.cache else self.out / "cache"

    def all_agree(self, value: bool) -> bool:
        """Whether `value` is true in all processes; each must call this at the same point, and waits for the others."""
        if self.processes == 1:
            return value
        disagreeing = torch.tensor(float(not value), device=self.device)
        return not float(self.accelerator.reduce(disagreeing, "sum"))
