"""The paper's models as their public packages offer them: one photo after the other, in torch.

Each way is a function of portraits that does what `analysis.py` compares with: from pixels to answers, models built
before. Where a package would fetch files at import or insists on a GPU, it is kept from that.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
from PIL import Image

from text2face_core import Portrait

Way = Callable[[list[Portrait]], object]


def build(model: str, folder: Path) -> Way:
    """The public way of one model, with the random weights in `folder`."""
    import torch

    makers: dict[str, Callable[[Path], Callable[[Portrait], Any]]] = {
        "retinaface": _retinaface,
        "clip": _clip,
        "farl.attributes": _farl_attributes,
        "farl.parsing": _farl_parsing,
        "resmasknet": _resmasknet,
        "deepface": _deepface,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = makers[model](folder)

    def way(portraits: list[Portrait]) -> list[Any]:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [one(portrait) for portrait in portraits]

    return way


def flops(model: str, side: int) -> float:
    """Multiplications and additions of one photo, of the models made of convolutions; 0 for the others."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    if model == "retinaface":
        network, images, times = _retinaface_network(), torch.empty(1, 3, side, side, device="meta"), 1
    elif model == "resmasknet":
        network, images, times = _rmn_network(), torch.empty(1, 3, 224, 224, device="meta"), 1
    elif model == "deepface":
        from t2f_deepface._trunk import Classifier

        network, images, times = Classifier(101), torch.empty(1, 224, 224, 3, device="meta"), 3
    else:
        return 0.0
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval().to("meta")(images)
    return times * float(counter.get_total_flops())


def _crop(portrait: Portrait, scale: float = 1.0) -> np.ndarray:
    """The box, `scale` times as large, cut out as one does with plain slices."""
    x0, y0, x1, y1 = portrait.face.box
    x, y, w, h = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) * scale / 2, (y1 - y0) * scale / 2
    left, top, right, bottom = (max(0, int(one)) for one in (x - w, y - h, x + w, y + h))
    return portrait.photo.pixels[top:bottom, left:right]


def _retinaface_network() -> Any:
    from facexlib.detection.retinaface import RetinaFace

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RetinaFace("resnet50", device="cpu")


def _retinaface(folder: Path) -> Callable[[Portrait], Any]:
    import torch

    network = _retinaface_network()
    state = torch.load(folder / "retinaface_Resnet50_Final.pth", weights_only=True)
    network.load_state_dict({name.removeprefix("module."): one for name, one in state.items()})
    return lambda portrait: network.detect_faces(np.ascontiguousarray(portrait.photo.pixels[..., ::-1]), 0.97)


def _clip(folder: Path) -> Callable[[Portrait], Any]:
    import open_clip

    model, _, prepare = open_clip.create_model_and_transforms(
        "ViT-B-32", pretrained=str(folder / "clip-ViT-B-32.safetensors")
    )
    model.eval()

    def one(portrait: Portrait) -> Any:
        views = (portrait.photo.pixels, _crop(portrait, 1.3))
        return [model.encode_image(prepare(Image.fromarray(view))[None], normalize=True) for view in views]

    return one


def _facer_faces(portrait: Portrait) -> tuple[Any, dict[str, Any]]:
    import torch

    images = torch.from_numpy(portrait.photo.pixels.copy()).permute(2, 0, 1)[None]
    faces = {
        "image_ids": torch.zeros(1, dtype=torch.long),
        "points": torch.from_numpy(portrait.face.landmarks)[None],
        "rects": torch.from_numpy(portrait.face.box)[None],
    }
    return images, faces


def _farl_attributes(folder: Path) -> Callable[[Portrait], Any]:
    import facer
    import torch

    with mock.patch.object(torch.nn.Module, "cuda", lambda self, *_: self):  # its constructor insists on a GPU
        network = facer.face_attr(
            "farl/celeba/224", device="cpu", model_path=str(folder / "face_attribute.farl.celeba.pt")
        )
    return lambda portrait: network(*_facer_faces(portrait))["attrs"]


def _farl_parsing(folder: Path) -> Callable[[Portrait], Any]:
    import facer

    parser = facer.face_parser("farl/lapa/448", device="cpu", model_path=str(folder / "face_parsing.farl.lapa.pt"))
    return lambda portrait: parser(*_facer_faces(portrait))["seg"]["logits"].argmax(1)


def _rmn_network() -> Any:
    """rmn's network without rmn, which fetches files when it is imported."""
    package, utils = types.ModuleType("rmn_models"), types.ModuleType("rmn_models.utils")
    spec = importlib.util.find_spec("rmn")  # finds, but does not import
    package.__path__ = [str(Path(folder) / "models") for folder in spec.submodule_search_locations]
    utils.load_state_dict_from_url = None
    sys.modules |= {"rmn_models": package, "rmn_models.utils": utils}
    module = importlib.import_module("rmn_models.resmasking")
    return module.resmasking_dropout1(in_channels=3, num_classes=7)


def _resmasknet(folder: Path) -> Callable[[Portrait], Any]:
    import torch

    network = _rmn_network().eval()
    network.load_state_dict(torch.load(folder / "ResMaskNet_Z_resmasking_dropout1_rot30.pth", weights_only=True)["net"])

    def one(portrait: Portrait) -> Any:
        gray = cv2.cvtColor(_crop(portrait, 1.1), cv2.COLOR_RGB2GRAY)
        image = cv2.resize(np.dstack([gray] * 3), (224, 224)).astype(np.float32) / 255
        return network(torch.from_numpy(image).permute(2, 0, 1)[None]).softmax(1)

    return one


def _deepface(folder: Path) -> Callable[[Portrait], Any]:
    """DeepFace's clients as it chooses them where torch is installed."""
    home = Path(tempfile.mkdtemp())
    (home / ".deepface").mkdir()
    (home / ".deepface" / "weights").symlink_to(folder.resolve())
    os.environ["DEEPFACE_HOME"] = str(home)
    modeling = importlib.import_module("deepface.modules.modeling")
    preprocessing = importlib.import_module("deepface.modules.preprocessing")
    clients = [modeling.build_model(task="facial_attribute", model_name=name) for name in ("Age", "Gender", "Race")]

    def one(portrait: Portrait) -> Any:
        image = preprocessing.resize_image(_crop(portrait)[..., ::-1] / 255, (224, 224))
        return [client.predict(image) for client in clients]

    return one
