"""Even out regions that are predicted too often or too rarely: python -m tools.train_starter.balance WORK.

Rare regions weigh more in training, which helps to learn them but predicts them too often. On the faces held back,
an offset for each region's score is sought that gives the highest mean overlap; `export` adds what is left in
WORK/offsets.npy, (regions,) float32.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from text2face_core.images import Region

from .cache import OUTSIDE
from .export import load
from .train import Faces

STEPS = (0.6, 0.3, 0.15)
APART = 2
"""Every second pixel of every second row is enough."""


def overlaps(scores: Tensor, regions: Tensor, offsets: Tensor) -> float:
    """Mean intersection over union; scores (N, R, H, W), regions (N, H, W), offsets (R,)."""
    known, count = regions != OUTSIDE, len(Region)
    seen = (scores + offsets[:, None, None]).argmax(1)
    table = torch.bincount(regions[known] * count + seen[known], minlength=count**2).reshape(count, count)
    return float((table.diagonal() / (table.sum(0) + table.sum(1) - table.diagonal()).clamp(min=1)).mean())


def climb(scores: Tensor, regions: Tensor) -> Tensor:
    """(R,) offsets, moved in turn, in ever smaller steps, while that helps; the background's stays 0."""
    offsets = torch.zeros(len(Region))
    best = overlaps(scores, regions, offsets)
    for step in STEPS:
        for region in range(1, len(Region)):
            for move in (step, -step):
                while True:
                    tried = offsets.clone()
                    tried[region] += move
                    found = overlaps(scores, regions, tried)
                    if found <= best + 1e-5:
                        break
                    offsets, best = tried, found
    return offsets


@torch.no_grad()
def main() -> None:
    """Seek and leave the offsets."""
    parser = argparse.ArgumentParser(description="Even out the regions.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    work = parser.parse_args().work
    faces, network = Faces(work / "cache"), load(work / "checkpoint.pt")
    scores, regions = [], []
    for start in range(0, len(faces.check), 32):
        pixels, truth, _ = faces.batch(faces.check[start : start + 32], None)
        scores.append(network(pixels)[0][:, :, ::APART, ::APART].contiguous())
        regions.append(truth[:, ::APART, ::APART])
    seen, truth = torch.cat(scores), torch.cat(regions)
    offsets = climb(seen, truth)
    np.save(work / "offsets.npy", offsets.numpy())
    before, after = overlaps(seen, truth, torch.zeros(len(Region))), overlaps(seen, truth, offsets)
    said = " ".join(f"{region.name.lower()} {offsets[region]:+.2f}" for region in Region)
    print(f"mean IoU {before:.3f}, with offsets {after:.3f}: {said}")


if __name__ == "__main__":
    main()
