"""Files of the paper's models with random weights in the form of the real ones, under the names that the store gives.

For tests and benchmarks: the numbers that come out mean nothing, the work that goes in is the real models'. RetinaFace
is made to see faces in every photo, in whatever place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

VGG_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
DEEPFACE = {
    "deepface.age_weights": ("age_model_weights", 101),
    "deepface.gender_weights": ("gender_model_weights", 2),
    "deepface.ethnicity_weights": ("race_model_single_batch", 6),
}
# Where a face has its landmarks, in units of its box's side from the box's middle.
LANDMARKS = ((-0.2, -0.15), (0.2, -0.15), (0.0, 0.05), (-0.15, 0.25), (0.15, 0.25))


def write_retinaface(path: Path) -> None:
    """RetinaFace with a ResNet-50. The best of its boxes is about as large as the largest anchor."""
    import torch
    from facexlib.detection.retinaface import RetinaFace

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = RetinaFace("resnet50", device="cpu")
    with torch.no_grad():
        for level in range(3):
            network.ClassHead[level].conv1x1.bias.copy_(torch.tensor([4.0, -4.0] * 2))
            for head in (network.ClassHead, network.BboxHead, network.LandmarkHead):
                head[level].conv1x1.weight.mul_(0.001)
            network.BboxHead[level].conv1x1.bias.zero_()
            # Offsets are in tenths of the anchor's side.
            network.LandmarkHead[level].conv1x1.bias.copy_(torch.tensor(LANDMARKS).flatten().repeat(2) * 10)
        # The anchors of 512 pixels are the second of each cell's two on the last level.
        network.ClassHead[2].conv1x1.bias.copy_(torch.tensor([4.0, -4.0, -4.0, 4.0]))
    torch.save({f"module.{name}": one for name, one in network.state_dict().items()}, path)


def write_clip(path: Path, architecture: str = "ViT-B-32") -> None:
    """An open_clip checkpoint."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(architecture)
    save_file({name: one.contiguous() for name, one in model.state_dict().items()}, path)


def write_farl_attributes(path: Path) -> None:
    """FaRL's attribute network, a plain table of tensors."""
    import torch
    from t2f_farl._attribute_network import AttributeNetwork

    torch.save(_filled(AttributeNetwork), path)


def write_resmasknet(path: Path) -> None:
    """ResMaskNet, under the key "net" as its trainer left it."""
    import torch
    from t2f_resmasknet._network import ResidualMaskingNetwork

    torch.manual_seed(0)
    torch.save({"net": ResidualMaskingNetwork().state_dict()}, path)  # some tensors have two names


def write_deepface(path: Path, *, torch_too: bool = False) -> None:
    """One of DeepFace's three networks as .onnx, beside it as .pth if wanted: VGG-Face with another last layer each."""
    classes = dict(DEEPFACE.values())[path.stem]
    tensors = _vgg_face(classes, seed=classes)
    _write_vgg_onnx(path, tensors)
    if torch_too:
        import torch

        torch.save({key: torch.from_numpy(one) for key, one in tensors.items()}, path.with_suffix(".pth"))


def write_parser(path: Path, classes: int, width: int = 768, layers: int = 12) -> None:
    """A parser: the image half of CLIP ViT-B/16 at 448 pixels, and UPerNet's head on a pyramid of it. Two outputs."""
    import torch

    torch.manual_seed(classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network, example = _parser(classes, width, layers).eval(), torch.rand(2, 3, 448, 448)
        traced = torch.jit.trace(network, example, check_trace=False)
        torch.jit.save(traced, str(path))


def write_all(folder: Path, *, small_parsers: bool = False, torch_too: bool = False) -> list[str]:
    """Every file of the recipe "paper" that is not in the folder yet. Returns the settings that name them."""
    small = {"width": 32, "layers": 1} if small_parsers else {}
    folder.mkdir(parents=True, exist_ok=True)
    makers: dict[str, tuple[str, Callable[[Path], None]]] = {
        "retinaface.weights": ("retinaface_Resnet50_Final.pth", write_retinaface),
        "clip.real.weights": ("clip-ViT-B-32.safetensors", write_clip),
        "clip.mouth.weights": ("clip-ViT-B-32.safetensors", write_clip),
        "farl.attributes.weights": ("face_attribute.farl.celeba.pt", write_farl_attributes),
        "farl.parsing.lapa_weights": ("face_parsing.farl.lapa.pt", lambda path: write_parser(path, 11, **small)),
        "farl.parsing.celebm_weights": ("face_parsing.farl.celebm.pt", lambda path: write_parser(path, 19, **small)),
        "resmasknet.weights": ("ResMaskNet_Z_resmasking_dropout1_rot30.pth", write_resmasknet),
    }
    for setting, (name, _) in DEEPFACE.items():
        makers[setting] = (f"{name}.onnx", lambda path: write_deepface(path, torch_too=torch_too))
    for name, make in makers.values():
        if not (folder / name).exists():
            make(folder / name)
    return [f"{setting}={folder / name}" for setting, (name, _) in makers.items()]


def _filled(make: Any) -> dict[str, Any]:
    """Tensors for a network: small random ones, and what keeps normalisation tame."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        wanted = make().state_dict()

    def fill(name: str, like: Any) -> Any:
        if not like.dtype.is_floating_point:
            return torch.zeros(like.shape, dtype=like.dtype)
        if name.endswith("running_var") or (like.ndim == 1 and name.endswith("weight")):
            return torch.ones(like.shape)
        if like.ndim < 2:
            return torch.zeros(like.shape)
        fan = like[0].numel() if like.ndim > 1 else 1
        return torch.randn(like.shape, generator=generator) * fan**-0.5

    return {name: fill(name, like) for name, like in wanted.items()}


def _vgg_face(classes: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}

    def layer(name: str, inputs: int, outputs: int, side: int) -> int:
        spread = np.float32((2 / (inputs * side * side)) ** 0.5)
        tensors[f"{name}.weight"] = random.standard_normal((outputs, inputs, side, side), np.float32) * spread
        tensors[f"{name}.bias"] = np.zeros(outputs, np.float32)
        return outputs

    channels = 3
    for block, widths in enumerate(VGG_WIDTHS, 1):
        for number, width in enumerate(widths, 1):
            channels = layer(f"backbone.conv{block}_{number}", channels, width, 3)
    channels = layer("backbone.fc7", layer("backbone.fc6", channels, 4096, 7), 4096, 1)
    layer("predictions", channels, classes, 1)
    return tensors


def _write_vgg_onnx(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """The graph that DeepFace publishes: channels last go in, probabilities come out."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2])]
    last = "planes"

    def convolve(name: str, padding: int, *, then: Sequence[str]) -> None:
        nonlocal last
        side = tensors[f"{name}.weight"].shape[-1]
        inputs = [last, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", inputs, [name], kernel_shape=[side] * 2, pads=[padding] * 4))
        last = name
        for step in then:
            options = {"kernel_shape": [2, 2], "strides": [2, 2]} if step == "MaxPool" else {}
            nodes.append(helper.make_node(step, [last], [f"{name}.{step}"], **options))
            last = f"{name}.{step}"

    for block, widths in enumerate(VGG_WIDTHS, 1):
        for number in range(1, len(widths) + 1):
            pooled = ("Relu", "MaxPool") if number == len(widths) else ("Relu",)
            convolve(f"backbone.conv{block}_{number}", 1, then=pooled)
    convolve("backbone.fc6", 0, then=("Relu",))
    convolve("backbone.fc7", 0, then=("Relu",))
    convolve("predictions", 0, then=("Flatten",))
    nodes.append(helper.make_node("Softmax", [last], ["output"], axis=1))
    graph = helper.make_graph(
        nodes,
        "vgg_face",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 224, 224, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", len(tensors["predictions.bias"])])],
        [numpy_helper.from_array(one, name) for name, one in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


def _parser(classes: int, width: int, layers: int) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    def convolve(inputs: int, outputs: int, side: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    def doubled(x: Any, like: Any) -> Any:
        return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
            self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            heads = (3, max(1, width // 64), -1)
            query, key, value = self.project(self.before(x)).unflatten(-1, heads).permute(2, 0, 3, 1, 4).unbind()
            seen = (query @ key.transpose(-1, -2) / 8).softmax(dim=-1) @ value
            x = x + self.out(seen.transpose(1, 2).flatten(2))
            y = self.widen(self.between(x))
            return x + self.narrow(y * torch.sigmoid(1.702 * y))

    class Parser(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, width, 16, 16)
            self.places = nn.Parameter(torch.randn(1, 784, width) * 0.02)
            self.layers = nn.ModuleList([Layer() for _ in range(layers)])
            up = [nn.ConvTranspose2d(width, width, 2, 2) for _ in range(3)]
            steps = [nn.Sequential(up[0], nn.BatchNorm2d(width), nn.GELU(), up[1]), up[2], nn.Identity()]
            self.pyramid = nn.ModuleList([*steps, nn.MaxPool2d(2)])
            self.pools = nn.ModuleList(
                [nn.Sequential(nn.AdaptiveAvgPool2d(side), convolve(width, width, 1)) for side in (1, 2, 3, 6)]
            )
            self.bottom = convolve(5 * width, width, 3)
            self.across = nn.ModuleList([convolve(width, width, 1) for _ in range(3)])
            self.smooth = nn.ModuleList([convolve(width, width, 3) for _ in range(3)])
            self.fuse = convolve(4 * width, width, 3)
            self.classify = nn.Conv2d(width, classes, 1)

        def forward(self, images: Any) -> Any:
            x = self.patches(images * 4 - 2).flatten(2).transpose(1, 2) + self.places
            tapped = []
            for number, layer in enumerate(self.layers):
                x = layer(x)
                if (number + 1) % max(1, layers // 4) == 0:
                    tapped.append(x.transpose(1, 2).unflatten(2, (28, 28)))
            tapped = (tapped * 4)[:4]
            levels = [step(one) for step, one in zip(self.pyramid, tapped, strict=True)]
            deep = levels[3]
            bottom = self.bottom(torch.cat([deep, *(doubled(pool(deep), deep) for pool in self.pools)], dim=1))
            found = [across(one) for across, one in zip(self.across, levels[:3], strict=True)] + [bottom]
            for number in (2, 1, 0):
                found[number] = found[number] + doubled(found[number + 1], found[number])
            out = [smooth(one) for smooth, one in zip(self.smooth, found[:3], strict=True)] + [found[3]]
            fused = self.fuse(torch.cat([out[0], *(doubled(one, out[0]) for one in out[1:])], dim=1))
            logits = doubled(self.classify(fused), images)
            return logits, fused.mean()

    return Parser()
