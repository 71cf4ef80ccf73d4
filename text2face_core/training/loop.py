"""The training loop: optimizer steps until all are done, a signal asks to stop, or the loss is not finite."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch

from ..errors import RunError
from .checkpoints import pack, unpack
from .loader import prefetch_batches
from .metrics import ThroughputMeter
from .sampler import SampleRef, sample_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .checkpoints import Checkpoint, Checkpoints
    from .context import TrainingContext
    from .loader import Batch, BatchLoader
    from .metrics import MetricsLog
    from .optimizer import GroupedOptimizer, WeightAverage
    from .randomness import Indices

MAX_SKIPPED_STEPS = 50
"""Steps in a row that float16 may skip for gradients beyond its range, while the scaler looks for a scale that fits."""
REPORT_SECONDS = 30.0


class Trainable(Protocol):
    """A model that is trained: its network, what is optimized, and the loss."""

    @property
    def network(self) -> Any:
        """A torch module with everything that gradients pass through."""
        ...

    @property
    def optimizer(self) -> GroupedOptimizer:
        """The trained weights and their optimizer."""
        ...

    @property
    def average(self) -> WeightAverage | None:
        """The averaged weights (EMA), or None."""
        ...

    def compute_loss(self, network: Any, batch: Any) -> torch.Tensor:
        """The training loss of a batch, a scalar. network: `self.network`, or what wraps it for several processes."""
        ...


class TrainingSamples(Protocol):
    """The samples to train on. bucket: the number of a sample's shape, None when all have the same shape."""

    @property
    def trained(self) -> Indices:
        """Numbers of the samples."""
        ...

    @property
    def bucket(self) -> Callable[[int], int] | None:
        """The number of a sample's shape."""
        ...


@dataclass(slots=True)
class Loop:
    """Optimizer steps, checkpoints and validation.

    validate: called with the number of steps done; returns whether it was completed, which it is not after a signal.
    log: None except in the main process. done: optimizer steps so far.
    """

    context: TrainingContext[Any]
    model: Trainable
    data: TrainingSamples
    loader: BatchLoader
    checkpoints: Checkpoints
    log: MetricsLog | None
    validate: Callable[[int], bool]
    done: int = 0
    _network: Any = field(init=False)
    _scaler: Any = field(init=False)
    _meter: ThroughputMeter = field(init=False)
    _skipped: int = 0
    _saved: int = -1
    _validated: bool = True
    _reported: float = 0.0
    _pending: list[tuple[int, torch.Tensor, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        context = self.context
        self._network = context.accelerator.prepare_model(self.model.network)
        self._meter = ThroughputMeter(0, context.options.steps, context.photos_per_step)
        self._scaler = torch.amp.GradScaler(context.device.type, enabled=context.scales_gradients)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint."""
        unpack(checkpoint, self.model.optimizer, self.model.average)
        if self.context.scales_gradients and checkpoint.about.get("scaler"):
            self._scaler.load_state_dict(checkpoint.about["scaler"])
        self.done = self._saved = checkpoint.step
        self._validated = bool(checkpoint.about.get("examined", True))

    def run(self) -> None:
        """Train until `options.steps` optimizer steps are done.

        Raises KeyboardInterrupt, after writing a checkpoint, when a signal asked to stop; RunError when the loss is not
        finite.
        """
        context, total = self.context, self.context.options.steps
        photos = context.photos_per_step
        context.progress.start("training on", total * photos, self.done * photos)
        self._meter = ThroughputMeter(self.done, total, photos)
        self._reported = time.monotonic()
        try:
            self._validate_before()
            self._meter.pause()
            with contextlib.closing(prefetch_batches(self.loader, self._samples())) as batches:
                while self.done < total:
                    self.train_step(next(batches))
                    self._finish_step(last=self.done == total)
        finally:
            context.progress.finish()

    def _validate_before(self) -> None:
        """Validate the untrained model, or a checkpoint that was left before its validation was complete."""
        if self.done and self._validated:
            return
        if not self.validate(self.done):
            raise KeyboardInterrupt
        self._validated = True
        if self.done == self.context.options.steps:  # no later checkpoint would say so
            self._saved = -1
            self.save()

    def _samples(self) -> Iterator[list[list[SampleRef]]]:
        """The samples of each step for this process: a list for each forward pass."""
        context, size = self.context, self.context.options.batch_size
        own = context.accelerator.process_index
        steps = sample_steps(
            context.runtime.seed, self.data.trained, context.photos_per_step, self.done, self.data.bucket
        )
        for samples in steps:
            starts = [(turn * context.processes + own) * size for turn in range(context.options.accumulation)]
            yield [samples[start : start + size] for start in starts]

    def train_step(self, batches: list[Batch]) -> None:
        """Take an optimizer step on the gradients of all `batches`."""
        context, optimizer = self.context, self.model.optimizer
        rates = optimizer.set_rates(self.done)
        optimizer.inner.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=context.device)
        for number, batch in enumerate(batches, 1):
            synchronizes = number == len(batches)
            with contextlib.nullcontext() if synchronizes else context.accelerator.no_sync(self._network):
                share = self.compute_loss(batch.to(context.device)) / len(batches)
                self._scaler.scale(share).backward()
            loss += share.detach()
        self._scaler.unscale_(optimizer.inner)
        norm = optimizer.clip()
        self._scaler.step(optimizer.inner)
        self._scaler.update()
        self.done += 1
        if self.model.average:
            self.model.average.update(self.done)
        metrics = torch.stack([loss, norm.to(loss), torch.full_like(loss, float(context.stop.wanted))])
        if context.processes > 1:
            metrics = context.accelerator.reduce(metrics, "mean")
        known: dict[str, Any] = {f"learning_rate_{name}": rate for name, rate in rates.items()}
        known["epoch"] = self.done * context.photos_per_step // len(self.data.trained)
        self._pending.append((self.done, metrics, {**known, "seconds": self._meter.step()}))

    def compute_loss(self, batch: Batch) -> torch.Tensor:
        """The training loss of a batch, a scalar."""
        return self.model.compute_loss(self._network, batch)

    def _finish_step(self, *, last: bool) -> None:
        """Validate, save and report when due. Metrics are read a step late, so that the device never waits."""
        options = self.context.options
        validates = last or bool(options.validate_every and self.done % options.validate_every == 0)
        saves = last or self.done % options.checkpoint_every == 0
        stops = self.read_metrics(0 if validates or saves else 1)
        if self.context.processes == 1:  # several processes have to agree, which takes another step
            stops = self.context.stop.wanted
        if stops and not saves:
            self.read_metrics(0)
        self._validated = not validates or last or not stops
        if validates and self._validated:
            self._validated = self.validate(self.done)
            stops = stops or not self._validated
        if saves or stops:
            self.save()
        if validates or saves:
            self._meter.pause()
        self.context.progress.advance(self.context.photos_per_step)
        if last or time.monotonic() - self._reported > REPORT_SECONDS:
            self._reported = time.monotonic()
            self.context.progress.say(self._meter.line())
        if stops and not (last and self._validated):
            raise KeyboardInterrupt

    def read_metrics(self, leave: int) -> bool:
        """Log the metrics of all but the last `leave` steps; returns whether any process was asked to stop."""
        stops = False
        while len(self._pending) > leave:
            step, metrics, known = self._pending.pop(0)
            loss, norm, stopped = metrics.tolist()
            self._check_finite(step, loss, norm)
            self._meter.loss(loss)
            if self.log:
                self.log.write(step, {"loss": loss, "gradient_norm": norm, **known})
            stops = stops or stopped > 0
        return stops

    def _check_finite(self, step: int, loss: float, norm: float) -> None:
        scaled = self.context.scales_gradients
        self._skipped = 0 if math.isfinite(norm) else self._skipped + 1
        if math.isfinite(loss) and (math.isfinite(norm) or (scaled and self._skipped <= MAX_SKIPPED_STEPS)):
            return
        kept = self.checkpoints.steps()
        before = f"The last good checkpoint is from step {kept[-1]}" if kept else "There is no checkpoint yet"
        what = "the loss" if not math.isfinite(loss) else "a gradient"
        value = norm if math.isfinite(loss) else loss
        cure = "--dtype bfloat16 or float32, or " if scaled else ""
        raise RunError(
            f"at step {step} {what} is not finite ({value}), and training stopped. "
            f"{before} in {self.checkpoints.folder}. Resume with {cure}lower learning rates: --resume "
            f"--set {self.context.trainer}.learning_rate={self.model.optimizer.rates_at_peak()[0] / 3:.2g}"
        )

    def save(self) -> None:
        """Write a checkpoint, unless this step has been saved."""
        context, optimizer = self.context, self.model.optimizer
        if context.is_main and self._saved != self.done:
            if not all(bool(one.isfinite().all()) for one in optimizer.parameters):
                raise RunError(f"after step {self.done} a weight is not finite; no checkpoint was written")
            about = {
                "scaler": self._scaler.state_dict() if context.scales_gradients else {},
                "images": self.done * context.photos_per_step,
                "examined": self._validated,
            }
            if self.log:
                self.log.flush()
            self.checkpoints.save(pack(self.done, optimizer, self.model.average, about))
        self._saved = self.done
        context.accelerator.wait_for_everyone()
