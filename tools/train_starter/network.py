"""The starter's network: a small residual encoder, a feature-pyramid decoder for regions, a pooled head for figures."""

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 40, 80, 160)
BLOCKS = (1, 2, 2, 2)
NECK = 32


class Conv(nn.Sequential):
    """Convolution, batch norm, ReLU unless `plain`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, plain: bool = False) -> None:
        layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
        super().__init__(*layers, *([] if plain else [nn.ReLU()]))


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.deep = nn.Sequential(Conv(inputs, outputs, 3, stride), Conv(outputs, outputs, plain=True))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else Conv(inputs, outputs, 1, stride, plain=True)

    def forward(self, x: Tensor) -> Tensor:
        """Halves height and width where the stride is 2."""
        return functional.relu(self.deep(x) + self.shortcut(x))


class Starter(nn.Module):
    """(N, 3, S, S) float RGB in -1 … 1 to region scores (N, regions, S, S) and figures' logits (N, figures).

    S: a multiple of 16. The encoder works at a half to a sixteenth of S; the decoder ends at a half, and its last
    convolution gives each cell's four pixels, so that eyes and lips do not fall between cells.
    """

    def __init__(self, regions: int, figures: int) -> None:
        super().__init__()
        self.stem = Conv(3, WIDTHS[0], 3, 2)
        stages = []
        inputs = WIDTHS[0]
        for n, (width, blocks) in enumerate(zip(WIDTHS, BLOCKS, strict=True)):
            first = Block(inputs, width, 1 if n == 0 else 2)
            stages.append(nn.Sequential(first, *(Block(width, width) for _ in range(blocks - 1))))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.context = Conv(WIDTHS[-1], NECK, 1)
        self.lateral = nn.ModuleList(nn.Conv2d(width, NECK, 1) for width in WIDTHS)
        self.smooth = nn.ModuleList(Conv(NECK, NECK) for _ in WIDTHS[1:])
        self.regions = nn.Conv2d(NECK, regions * 4, 3, padding=1)
        self.head = nn.Sequential(
            nn.Linear(WIDTHS[-1] + WIDTHS[-2] + NECK, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, figures)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of each pixel and logits of each figure."""
        x = self.stem(x)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        whole = x.mean((2, 3), keepdim=True)
        y = self.lateral[-1](x) + self.context(whole)
        for n in (2, 1, 0):
            y = self.smooth[n](functional.interpolate(y, scale_factor=2.0) + self.lateral[n](levels[n]))
        scores = functional.pixel_shuffle(self.regions(y), 2)
        seen = torch.cat([whole, levels[-2].mean((2, 3), keepdim=True), y.amax((2, 3), keepdim=True)], 1)
        return scores, self.head(seen.flatten(1))
