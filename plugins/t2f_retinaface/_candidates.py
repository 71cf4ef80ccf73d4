"""From the network's three outputs to faces in the pixels of what it was shown."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

CELLS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
"""Side of a cell at each of the three levels, and the sides of the two square priors in its middle; pixels."""

CENTRE_VARIANCE = 0.1
SIZE_VARIANCE = 0.2

Found = npt.NDArray[np.float32]
"""(N, 15) float32, best first: box x0 y0 x1 y1, five points x y, score."""

BOX, POINTS, SCORE = slice(0, 4), slice(4, 14), 14


@functools.lru_cache(maxsize=64)
def priors(width: int, height: int) -> Floats:
    """(P, 3) float32: centre x, centre y and side of every prior, pixels, in the order of the network's outputs.

    >>> len(priors(640, 640))
    16800
    """
    levels = []
    for cell, sides in CELLS:
        y, x = np.mgrid[: -(-height // cell), : -(-width // cell)]
        centres = (np.stack([x, y], axis=-1).reshape(-1, 1, 2) + 0.5) * cell
        both = np.broadcast_to(np.array(sides).reshape(1, 2, 1), (len(centres), 2, 1))
        levels.append(np.concatenate([centres.repeat(2, axis=1), both], axis=-1).reshape(-1, 3))
    made = np.concatenate(levels).astype(np.float32)
    made.flags.writeable = False  # it is shared
    return made


def decode(prior: Floats, boxes: Floats, landmarks: Floats) -> tuple[Floats, Floats]:
    """Boxes (N, 4) as corners and landmarks (N, 5, 2), pixels, from deltas (N, 4) and (N, 10) to N priors (N, 3)."""
    centres, sides = prior[:, :2], prior[:, 2:]
    middles = centres + CENTRE_VARIANCE * boxes[:, :2] * sides
    halves = sides * np.exp(SIZE_VARIANCE * boxes[:, 2:]) / 2
    points = centres[:, None] + CENTRE_VARIANCE * landmarks.reshape(-1, 5, 2) * sides[:, None]
    return np.concatenate([middles - halves, middles + halves], axis=1), points


def candidates(
    prior: Floats, boxes: Floats, scores: Floats, landmarks: Floats, *, score: float, iou: float, top_k: int
) -> Found:
    """The faces among all priors: those that score enough, the best of each heap of overlapping boxes.

    boxes (P, 4), scores (P,), landmarks (P, 10): a photo's outputs. At most `top_k` are compared with each other.
    """
    import torch
    from torchvision.ops import nms

    chosen = np.flatnonzero(scores > score)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")][:top_k]
    corners, points = decode(prior[chosen], boxes[chosen], landmarks[chosen])
    best = scores[chosen]
    kept = nms(torch.from_numpy(corners), torch.from_numpy(best), iou).numpy()
    return np.concatenate([corners[kept], points[kept].reshape(-1, 10), best[kept, None]], axis=1)
