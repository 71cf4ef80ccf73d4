"""The residual masking network as rmn computes it, with the same random weights, and rmn's square around a face.

rmn itself must not be imported: it fetches files while it is. Its network is loaded from its file, its arithmetic of
squares and gray from its source.
"""

import ast
import importlib
import sys
import types
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import t2f_resmasknet
from support.example_faces import portraits
from t2f_resmasknet import EmotionOptions

from text2face_core import Face, Portrait, Runtime
from text2face_core.images.geometry import crops
from text2face_core.models.store import ModelStore

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("onnxscript")
    torch = pytest.importorskip("torch")
    torch.set_num_threads(2)
    return torch


@pytest.fixture(scope="module")
def packages():
    """The folder that rmn is installed in."""
    found = find_spec("rmn")
    if found is None or found.origin is None:
        pytest.skip("rmn is not installed")
    return Path(found.origin).parents[1]


@pytest.fixture(scope="module")
def reference(torch, packages):
    """rmn's network with random weights whose activations stay in bounds."""
    with pytest.MonkeyPatch.context() as patch:
        package = types.ModuleType("rmn_models")  # its own __init__ imports much that is not needed
        package.__path__ = [str(packages / "models")]
        patch.setitem(sys.modules, "rmn_models", package)
        torch.manual_seed(0)
        network = importlib.import_module("rmn_models.resmasking").resmasking_dropout1()
        for name in [name for name in sys.modules if name.startswith("rmn_models.")]:
            patch.delitem(sys.modules, name)
    with torch.no_grad():
        for one in network.modules():
            if isinstance(one, torch.nn.BatchNorm2d):
                one.momentum = 1.0
                one.weight.uniform_(0.5, 1.0)
                one.bias.normal_(0, 0.1)
        network(torch.from_numpy(seen(portraits()[:4])))
    return network.eval()


def seen(some):
    from t2f_resmasknet._emotions import CROP, inputs

    return inputs(crops(some, CROP))


@pytest.fixture(scope="module")
def emotions(torch, reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    torch.save({"net": reference.state_dict(), "best_val_acc": 71.0}, folder / "random.pth")
    runtime = Runtime(ModelStore(folder, offline=True), threads=2)
    return t2f_resmasknet.build(EmotionOptions(weights=str(folder / "random.pth")), runtime)


def test_probabilities_are_its_own_on_every_portrait_alone_and_in_a_batch(torch, reference, emotions):
    some = portraits()[5:]
    assert len(some) >= 8
    found = emotions.probabilities(some)
    alone = np.concatenate([emotions.probabilities([one]) for one in some])
    with torch.inference_mode():
        wanted = np.concatenate([reference(torch.from_numpy(seen([one]))).softmax(1).numpy() for one in some])
    assert wanted.std(axis=0).max() > 1e-3  # the faces do differ
    assert np.abs(found - wanted).max() < 1e-4
    assert np.abs(alone - wanted).max() < 1e-4


@pytest.fixture(scope="module")
def source(packages):
    """rmn's functions for squares and gray, and its labels, without the rest of its module."""
    import cv2

    wanted = {"convert_to_square", "ensure_gray"}
    tree = ast.parse((packages / "rmn" / "__init__.py").read_text(encoding="utf-8"))
    kept = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name in wanted]
    kept += [one for one in tree.body if isinstance(one, ast.Assign) and one.targets[0].id == "FER_2013_EMO_DICT"]
    names = {"cv2": cv2}
    exec(compile(ast.Module(kept, []), "rmn", "exec"), names)
    return types.SimpleNamespace(**names)


def test_labels_are_in_its_order(torch, source):
    from t2f_resmasknet._emotions import EMOTIONS

    ours = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
    assert list(EMOTIONS) == [ours.get(one, one) for one in source.FER_2013_EMO_DICT.values()]


@pytest.mark.parametrize(("wide", "high"), [(120, 200), (200, 120), (280, 360)])
def test_faces_inside_the_photo_are_seen_as_in_its_pipeline(torch, source, wide, high):
    """Its squares have whole pixels for edges: these boxes are those of which it cuts nothing off."""
    import cv2

    compared = 0
    for one in portraits():
        x, y = one.face.landmarks.mean(axis=0).round().astype(int)
        box = [x - wide // 2, y - high // 2, x + wide // 2, y + high // 2]
        xmin, ymin, xmax, ymax = source.convert_to_square(*(int(edge) for edge in box))
        if min(xmin, ymin) < 0 or xmax > one.photo.width or ymax > one.photo.height:
            continue  # there we repeat the edge, and it pulls what is left over the square
        gray = source.ensure_gray(np.ascontiguousarray(one.photo.pixels[..., ::-1]))
        wanted = cv2.resize(gray[ymin:ymax, xmin:xmax], (224, 224)).astype(float)
        face = Face(np.array(box, np.float32), one.face.landmarks, 1.0)
        found = seen([Portrait(one.photo, face)])[0, 0] * 255
        assert np.abs(found - wanted)[1:-1, 1:-1].max() <= 2  # rounded once more, and in another order
        compared += 1
    assert compared >= 8
