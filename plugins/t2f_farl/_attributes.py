"""From photos to attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from text2face_core import Extractor, Finding
from text2face_core.models import BATCH, load_weights, network

from . import NAMES
from ._attribute_network import SIDE, AttributeNetwork
from ._frames import Frame

if TYPE_CHECKING:
    from pathlib import Path

    from text2face_core import Portrait, Runtime

    from . import AttributeOptions

Floats = npt.NDArray[np.float32]

# The template of the network's authors: five points of a 256-pixel face, moved down by 30, centred in 500 pixels and
# scaled to 224. The eyes are 37 pixels apart, so hat, neck and hair are visible.
TEMPLATE = (
    (85.82991, 85.7792),
    (169.0532, 84.3381),
    (127.574, 137.0006),
    (90.6964, 174.7014),
    (167.3069, 173.3733),
)
FRAME = Frame(SIDE, tuple(((x + 122) * SIDE / 500, (y + 30 + 122) * SIDE / 500) for x, y in TEMPLATE))

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
LARGEST_BATCH = 16


class Attributes(Extractor):
    """40 attributes, each present or absent.

    A score is the probability of the reported value, rounded to 0.0001: above the last bits in which sums differ
    between batch sizes.
    """

    def __init__(self, weights: Path, options: AttributeOptions, runtime: Runtime) -> None:
        self._options = options
        module = load_weights(AttributeNetwork, weights, what="FaRL's attribute network")
        self._network = network(
            module, [(BATCH, 3, SIDE, SIDE)], runtime, key="farl.attributes 1", outputs=("logits",), batch=LARGEST_BATCH
        )

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Find all 40 attributes of each portrait. Raises DegenerateFace for unusable landmarks."""
        return [self._findings(row) for row in self.probabilities(portraits)]

    def probabilities(self, portraits: Sequence[Portrait]) -> Floats:
        """(N, 40) float32, in the order of `NAMES`."""
        rows = np.empty((len(portraits), len(NAMES)), np.float32)
        for start in range(0, len(portraits), LARGEST_BATCH):
            some = portraits[start : start + LARGEST_BATCH]
            (logits,) = self._network(self.inputs(some))
            rows[start : start + len(some)] = 0.5 + 0.5 * np.tanh(logits / 2)  # the sigmoid, without overflow
        return rows

    def inputs(self, portraits: Sequence[Portrait]) -> Floats:
        """(N, 3, SIDE, SIDE) float32: the network's input."""
        images = np.empty((len(portraits), 3, SIDE, SIDE), np.float32)
        for image, portrait in zip(images, portraits, strict=True):
            colours = FRAME.cut(portrait.photo, portrait.face) / np.float32(255)
            if self._options.normalise:
                colours = (colours - MEAN) / STD
            image[:] = colours.transpose(2, 0, 1)
        return images

    def _findings(self, probabilities: Floats) -> list[Finding]:
        found = []
        for name, p in zip(NAMES, probabilities.tolist(), strict=True):
            present = p >= self._options.threshold
            found.append(Finding(name, present, round(p if present else 1 - p, 4)))
        return found
