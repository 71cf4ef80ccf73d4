"""Training metrics: train.jsonl, TensorBoard, console."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils import write_text

if TYPE_CHECKING:
    from PIL.Image import Image

FLUSH_EVERY_SECONDS = 2.0


class MetricsLog:
    """OUT/train.jsonl, a line per step and validation, and OUT/tensorboard.

    When training resumes from `step`, lines after it are removed, because they will be written again.
    """

    def __init__(self, out: Path, step: int, *, tensorboard: bool) -> None:
        path = out / "train.jsonl"
        _cut(path, step)
        self._file = path.open("a", encoding="utf-8")
        self._flushed = time.monotonic()
        self._board = _board(out / "tensorboard", step) if tensorboard else None

    def write(self, step: int, figures: dict[str, Any], *, group: str = "training") -> None:
        """Write a line: {"step": 12, "loss": …}."""
        rounded = {name: _rounded(one) if isinstance(one, float) else one for name, one in figures.items()}
        self._file.write(json.dumps({"step": step, **rounded}) + "\n")
        if time.monotonic() - self._flushed > FLUSH_EVERY_SECONDS:
            self.flush()
        if self._board:
            for name, one in figures.items():
                if isinstance(one, (int, float)):
                    self._board.add_scalar(f"{group}/{name}", one, step)

    def picture(self, step: int, name: str, image: Image) -> None:
        """Show a picture in TensorBoard."""
        if self._board:
            self._board.add_image(name, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def flush(self) -> None:
        """Write everything to the disk."""
        self._flushed = time.monotonic()
        self._file.flush()
        if self._board:
            self._board.flush()

    def close(self) -> None:
        """Write everything and close the files."""
        self._file.close()
        if self._board:
            self._board.close()


def _rounded(number: float) -> float | None:
    """Round to the nine digits of a float32; None for infinity (float16 gradients out of range), which JSON lacks."""
    return float(f"{number:.9g}") if math.isfinite(number) else None


def read_metric(out: Path, name: str) -> dict[int, float]:
    """A metric of OUT/train.jsonl by step, as far as it is written."""
    path = out / "train.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    rows = [json.loads(line) for line in lines]
    return {row["step"]: row[name] for row in rows if name in row}


def summarize_metrics(out: Path) -> dict[str, float]:
    """Metrics of a whole training: mean loss of the last hundred steps, first and last validation loss."""
    losses = list(read_metric(out, "loss").values())
    validations = list(read_metric(out, "validation_loss").values())
    metrics = {"loss": float(np.mean(losses[-100:]))} if losses else {}
    if validations:
        metrics |= {"validation_loss_before": validations[0], "validation_loss": validations[-1]}
    return metrics


def _cut(path: Path, step: int) -> None:
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):  # the line that was being written at a kill
            continue
    write_text(path, "".join(f"{line}\n" for line in kept))


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


class ThroughputMeter:
    """Training throughput, without the time for validation and checkpoints.

    images: per step. The rate covers about the last hundred steps.
    """

    def __init__(self, done: int, total: int, images: int) -> None:
        self._done, self._total, self._images = done, total, images
        self._seconds = self._weight = 0.0
        self._last = time.perf_counter()
        self._loss = 0.0
        self._loss_weight = 0.0

    def pause(self) -> None:
        """Exclude the time since the last step."""
        self._last = time.perf_counter()

    def step(self) -> float:
        """Count a step; returns its seconds."""
        now = time.perf_counter()
        took, self._last = now - self._last, now
        self._done += 1
        self._seconds = 0.99 * self._seconds + took
        self._weight = 0.99 * self._weight + 1
        return took

    def loss(self, loss: float) -> None:
        """Add a step's loss to the mean that is shown; a single loss depends mostly on its timestep."""
        self._loss = 0.98 * self._loss + loss
        self._loss_weight = 0.98 * self._loss_weight + 1

    @property
    def rate(self) -> float:
        """Steps per second."""
        return self._weight / self._seconds if self._seconds else 0.0

    def line(self) -> str:
        """The throughput as a line of text."""
        rate, left = self.rate, self._total - self._done
        parts = [f"step {self._done}/{self._total}", f"{rate:.3g} steps/s", f"{rate * self._images:.3g} images/s"]
        if self._loss_weight:
            parts.append(f"loss {self._loss / self._loss_weight:.4f}")
        if rate and left:
            parts.append(f"{format_duration(left / rate)} left")
        return ", ".join(parts)


def format_duration(seconds: float) -> str:
    """A duration in the units that suit it.

    >>> format_duration(200), format_duration(12_000)
    ('3 min', '3 h 20 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
