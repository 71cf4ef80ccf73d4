"""The residual masking network: ResNet-34 whose four stages are each weighed by a small U-Net.

Pham et al., "Facial Expression Recognition Using Residual Masking Network", ICPR 2020. Tensors are called as in the
public file, which names some of them twice.
"""

# mypy: disable-error-code="no-any-return, no-untyped-call"
# torch's modules are Any when they are called.

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = ((3, 4), (4, 3), (6, 2), (3, 1))
"""Blocks of each stage, and the depth of its mask; each has twice the channels of the one before."""


def project(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A shortcut between different numbers of channels."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """ResNet's basic block: two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(shortcut + self.bn2(self.conv2(y)))


class Mask(nn.Module):
    """A U-Net of `depth` levels that says, of each place, how its features share one unit of weight.

    Blocks 1 to depth lead down, each with twice the channels of the one before; blocks depth + 1 to 2 depth lead up.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.depth = depth
        down = [(channels << level, channels << (level + 1)) for level in range(depth)]
        for number, (inputs, outputs) in enumerate([*down, *((wide, slim) for slim, wide in reversed(down))], start=1):
            shortcut = project(inputs, outputs)
            setattr(self, f"downsample{number}", shortcut)  # the public file names a block's shortcut here, too
            if depth < number < 2 * depth:
                up = nn.ConvTranspose2d(inputs, outputs, 2, 2)
                setattr(self, f"up_pool{number}", nn.Sequential(up, nn.BatchNorm2d(outputs), nn.ReLU()))
            setattr(self, f"conv{number}", Block(inputs, outputs, downsample=shortcut))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to weights of the same shape, which add up to 1 over the channels."""
        passed: list[Tensor] = []
        for number in range(1, self.depth + 1):
            x = getattr(self, f"conv{number}")(functional.max_pool2d(x, 2) if passed else x)
            passed.append(x)
        for number in range(self.depth + 1, 2 * self.depth):
            x = getattr(self, f"up_pool{number}")(x)
            x = getattr(self, f"conv{number}")(torch.cat([x, passed[2 * self.depth - number - 1]], dim=1))
        return getattr(self, f"conv{2 * self.depth}")(x).softmax(dim=1)


class ResidualMaskingNetwork(nn.Module):
    """Logits of emotions. width: channels of the first stage."""

    def __init__(self, emotions: int = 7, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for number, (blocks, depth) in enumerate(STAGES, start=1):
            channels, stride = width << (number - 1), 1 if number == 1 else 2
            first = Block(inputs, channels, stride, project(inputs, channels, stride) if stride > 1 else None)
            rest = [Block(channels, channels) for _ in range(blocks - 1)]
            setattr(self, f"layer{number}", nn.Sequential(first, *rest))
            setattr(self, f"mask{number}", Mask(channels, depth))
            inputs = channels
        self.fc = nn.Sequential(nn.Dropout(0.4), nn.Linear(inputs, emotions))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 224, 224) float, 0 to 1, three times the same gray, to logits (N, emotions)."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(images))), 3, 2, 1)
        for number in range(1, len(STAGES) + 1):
            x = getattr(self, f"layer{number}")(x)
            x = x * (1 + getattr(self, f"mask{number}")(x))
        return self.fc(x.mean(dim=(2, 3)))
