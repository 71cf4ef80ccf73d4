"""Which samples make up each optimizer step: an endless walk through epochs, cut into batches that are always full."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .randomness import shuffle_epoch


class SampleRef(NamedTuple):
    """A sample in an epoch: `index` is its number in the data set."""

    epoch: int
    index: int  # type: ignore[assignment]  # a tuple's method of that name is not used here


def sample_steps(
    seed: int,
    indices: npt.NDArray[np.int64],
    size: int,
    first: int = 0,
    bucket: Callable[[int], int] | None = None,
) -> Iterator[list[SampleRef]]:
    """Yield the `size` samples of each step, from step `first` on; never ends.

    indices: the samples that may be used. bucket: the number of a sample's shape, when all samples of a step must have
    the same shape; steps come in the order in which they fill. A step may span the end of an epoch: so a data set
    smaller than a step works, nothing is left out, and a single number describes the progress of training.
    """
    walk = _walk(seed, indices, 0 if bucket else first * size)
    if bucket is None:
        while True:
            yield list(itertools.islice(walk, size))
    waiting: dict[int, list[SampleRef]] = defaultdict(list)
    number = 0
    for sample in walk:
        group = waiting[bucket(sample.index)]
        group.append(sample)
        if len(group) == size:
            if number >= first:
                yield list(group)
            number += 1
            group.clear()


def _walk(seed: int, indices: npt.NDArray[np.int64], position: int) -> Iterator[SampleRef]:
    first, skipped = divmod(position, len(indices))
    for epoch in itertools.count(first):
        for number in shuffle_epoch(seed, epoch, len(indices))[skipped:]:
            yield SampleRef(epoch, int(indices[number]))
        skipped = 0
