"""Converted networks against TensorFlow.js itself, in node: the published graders, on noise and on drawn faces."""

import json
import shutil
import subprocess

import numpy as np
import pytest
import t2f_faceres
import t2f_mobileface
from support.cartoons import cartoon
from support.paths import ROOT

from text2face_core import Artifact, NpmMember
from text2face_core.errors import ArtifactError
from text2face_core.models import ModelStore, convert_tfjs, session

pytestmark = pytest.mark.reference

TFJS = Artifact(
    "tf.min.js",
    (
        NpmMember(
            "@tensorflow/tfjs",
            "4.22.0",
            "package/dist/tf.min.js",
            "56505c191e24116787477b3bb5bb1cc0cf1c2bdce8112b9c402a8a2d31cf2f00",
        ),
    ),
    "Apache-2.0",
    sha256="300dfae273d20b4046f46a06d735688f03675a807561e9bcb5f664eb2f3d2831",
    size=1_469_843,
)
NETWORKS = {
    "faceres": (
        t2f_faceres.GRAPH, t2f_faceres.WEIGHTS, "input_1", 224,
        ("age_pred/Softmax", "gender_pred/Sigmoid", "global_pooling/Mean"),
    ),
    "mobileface": (t2f_mobileface.GRAPH, t2f_mobileface.WEIGHTS, "data", 112, ("batchnorm0/add_1",)),
}  # fmt: skip


@pytest.fixture(scope="module")
def store():
    pytest.importorskip("onnx")
    if shutil.which("node") is None:
        pytest.skip("needs node")
    return ModelStore()


@pytest.mark.parametrize("picture", ["drawn", "noise"])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_differ_by_rounding_only(store, tmp_path, name, picture):
    graph, weights, placeholder, side, outputs = NETWORKS[name]
    try:
        library, model, data = (store.path(one) for one in (TFJS, graph, weights))
    except ArtifactError as error:
        pytest.skip(str(error))
    image = cartoon(2, side) if picture == "drawn" else np.random.default_rng(1).integers(0, 256, (side, side, 3))
    x = image[None].astype(np.float32)
    given = tmp_path / "input.json"
    given.write_text(json.dumps({"name": placeholder, "shape": x.shape, "values": x.ravel().tolist()}))
    script = ROOT / "tests" / "support" / "tfjs_run.cjs"
    done = subprocess.run(
        ["node", script, library, model, data, given, *outputs], capture_output=True, text=True, check=True, timeout=300
    )
    wanted = json.loads(done.stdout)
    network = session(convert_tfjs(model, data, {one: one for one in outputs}), 1)
    for output, found in zip(outputs, network.run(list(outputs), {placeholder: x}), strict=True):
        largest = max(1.0, float(np.abs(wanted[output]).max()))
        np.testing.assert_allclose(found.ravel(), wanted[output], atol=2e-6 * largest)
