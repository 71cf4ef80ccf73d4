"""BiSeNet against facexlib's own: the same weights, the same squares, the same scores and classes.

With random weights, and with the public file where $T2F_TEST_BISENET names it or the model store has it.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import t2f_bisenet
from support.bisenet_files import write_random_weights
from support.example_faces import portraits
from t2f_bisenet import BiSeNetOptions

from text2face_core import Runtime
from text2face_core.errors import ArtifactError
from text2face_core.images.geometry import crops
from text2face_core.models.store import ModelStore

pytestmark = pytest.mark.reference

COUNT = 8


@pytest.fixture(scope="module")
def torch():
    for package in ("torchvision", "onnxscript", "facexlib"):
        pytest.importorskip(package)
    torch = pytest.importorskip("torch")
    torch.set_num_threads(2)
    return torch


@pytest.fixture(scope="module", params=["random", "public"])
def weights(request, torch, tmp_path_factory):
    if request.param == "random":
        return write_random_weights(tmp_path_factory.mktemp("weights") / "random.pth")
    if given := os.environ.get("T2F_TEST_BISENET"):
        return Path(given)
    try:
        return ModelStore(offline=True).path(t2f_bisenet.NETWORK)
    except ArtifactError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def some():
    """Portraits of different sizes, one of which reaches past its photo."""
    chosen = portraits()[-COUNT:]
    assert len({one.photo.pixels.shape for one in chosen}) > 1
    return chosen


@pytest.fixture(scope="module")
def wanted(torch, weights, some):
    """facexlib's scores, (COUNT, 19, 512, 512), one portrait after another, prepared by its and torchvision's means."""
    from facexlib.parsing.bisenet import BiSeNet
    from facexlib.utils.misc import img2tensor
    from t2f_bisenet._extractor import CROP
    from torchvision.transforms.functional import normalize

    reference = BiSeNet(num_class=19)
    reference.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True), strict=True)
    reference.eval()
    rows = []
    with torch.inference_mode():
        for square in crops(some, CROP):
            bgr = np.ascontiguousarray(square[..., ::-1]).astype(np.float32) / 255
            image = normalize(img2tensor(bgr, bgr2rgb=True), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
            rows.append(reference(image[None])[0][0].numpy())
    return np.stack(rows)


@pytest.fixture(scope="module")
def make(weights, tmp_path_factory):
    runtime = Runtime(ModelStore(tmp_path_factory.mktemp("models"), offline=True), threads=2)
    return lambda **where: t2f_bisenet.build(BiSeNetOptions(weights=str(weights)), replace(runtime, **where))


def test_scores_are_its_own_alone_and_in_a_batch(make, some, wanted):
    from t2f_bisenet._extractor import CROP

    bisenet = make()
    bisenet._network._batch = COUNT  # the plugin itself gives one at a time to a CPU
    images = crops(some, CROP).transpose(0, 3, 1, 2) / np.float32(255)
    (together,) = bisenet._network(images)
    assert bisenet._network.engine == "onnx"
    scale = max(1.0, float(np.abs(wanted).max()))
    assert np.abs(together - wanted).max() / scale < 1e-4
    for number, image in enumerate(images):
        (alone,) = bisenet._network(image[None])
        assert np.abs(alone[0] - wanted[number]).max() / scale < 1e-4


def test_classes_are_its_own(make, some, wanted):
    for (face, classes), scores in zip(make().parse(some), wanted, strict=True):
        second, first = np.sort(scores, axis=0)[-2:]
        clear = first - second > 1e-3
        assert clear.mean() > 0.98
        np.testing.assert_array_equal(classes[clear], scores.argmax(0)[clear])
        assert face.regions.shape == classes.shape
