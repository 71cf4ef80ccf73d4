"""Which photos validation keeps from training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .randomness import Indices, choose_held_out

LEAST_SHARE = 10
"""At most one photo in this many is held out."""


def split_held_out(
    seed: int, n: int, usable: Indices, contents: npt.NDArray[np.uint64], wanted: int
) -> tuple[Indices, Indices]:
    """The samples to train on and those held out: `wanted` different pictures, at most a tenth of all.

    A picture that is listed several times, for example once for each of its captions, is only on one side.
    n: samples in the data set. usable: those that can be read. contents: a number that stands for the picture of each.
    """
    different = usable[np.sort(np.unique(contents, return_index=True)[1])]
    held_out = choose_held_out(seed, n, min(wanted, len(different) // LEAST_SHARE), different)
    return usable[~np.isin(contents, contents[np.isin(usable, held_out)])], held_out
