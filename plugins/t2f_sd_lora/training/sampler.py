"""Which samples make up each step: an endless walk through epochs, cut into batches that are always full."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .randomness import order


class Seen(NamedTuple):
    """A sample as it is seen once: in which epoch, and its number in the data set."""

    epoch: int
    index: int


def steps(
    seed: int,
    indices: npt.NDArray[np.int64],
    size: int,
    first: int = 0,
    bucket: Callable[[int], int] | None = None,
) -> Iterator[list[Seen]]:
    """The samples of each step from the one numbered `first` on, `size` of them each; never ends.

    indices: the samples that may be seen. bucket: a sample's shape, where a step must have one; steps come in the order
    in which they fill. A step may reach over the end of an epoch: so a data set smaller than a step works, nothing
    is left out, and where training stands is told by one number.
    """
    walk = _walk(seed, indices, 0 if bucket else first * size)
    if bucket is None:
        while True:
            yield list(itertools.islice(walk, size))
    waiting: dict[int, list[Seen]] = defaultdict(list)
    number = 0
    for seen in walk:
        group = waiting[bucket(seen.index)]
        group.append(seen)
        if len(group) == size:
            if number >= first:
                yield list(group)
            number += 1
            group.clear()


def _walk(seed: int, indices: npt.NDArray[np.int64], position: int) -> Iterator[Seen]:
    first, skipped = divmod(position, len(indices))
    for epoch in itertools.count(first):
        for number in order(seed, epoch, len(indices))[skipped:]:
            yield Seen(epoch, int(indices[number]))
        skipped = 0
