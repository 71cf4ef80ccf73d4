"""The network: a small residual trunk and a linear head for age, gender and race."""

from typing import NamedTuple

import torch
from t2f_people.signature import EDGES, LOOKS, RACES
from torch import Tensor, nn
from torch.nn import functional

STEM = 24
WIDTHS = (48, 96, 192)
BLOCKS = (2, 2, 3)
DROPOUT = 0.1
NARROWEST, WIDEST = 0.4, 12.0
"""Years: the logistic scale of an age is kept between them."""


class Outputs(NamedTuple):
    """What the network says of N faces.

    bands: (N, 9) logits of FairFace's age bands. centre, scale: (N,) of a logistic distribution over years.
    gender: (N,) logit of "male". race: (N, 7) logits in the order of RACES.
    """

    bands: Tensor
    centre: Tensor
    scale: Tensor
    gender: Tensor
    race: Tensor


class Conv(nn.Sequential):
    """Convolution, batch norm, ReLU unless `plain`."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, plain: bool = False) -> None:
        layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
        super().__init__(*layers, *([] if plain else [nn.ReLU()]))


class Block(nn.Module):
    """Two convolutions and a shortcut, which is averaged before it is projected where the stride is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.deep = nn.Sequential(Conv(inputs, outputs, 3, stride), Conv(outputs, outputs, plain=True))
        nn.init.zeros_(self.deep[1][1].weight)  # starts as the shortcut alone, which lets the rate be high at once
        shortcut: list[nn.Module] = [nn.AvgPool2d(2)] if stride == 2 else []
        if inputs != outputs:
            shortcut.append(Conv(inputs, outputs, 1, plain=True))
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """Halves height and width where the stride is 2."""
        return functional.relu(self.deep(x) + self.shortcut(x))


class People(nn.Module):
    """(N, 3, S, S) float RGB in -1 … 1 to `Outputs`. S: a multiple of 16."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [Conv(3, STEM, 3, 2)]
        inputs = STEM
        for width, blocks in zip(WIDTHS, BLOCKS, strict=True):
            layers += [Block(width if n else inputs, width, 1 if n else 2) for n in range(blocks)]
            inputs = width
        self.trunk = nn.Sequential(*layers)
        self.parts = (len(EDGES) - 1, 2, 1, len(RACES))
        self.head = nn.Linear(inputs, sum(self.parts))

    def forward(self, x: Tensor) -> Outputs:
        """Logits and years of each face."""
        return self.figures(self.trunk(x))

    def figures(self, top: Tensor) -> Outputs:
        """The same from the trunk's output."""
        seen = top.mean((2, 3))
        rows = self.head(functional.dropout(seen, DROPOUT, self.training)).float()
        bands, age, gender, race = rows.split(self.parts, dim=1)
        centre = 35 + 20 * age[:, 0]
        scale = (functional.softplus(age[:, 1] + 1) * 3 + NARROWEST).clamp(max=WIDEST)
        return Outputs(bands, centre, scale, gender[:, 0], race)


class Looks(nn.Linear):
    """Logits of LOOKS from the last two stages of the trunk, pooled so that chin, mouth and eyes stay apart.

    It is fitted on few labels, with the trunk as it is.
    """

    FEATURES = 9 * WIDTHS[1] + 4 * WIDTHS[2]

    def __init__(self) -> None:
        super().__init__(self.FEATURES, len(LOOKS))

    @staticmethod
    def features(trunk: nn.Sequential, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, FEATURES) and the trunk's output, of (N, 3, 80, 80)."""
        stage = 1 + BLOCKS[0] + BLOCKS[1]
        middle = trunk[:stage](x)
        top = trunk[stage:](middle)
        thirds, halves = functional.avg_pool2d(middle, 4, 3), functional.avg_pool2d(top, 3, 2)
        return torch.cat([thirds.flatten(1), halves.flatten(1)], 1), top


def count_parameters(network: nn.Module) -> int:
    """How many numbers it has learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def in_order_of_memory(network: nn.Module) -> nn.Module:
    """The network with weights laid out channels last, as the pixels are."""
    return network.to(memory_format=torch.channels_last)
