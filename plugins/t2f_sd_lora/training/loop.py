"""The steps of training, one after the other, until all are done, somebody asks to stop, or the loss is no number."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch

from text2face_core.errors import RunError

from .checkpoints import pack, unpack
from .loader import ahead
from .metrics import Meter
from .sampler import Seen, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt
    from accelerate import Accelerator

    from text2face_core.contracts import Progress

    from ..options import SdLoraOptions
    from .checkpoints import Checkpoint, Checkpoints
    from .loader import Batch, Feed
    from .loss import Diffusion
    from .metrics import Log
    from .optimizer import Average, Optimiser
    from .signals import Stop

PATIENCE = 50
"""Steps in a row that float16 may skip for gradients beyond its range, while it looks for a scale that fits."""


SAY_EVERY_SECONDS = 30.0


class Examiner(Protocol):
    """Looks at the model now and then."""

    def __call__(self, step: int) -> None:
        """The model after `step` steps."""
        ...


@dataclass(slots=True)
class Loop:
    """Everything that steps are made of. indices: the samples that are trained on."""

    options: SdLoraOptions
    seed: int
    accelerator: Accelerator
    student: Any
    optimiser: Optimiser
    average: Average | None
    diffusion: Diffusion
    feed: Feed
    indices: npt.NDArray[np.int64]
    bucket: Callable[[int], int] | None
    half: bool
    checkpoints: Checkpoints
    log: Log | None
    examine: Examiner
    progress: Progress
    stop: Stop
    done: int = 0
    _scaler: Any = field(init=False)
    _meter: Meter = field(init=False)
    _skipped: int = 0
    _saved: int = -1
    _examined: bool = True
    _said: float = 0.0
    _pending: list[tuple[int, torch.Tensor, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._meter = Meter(0, self.options.steps, self.images_per_step)
        self._scaler = torch.amp.GradScaler(self.accelerator.device.type, enabled=self.half)

    @property
    def images_per_step(self) -> int:
        """Over all processes and all forward passes of a step."""
        return self.options.batch_size * self.options.accumulation * self.accelerator.num_processes

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from there."""
        unpack(checkpoint, self.optimiser, self.average)
        if self.half and checkpoint.about.get("scaler"):
            self._scaler.load_state_dict(checkpoint.about["scaler"])
        self.done = self._saved = checkpoint.step
        self._examined = bool(checkpoint.about.get("examined", True))

    def run(self) -> None:
        """Train until `options.steps` steps are done.

        Raises KeyboardInterrupt after a checkpoint where somebody asked to stop, RunError where the loss is no number.
        """
        total = self.options.steps
        self.progress.start("training by showing", total * self.images_per_step, self.done * self.images_per_step)
        self._meter = Meter(self.done, total, self.images_per_step)
        self._said = time.monotonic()
        try:
            if not self.done or not self._examined:
                self.examine(self.done)
                self._examined = True
            self._meter.pause()
            with contextlib.closing(ahead(self.feed, self._parts())) as batches:
                while self.done < total:
                    self._step(next(batches))
                    self._after_step(last=self.done == total)
        finally:
            self.progress.finish()

    def _parts(self) -> Iterator[list[list[Seen]]]:
        """What this process sees of each step: a batch for each forward pass."""
        size, many, own = self.options.batch_size, self.accelerator.num_processes, self.accelerator.process_index
        for samples in steps(self.seed, self.indices, self.images_per_step, self.done, self.bucket):
            starts = [(turn * many + own) * size for turn in range(self.options.accumulation)]
            yield [samples[start : start + size] for start in starts]

    def _step(self, batches: list[Batch]) -> None:
        rates = self.optimiser.set_rates(self.done)
        self.optimiser.inner.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.accelerator.device)
        for number, batch in enumerate(batches, 1):
            gather = number == len(batches)
            with contextlib.nullcontext() if gather else self.accelerator.no_sync(self.student):
                share = self._loss(batch.to(self.accelerator.device)) / len(batches)
                self._scaler.scale(share).backward()
            loss += share.detach()
        self._scaler.unscale_(self.optimiser.inner)
        norm = self.optimiser.clip()
        self._scaler.step(self.optimiser.inner)
        self._scaler.update()
        self.done += 1
        if self.average:
            self.average.update(self.done)
        figures = torch.stack([loss, norm.to(loss), torch.full_like(loss, float(self.stop.wanted))])
        if self.accelerator.num_processes > 1:
            figures = self.accelerator.reduce(figures, "mean")
        told = {f"learning_rate_{name}": rate for name, rate in rates.items()}
        told["epoch"] = self.done * self.images_per_step // len(self.indices)
        self._pending.append((self.done, figures, {**told, "seconds": self._meter.step()}))

    def _loss(self, batch: Batch) -> torch.Tensor:
        noisy = self.diffusion.noisy(batch.latents, batch.noise, batch.steps)
        answer = self.student(noisy, batch.steps, batch.tokens)
        target = self.diffusion.target(batch.latents, batch.noise, batch.steps)
        return self.diffusion.loss(answer, target, self.diffusion.weights(batch.steps, self.options.min_snr))

    def _after_step(self, *, last: bool) -> None:
        """What is due now. Figures are read one step late, so that the device never waits for this process."""
        options = self.options
        examines = last or (options.validate_every and self.done % options.validate_every == 0)
        saves = last or self.done % options.checkpoint_every == 0
        stops = self._read(0 if examines or saves else 1)
        if self.accelerator.num_processes == 1:  # several have to agree, which takes one step more
            stops = self.stop.wanted
        if stops and not saves:
            self._read(0)
        self._examined = not examines or last or not stops
        if examines and self._examined:
            self.examine(self.done)
        if saves or stops:
            self.save()
        if examines or saves:
            self._meter.pause()
        self.progress.advance(self.images_per_step)
        if last or time.monotonic() - self._said > SAY_EVERY_SECONDS:
            self._said = time.monotonic()
            self.progress.say(self._meter.line())
        if stops and not last:
            raise KeyboardInterrupt

    def _read(self, leave: int) -> bool:
        """Take in the figures of all but the last `leave` steps; returns whether any process is to stop."""
        stops = False
        while len(self._pending) > leave:
            step, figures, told = self._pending.pop(0)
            loss, norm, wish = figures.tolist()
            self._check(step, loss, norm)
            self._meter.loss(loss)
            if self.log:
                self.log.write(step, {"loss": loss, "gradient_norm": norm, **told})
            stops = stops or wish > 0
        return stops

    def _check(self, step: int, loss: float, norm: float) -> None:
        self._skipped = 0 if math.isfinite(norm) else self._skipped + 1
        if math.isfinite(loss) and (math.isfinite(norm) or (self.half and self._skipped <= PATIENCE)):
            return
        kept = self.checkpoints.steps()
        before = f"The last good checkpoint is that of step {kept[-1]}" if kept else "There is no checkpoint yet"
        what = "the loss" if not math.isfinite(loss) else "a gradient"
        value = norm if math.isfinite(loss) else loss
        cure = "--dtype bfloat16 or float32, or " if self.half else ""
        raise RunError(
            f"at step {step} {what} is no finite number ({value}), and training stopped. "
            f"{before} in {self.checkpoints.folder}. Go on with {cure}lower learning rates: --resume "
            f"--set sd_lora.learning_rate={self.options.learning_rate / 3:.2g}"
        )

    def save(self) -> None:
        """Write a checkpoint, unless there is nothing new."""
        if self.accelerator.is_main_process and self._saved != self.done:
            if not all(bool(one.isfinite().all()) for one in self.optimiser.parameters):
                raise RunError(f"after step {self.done} a weight is no finite number; no checkpoint was written")
            about = {
                "scaler": self._scaler.state_dict() if self.half else {},
                "images": self.done * self.images_per_step,
                "examined": self._examined,
            }
            if self.log:
                self.log.flush()
            self.checkpoints.save(pack(self.done, self.optimiser, self.average, about))
        self._saved = self.done
        self.accelerator.wait_for_everyone()
