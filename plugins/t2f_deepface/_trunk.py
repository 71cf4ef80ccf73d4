"""DeepFace's classifiers in torch: VGG-16 (Simonyan and Zisserman, ICLR 2015) with its dense layers as convolutions.

Layers are named as in DeepFace's .pth files.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class Trunk(nn.Module):
    """(N, 3, 224, 224) to (N, 4096, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        before = 3
        for block, widths in enumerate(WIDTHS, 1):
            for number, width in enumerate(widths, 1):
                self.add_module(f"conv{block}_{number}", nn.Conv2d(before, width, 3, padding=1))
                before = width
        self.fc6 = nn.Conv2d(before, 4096, 7)
        self.fc7 = nn.Conv2d(4096, 4096, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The features that classifiers are fed with."""
        for block, widths in enumerate(WIDTHS, 1):
            for number in range(1, len(widths) + 1):
                x = torch.relu(self.get_submodule(f"conv{block}_{number}")(x))
            x = nn.functional.max_pool2d(x, 2)
        return torch.relu(self.fc7(torch.relu(self.fc6(x))))


class Classifier(nn.Module):
    """(N, 224, 224, 3) BGR in [0, 1] to (N, classes) probabilities, as DeepFace's .onnx files do it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = Trunk()
        self.predictions = nn.Conv2d(4096, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Probabilities; the softmax is part of the network."""
        scores: Any = self.predictions(self.backbone(x.permute(0, 3, 1, 2)))
        return scores.flatten(1).softmax(dim=1)
