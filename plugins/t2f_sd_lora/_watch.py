"""What can be followed while training: train.jsonl, TensorBoard, and a line of figures now and then."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from text2face_core.utils import write_text

if TYPE_CHECKING:
    from PIL.Image import Image

FLUSH_EVERY_SECONDS = 2.0


class Log:
    """OUT/train.jsonl, a line per step and validation, and OUT/tensorboard.

    On going on from `step`, what was written after it is taken back, because it comes again.
    """

    def __init__(self, out: Path, step: int, *, tensorboard: bool) -> None:
        path = out / "train.jsonl"
        _cut(path, step)
        self._file = path.open("a", encoding="utf-8")
        self._flushed = time.monotonic()
        self._board = _board(out / "tensorboard", step) if tensorboard else None

    def write(self, step: int, figures: dict[str, Any], *, group: str = "training") -> None:
        """One line: {"step": 12, "loss": …}."""
        rounded = {name: _rounded(one) if isinstance(one, float) else one for name, one in figures.items()}
        self._file.write(json.dumps({"step": step, **rounded}) + "\n")
        if time.monotonic() - self._flushed > FLUSH_EVERY_SECONDS:
            self.flush()
        if self._board:
            for name, one in figures.items():
                if isinstance(one, (int, float)):
                    self._board.add_scalar(f"{group}/{name}", one, step)

    def picture(self, step: int, name: str, image: Image) -> None:
        """A picture for TensorBoard."""
        if self._board:
            import numpy as np

            self._board.add_image(name, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def flush(self) -> None:
        """Bring everything to the disk."""
        self._flushed = time.monotonic()
        self._file.flush()
        if self._board:
            self._board.flush()

    def close(self) -> None:
        """Likewise, for good."""
        self._file.close()
        if self._board:
            self._board.close()


def _rounded(number: float) -> float | None:
    """Nine digits, which a float32 has; JSON knows no infinity, as which float16 shows a gradient out of its range."""
    return float(f"{number:.9g}") if math.isfinite(number) else None


def figure(out: Path, name: str) -> dict[int, float]:
    """One figure of OUT/train.jsonl by step, as far as it is written."""
    path = out / "train.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    told = [json.loads(line) for line in lines]
    return {one["step"]: one[name] for one in told if name in one}


def _cut(path: Path, step: int) -> None:
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):  # the line at which a kill came
            continue
    write_text(path, "".join(f"{line}\n" for line in kept))


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)


class Meter:
    """How fast it goes, without the time for validation and checkpoints.

    images: per step. The rate is that of the last hundred steps or so.
    """

    def __init__(self, done: int, total: int, images: int) -> None:
        self._done, self._total, self._images = done, total, images
        self._seconds = self._weight = 0.0
        self._last = time.perf_counter()
        self._loss = 0.0
        self._loss_weight = 0.0

    def pause(self) -> None:
        """What took time since the last step was not training."""
        self._last = time.perf_counter()

    def step(self) -> float:
        """A step is done; returns its seconds."""
        now = time.perf_counter()
        took, self._last = now - self._last, now
        self._done += 1
        self._seconds = 0.99 * self._seconds + took
        self._weight = 0.99 * self._weight + 1
        return took

    def loss(self, loss: float) -> None:
        """The loss of a step, for the mean that is shown; a single one says little, its step of noise decides it."""
        self._loss = 0.98 * self._loss + loss
        self._loss_weight = 0.98 * self._loss_weight + 1

    @property
    def rate(self) -> float:
        """Steps per second."""
        return self._weight / self._seconds if self._seconds else 0.0

    def line(self) -> str:
        """All of it in words."""
        rate, left = self.rate, self._total - self._done
        parts = [f"step {self._done}/{self._total}", f"{rate:.3g} steps/s", f"{rate * self._images:.3g} images/s"]
        if self._loss_weight:
            parts.append(f"loss {self._loss / self._loss_weight:.4f}")
        if rate and left:
            parts.append(f"{human_time(left / rate)} left")
        return ", ".join(parts)


def human_time(seconds: float) -> str:
    """Seconds as people say them.

    >>> human_time(200), human_time(12_000)
    ('3 min', '3 h 20 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
