"""Make the batches of coming steps while the device is busy."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from .sampler import SampleRef


class Batch(Protocol):
    """What a trainer's loss is computed on."""

    def to(self, device: Any) -> Self:
        """Copy to another device, without waiting for it."""
        ...


class BatchLoader(Protocol):
    """Makes batches from samples."""

    def load_batch(self, samples: Sequence[SampleRef]) -> Any:
        """Load samples for training; returns a `Batch`."""
        ...


def prefetch_batches(
    loader: BatchLoader, steps: Iterable[list[list[SampleRef]]], count: int = 2
) -> Generator[list[Any], None, None]:
    """Yield the batches of each step, made in a thread that is `count` steps ahead."""
    source = iter(steps)
    with ThreadPoolExecutor(1, "t2f-loader") as pool:
        waiting = [pool.submit(_load_step, loader, step) for _, step in zip(range(count), source, strict=False)]
        try:
            while waiting:
                yield waiting.pop(0).result()
                if (step := next(source, None)) is not None:
                    waiting.append(pool.submit(_load_step, loader, step))
        finally:
            for future in waiting:
                future.cancel()


def _load_step(loader: BatchLoader, step: list[list[SampleRef]]) -> list[Any]:
    return [loader.load_batch(samples) for samples in step]
