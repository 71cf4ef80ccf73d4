"""The teacher of face regions: BiSeNet on ResNet-18, 19 classes, 512 px, rewritten to load the published weights.

Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation", ECCV 2018. Only the context
path is used, as in face-parsing.PyTorch, where the weights `79999_iter.pth` (trained on CelebAMask-HQ) come from.
"""

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

SHA256 = "468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567"

CLASSES = (
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r",
    "nose", "mouth", "u_lip", "l_lip", "neck", "neck_l", "cloth", "hair", "hat",
)  # fmt: skip


class ConvBNReLU(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        return functional.relu(self.bn(self.conv(x)))


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Halves height and width where the stride is 2."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.downsample(x) + self.bn2(self.conv2(y)))


class ResNet18(nn.Module):
    """The backbone, without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        widths = (64, 64, 128, 256, 512)
        for n in range(1, 5):
            first = BasicBlock(widths[n - 1], widths[n], 1 if n == 1 else 2)
            setattr(self, f"layer{n}", nn.Sequential(first, BasicBlock(widths[n], widths[n], 1)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at an eighth, a sixteenth and a thirty-second of the input's size."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    """Weighs channels by what the whole picture holds."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(inputs, outputs)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        x = self.conv(x)
        return x * torch.sigmoid(self.bn_atten(self.conv_atten(x.mean((2, 3), keepdim=True))))


class ContextPath(nn.Module):
    """Backbone and two refinements."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()
        self.arm16 = AttentionRefinement(256, 128)
        self.arm32 = AttentionRefinement(512, 128)
        self.conv_head32 = ConvBNReLU(128, 128)
        self.conv_head16 = ConvBNReLU(128, 128)
        self.conv_avg = ConvBNReLU(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Two feature maps at an eighth of the input's size, 128 channels each."""
        eighth, sixteenth, last = self.resnet(x)
        top = self.arm32(last) + self.conv_avg(last.mean((2, 3), keepdim=True))
        top = self.conv_head32(functional.interpolate(top, scale_factor=2.0))
        middle = self.arm16(sixteenth) + top
        return eighth, self.conv_head16(functional.interpolate(middle, scale_factor=2.0))


class FeatureFusion(nn.Module):
    """Joins both feature maps, with attention over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.convblk = ConvBNReLU(256, 256, 1)
        self.conv1 = nn.Conv2d(256, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 256, 1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Two maps of 128 channels to a map of 256."""
        x = self.convblk(torch.cat([fine, coarse], 1))
        weights = torch.sigmoid(self.conv2(functional.relu(self.conv1(x.mean((2, 3), keepdim=True)))))
        return x + x * weights


class Output(nn.Module):
    """Scores of the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = ConvBNReLU(256, 256)
        self.conv_out = nn.Conv2d(256, len(CLASSES), 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 256, H, W) to (N, 19, H, W)."""
        return self.conv_out(self.conv(x))


class BiSeNet(nn.Module):
    """(N, 3, 512, 512) float RGB, ImageNet-normalised, to class scores (N, 19, 512, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.cp = ContextPath()
        self.ffm = FeatureFusion()
        self.conv_out = Output()

    def forward(self, x: Tensor) -> Tensor:
        """Scores at the input's size."""
        scores = self.conv_out(self.ffm(*self.cp(x)))
        return functional.interpolate(scores, scale_factor=8.0, mode="bilinear", align_corners=True)


class Classes(nn.Module):
    """The teacher as it is used: (N, 512, 512, 3) uint8 RGB to the class of every second pixel, (N, 256, 256) uint8."""

    def __init__(self, net: BiSeNet) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]) * 255)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]) * 255)

    def forward(self, pixels: Tensor) -> Tensor:
        """The most likely class of each pixel."""
        x = (pixels.float() - self.mean) / self.std
        scores = self.net(x.permute(0, 3, 1, 2))
        return functional.avg_pool2d(scores, 2).argmax(1).to(torch.uint8)


def load(weights: Path) -> Classes:
    """The teacher with its published weights; refuses any other file."""
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{weights} is not the file wanted: its SHA-256 is {found}, not {SHA256}")
    net = BiSeNet()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    wanted = net.state_dict().keys()
    net.load_state_dict({name: value for name, value in state.items() if name in wanted}, strict=True)
    return Classes(net).eval()


def export(weights: Path, path: Path) -> None:
    """As ONNX, which runs twice as fast on processors."""
    example = torch.zeros(1, 512, 512, 3, dtype=torch.uint8)
    torch.onnx.export(
        load(weights), (example,), str(path), input_names=["pixels"], output_names=["classes"], dynamo=False
    )
