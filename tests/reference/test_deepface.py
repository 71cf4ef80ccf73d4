"""The DeepFace plugin against the package deepface, on networks of DeepFace's real shape with random weights."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import t2f_deepface
from PIL import Image
from support.paths import ROOT
from t2f_deepface import WEIGHTS, DeepFaceOptions
from t2f_deepface._crop import inputs

from text2face_core import Face, Photo, Portrait, Runtime
from text2face_core.models.store import ModelStore

pytestmark = pytest.mark.reference

EXAMPLES = sorted((ROOT / "examples" / "photos").glob("*.jpg"))


@pytest.fixture(scope="module")
def deepface(tmp_path_factory) -> Any:
    """Imports a module of deepface; its home, which it makes at import, is in a temporary folder."""
    home = tmp_path_factory.mktemp("home")
    (home / ".deepface" / "weights").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in (("HOME", home), ("DEEPFACE_HOME", home), ("DEEPFACE_BACKEND_ENGINE", "onnx")):
            patch.setenv(name, str(value))
        patch.setenv("DEEPFACE_ONNX_PROVIDERS", "cpu")
        pytest.importorskip("torch")
        pytest.importorskip("deepface.DeepFace", exc_type=ImportError)

        def module(name: str) -> Any:
            return importlib.import_module(f"deepface.{name}")

        module.weights = home / ".deepface" / "weights"
        yield module


@pytest.fixture(scope="module")
def portraits() -> list[Portrait]:
    """The examples, sizes as they are, with tilted faces of several shapes; one reaches past the photo."""
    found = []
    for number, path in enumerate(EXAMPLES):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        height, width = pixels.shape[:2]
        left, top = int((0.32 if number else -0.1) * width), int(0.2 * height)
        box = (left, top, left + int(0.38 * width), top + int((0.4 + 0.02 * number) * height))
        turn = np.deg2rad(4.0 * number - 22)
        middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        points = np.array([(-1, -1), (1, -1), (0, 0), (-0.7, 1), (0.7, 1)]) * (box[2] - box[0]) / 4
        spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        landmarks = np.round(points @ spin + middle).astype(np.float32)
        found.append(Portrait(Photo(path.stem, path.stem, pixels), Face(np.array(box, np.float32), landmarks, 0.9)))
    return found


@pytest.fixture(scope="module")
def age_files(deepface) -> Path:
    """DeepFace's age network with random weights, as its .pth and, exported from deepface's own class, as its .onnx."""
    import torch

    torch.manual_seed(0)
    network = deepface("models.demography.pytorch.Age").base_model().eval()
    with torch.no_grad():
        for weight in network.parameters():  # so that faces differ in the result, unlike with torch's own start
            if weight.ndim > 1:
                weight.mul_(2.2)

    class ChannelsLast(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: Any) -> Any:
            return self.network(images.permute(0, 3, 1, 2))

    torch.save(network.state_dict(), deepface.weights / "age_model_weights.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            ChannelsLast().eval(),
            (torch.rand(2, 224, 224, 3),),
            str(deepface.weights / "age_model_weights.onnx"),
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            external_data=False,
            verbose=False,
        )
    return deepface.weights


def one_by_one(deepface: Any, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and ages as deepface's own client gives them, one image after the other, ages not yet cut."""
    client = deepface("models.demography.onnx.Age").ApparentAgeClient()
    rows = np.stack([client._predict_internal(image[None]) for image in images])
    return rows, np.array([float(client.predict(image)) for image in images])


@pytest.mark.parametrize("backend", ["onnx", "torch", "package"])
def test_ages_are_those_of_deepface(deepface, age_files, portraits, tmp_path, backend):
    images = inputs(portraits)
    expected, ages = one_by_one(deepface, images)
    assert np.ptp(ages) > 0.1  # the network does not ignore its input
    weights = str(age_files / WEIGHTS["age", backend].name)
    options = DeepFaceOptions(traits=("age",), backend=backend, age_weights=weights)
    extractor = t2f_deepface.build(options, Runtime(ModelStore(tmp_path, offline=True), threads=2))
    np.testing.assert_allclose(extractor.probabilities(images)["age"], expected, atol=1e-5)
    found = [findings[0].value for findings in extractor.extract(portraits)]
    np.testing.assert_allclose(found, ages, atol=0.006)  # ours are rounded to 0.01


@pytest.mark.parametrize(("trait", "module", "labels"), [("gender", "Gender", 2), ("ethnicity", "Race", 6)])
def test_our_trunk_has_the_layers_of_deepface(deepface, trait, module, labels):
    import torch
    from t2f_deepface._trunk import Classifier

    with torch.device("meta"):
        ours = Classifier(labels).state_dict()
        theirs = deepface(f"models.demography.pytorch.{module}").base_model().state_dict()
    assert {name: one.shape for name, one in ours.items()} == {name: one.shape for name, one in theirs.items()}


def test_labels_stand_in_the_order_of_deepface(deepface):
    from t2f_deepface._extractor import ETHNICITIES, GENDERS

    labels = deepface("models.demography.DemographyUtils")
    assert [{"Woman": "female", "Man": "male"}[one] for one in labels.GENDER_LABELS] == list(GENDERS)
    assert [one.replace(" ", "_") for one in labels.RACE_LABELS] == list(ETHNICITIES)


def test_crops_are_those_of_deepface(deepface, portraits):
    """Ours is one warp; DeepFace turns, cuts and resizes in three steps on whole pixels. Only interpolation differs."""
    import cv2

    detection, preprocessing = deepface("modules.detection"), deepface("modules.preprocessing")
    region = deepface("models.Detector").FacialAreaRegion
    for portrait, found in zip(portraits, inputs(portraits), strict=True):
        bgr = portrait.photo.pixels[..., ::-1]
        height, width = bgr.shape[0] // 2, bgr.shape[1] // 2
        framed = cv2.copyMakeBorder(bgr, height, height, width, width, cv2.BORDER_CONSTANT)
        x0, y0, x1, y1 = (int(one) for one in portrait.face.box)
        image_left, image_right = (tuple(int(one) for one in point) for point in portrait.face.landmarks[:2])
        shift = np.array([width, height])
        area = region(
            x=x0 + width,
            y=y0 + height,
            w=x1 - x0,
            h=y1 - y0,
            left_eye=tuple(image_right + shift),  # the person's left
            right_eye=tuple(image_left + shift),
            confidence=0.9,
        )
        face = detection.extract_face(area, framed, True, 0, width, height, "retinaface").img
        (expected,) = preprocessing.resize_image(face / 255, (224, 224))
        assert np.abs(found - expected).mean() < 0.02
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.985
