"""What the steps leave for each other in the folder of a training."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

SHAPES = [
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen",
    "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight",
    "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft",
    "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
]  # fmt: skip
"""The face landmarker's blendshapes in the order in which they are stored: by name."""


def blendshape(figures: npt.NDArray[np.float32], name: str) -> float:
    """One figure of a face by its name."""
    return float(figures[SHAPES.index(name)])


def stored_labels(work: Path, seeds: range | None = None) -> Iterator[tuple[int, Mapping[str, np.ndarray]]]:
    """(seed, labels) of each labelled face in order of the seeds; faces that the teachers left out are passed over."""
    for path in sorted((work / "labels").glob("*.npz"), key=lambda path: int(path.stem)):
        seed = int(path.stem)
        if seeds is None or seed in seeds:
            with np.load(path) as labels:
                if "classes" in labels:
                    yield seed, dict(labels)
