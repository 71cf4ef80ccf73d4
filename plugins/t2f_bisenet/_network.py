"""facexlib's BiSeNet as used here: only the finest of its three outputs, from colours of 0 to 1."""

# mypy: disable-error-code="no-any-return, no-untyped-call"
# torch's modules are Any when they are called.

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from facexlib.parsing.bisenet import BiSeNet
from torch import Tensor, nn
from torch.nn import functional

from text2face_core.models import load_weights

from ._classes import CLASSES

if TYPE_CHECKING:
    from pathlib import Path

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, as the network was trained."""


class Scores(nn.Module):
    """A score for each class and pixel. The two coarser outputs, which only help training, are not computed."""

    def __init__(self, net: BiSeNet) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(MEAN).reshape(3, 1, 1))
        self.register_buffer("spread", torch.tensor(SPREAD).reshape(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float RGB, 0 to 1, to scores (N, 19, H, W), bilinear between every eighth pixel."""
        fine, coarse, _ = self.net.cp((images - self.mean) / self.spread)
        scores, _ = self.net.conv_out(self.net.ffm(fine, coarse))
        return functional.interpolate(scores, images.shape[2:], mode="bilinear", align_corners=True)


class Labels(nn.Module):
    """Only the class of the largest score: an accelerator then returns a single number per pixel instead of 19."""

    def __init__(self, scores: Scores) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 1, H, W)."""
        return self.scores(images).argmax(dim=1, keepdim=True)


def load(weights: Path, *, labels: bool) -> nn.Module:
    """Load `Scores`, or `Labels` if only labels are wanted, on the CPU in float32.

    Raises ArtifactError if the file does not hold exactly the network's tensors.
    """
    scores = Scores(load_weights(lambda: BiSeNet(len(CLASSES)), weights, what="BiSeNet with 19 classes"))
    return Labels(scores) if labels else scores
