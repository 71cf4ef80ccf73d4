"""RetinaFace as a torch module, made of facexlib's network classes so that the public files load unchanged."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch
from facexlib.detection.retinaface_net import FPN, SSH, MobileNetV1, make_bbox_head, make_class_head, make_landmark_head
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models._utils import IntermediateLayerGetter

from text2face_core.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from . import Backbone

TAPS: dict[Backbone, tuple[str, str, str]] = {
    "resnet50": ("layer2", "layer3", "layer4"),
    "mobilenet0.25": ("stage1", "stage2", "stage3"),
}
"""The layers of each backbone that see 8, 16 and 32 pixels as one cell."""

TAPPED: dict[Backbone, tuple[int, int, int]] = {"resnet50": (512, 1024, 2048), "mobilenet0.25": (64, 128, 256)}
WIDTH: dict[Backbone, int] = {"resnet50": 256, "mobilenet0.25": 64}
"""Channels of the layers tapped, and of the pyramid and the heads."""


class RetinaFaceNet(nn.Module):
    """Three outputs for every prior: what moves its box, how likely it is a face, what moves its landmarks.

    Attributes are called as in the public files. facexlib's own class of this name cannot be taken: it asks torchvision
    for a backbone in words that torchvision warns of, and puts itself on a GPU unless configured otherwise.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        trunk = resnet50(weights=None) if backbone == "resnet50" else MobileNetV1()
        width = WIDTH[backbone]
        self.body = IntermediateLayerGetter(trunk, {layer: layer for layer in TAPS[backbone]})
        self.fpn = FPN(list(TAPPED[backbone]), width)
        self.ssh1, self.ssh2, self.ssh3 = (SSH(width, width) for _ in range(3))
        self.ClassHead = make_class_head(fpn_num=3, inchannels=width)
        self.BboxHead = make_bbox_head(fpn_num=3, inchannels=width)
        self.LandmarkHead = make_landmark_head(fpn_num=3, inchannels=width)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Deltas (N, P, 4), probabilities of a face (N, P) and deltas of landmarks (N, P, 10), for P priors.

        images: (N, 3, H, W) float, 0 to 255 less the means; H and W multiples of 32.
        """
        levels = self.fpn(list(self.body(images).values()))
        features = [ssh(level) for ssh, level in zip((self.ssh1, self.ssh2, self.ssh3), levels, strict=True)]
        boxes, classes, landmarks = (
            torch.cat([head(feature) for head, feature in zip(heads, features, strict=True)], dim=1)
            for heads in (self.BboxHead, self.ClassHead, self.LandmarkHead)
        )
        return boxes, classes.softmax(dim=-1)[..., 1], landmarks


def load_network(backbone: Backbone, weights: Path) -> RetinaFaceNet:
    """The network with the weights of a public `.pth` file, ready to be used, on the CPU in float32.

    Raises ArtifactError if the file does not hold tensors, or not those of this backbone.
    """
    network = RetinaFaceNet(backbone)
    try:
        network.load_state_dict(read_tensors(weights))
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ArtifactError(f"{weights} does not hold the weights of RetinaFace with {backbone}: {reason}") from error
    network.eval().requires_grad_(requires_grad=False)
    return network


def read_tensors(weights: Path) -> Mapping[str, Tensor]:
    """The file's tensors by name, less the "module." that training on several GPUs puts before each."""
    found: Any = torch.load(weights, map_location="cpu", weights_only=True)
    return {name.removeprefix("module."): tensor for name, tensor in found.items()}
