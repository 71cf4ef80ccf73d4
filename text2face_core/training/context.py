"""Options, hardware and folders that all parts of a training share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import torch
from filelock import FileLock, Timeout

from ..errors import RunError
from ..utils import explain, remove_unfinished
from .options import TrainingOptions

if TYPE_CHECKING:
    from ..components import Runtime
    from ..contracts import Progress
    from .signals import StopRequest

OptionsT = TypeVar("OptionsT", bound=TrainingOptions)


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


class Workers(Protocol):
    """The processes that train together, as accelerate's Accelerator has them."""

    @property
    def device(self) -> Any:
        """The device of this process."""
        ...

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes files and reports."""
        ...

    @property
    def num_processes(self) -> int:
        """How many there are."""
        ...

    @property
    def process_index(self) -> int:
        """The number of this process, from 0."""
        ...

    def prepare_model(self, model: Any) -> Any:
        """The network whose gradients are synchronized."""
        ...

    def no_sync(self, model: Any) -> contextlib.AbstractContextManager[Any]:
        """Leave gradients of this process alone inside the `with` block."""
        ...

    def reduce(self, tensor: Any, reduction: str) -> Any:
        """The sum or mean over all processes."""
        ...

    def wait_for_everyone(self) -> None:
        """Wait until all processes have come here."""
        ...


@dataclass(frozen=True, slots=True)
class SingleProcess:
    """Training in this process alone."""

    device: torch.device
    is_main_process: bool = True
    num_processes: int = 1
    process_index: int = 0

    def prepare_model(self, model: Any) -> Any:
        """The model itself."""
        return model

    def no_sync(self, model: Any) -> contextlib.AbstractContextManager[Any]:  # noqa: ARG002
        """Nothing to synchronize."""
        return contextlib.nullcontext()

    def reduce(self, tensor: Any, reduction: str) -> Any:  # noqa: ARG002
        """The tensor itself."""
        return tensor

    def wait_for_everyone(self) -> None:
        """Return at once."""


@dataclass(frozen=True, slots=True)
class TrainingContext(Generic[OptionsT]):
    """Options, hardware and folders of a training.

    trainer: its name, for messages. accelerator: the device and the other processes. out: the folder of the result.
    progress: receives messages; silent except in the main process. stop: whether a signal requested a stop.
    """

    trainer: str
    options: OptionsT
    runtime: Runtime
    accelerator: Any
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

    def all_agree(self, value: bool) -> bool:
        """Whether `value` is true in all processes; each must call this at the same point, and waits for the others."""
        if self.processes == 1:
            return value
        disagreeing = torch.tensor(float(not value), device=self.device)
        return not float(self.accelerator.reduce(disagreeing, "sum"))


@contextlib.contextmanager
def lock_out(context: TrainingContext[Any]) -> Iterator[None]:
    """Keep other commands out of the folder of the result. Raises RunError when it holds a run or is in use."""
    out = context.out
    if (out / "run.toml").is_file():
        raise RunError(f"{out} holds a run of t2f run: choose another --out for the training")
    if not context.is_main:
        yield
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise RunError(f"another process is working on {out}; wait for it, or choose another --out") from error
    except OSError as error:
        raise RunError(explain(error, out / ".lock")) from error
    try:
        remove_unfinished(out)
        yield
    finally:
        lock.release()
