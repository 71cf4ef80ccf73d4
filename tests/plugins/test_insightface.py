"""The insightface detector, on a network of a few nodes in the form of SCRFD's: it takes white squares for faces."""

from pathlib import Path

import numpy as np
import pytest
import t2f_insightface
from pydantic import ValidationError
from t2f_insightface import WEIGHTS, InsightFaceOptions

from text2face_core import Runtime
from text2face_core.errors import ArtifactError, LicenceRefused
from text2face_core.models.store import ModelStore

REACH = 1.5
"""How far the network's boxes reach from the middle of a cell, in cells."""


@pytest.fixture(scope="module")
def insightface():
    pytest.importorskip("onnx")
    return pytest.importorskip("insightface.model_zoo.scrfd")


def write_scrfd(path: Path, strides=(8, 16, 32), points: bool = True) -> Path:
    """A network with SCRFD's outputs: scores, boxes and points of two anchors for each cell of each stride.

    Only the first anchor of the coarsest stride ever scores: by how light its cell is.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save

    nodes, values = [], []

    def constant(name, array):
        values.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    kinds = [("score", 1), ("box", 4), *([("points", 10)] if points else [])]
    for stride in strides:
        pool = f"pool{stride}"
        nodes.append(
            helper.make_node("AveragePool", ["images"], [pool], kernel_shape=[stride] * 2, strides=[stride] * 2)
        )
        for kind, width in kinds:
            weight = np.zeros((2 * width, 3, 1, 1), np.float32)
            bias = np.full(2 * width, REACH if kind == "box" else 0, np.float32)
            if kind == "score" and stride == strides[-1]:
                weight[0] = 1 / 6
                bias[0] = 0.5
            if kind == "points":
                bias[:] = np.tile([-0.5, -0.5, 0.5, -0.5, 0, 0, -0.5, 0.5, 0.5, 0.5], 2)
            w, b = constant(f"w{kind}{stride}", weight), constant(f"b{kind}{stride}", bias)
            nodes.append(helper.make_node("Conv", [pool, w, b], [f"conv{kind}{stride}"]))
            nodes.append(
                helper.make_node("Transpose", [f"conv{kind}{stride}"], [f"t{kind}{stride}"], perm=[0, 2, 3, 1])
            )
            shape = constant(f"s{kind}{stride}", np.array([-1, width], np.int64))
            nodes.append(helper.make_node("Reshape", [f"t{kind}{stride}", shape], [f"{kind}{stride}"]))
    outputs = [
        helper.make_tensor_value_info(f"{kind}{stride}", TensorProto.FLOAT, ["n", width])
        for kind, width in kinds
        for stride in strides
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, "height", "width"])
    graph = helper.make_graph(nodes, "scrfd", [images], outputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    save(model, path)
    return path


@pytest.fixture(scope="module")
def make(insightface, tmp_path_factory):
    folder = tmp_path_factory.mktemp("insightface")
    weights = write_scrfd(folder / "scrfd.onnx")

    def make(**options):
        return t2f_insightface.build(
            InsightFaceOptions(**{"weights": str(weights), **options}), Runtime(ModelStore(folder, offline=True))
        )

    return make


def squares(width: int, height: int, *places: tuple[int, int, int]) -> np.ndarray:
    """White squares (x, y, side) on black."""
    photo = np.zeros((height, width, 3), np.uint8)
    for x, y, side in places:
        photo[y : y + side, x : x + side] = 255
    return photo


@pytest.mark.parametrize("zoom", [1, 3])
def test_places_are_in_photo_pixels(make, zoom):
    # One coarse cell, from 64 to 96 along and 96 to 128 down, counted by insightface from its top left corner.
    photo = squares(640 * zoom, 480 * zoom, (64 * zoom, 96 * zoom, 32 * zoom))
    ((face,),) = make().detect([photo])
    np.testing.assert_allclose(face.box, zoom * np.array([16, 48, 112, 144]), atol=0.01)
    expected = zoom * np.array([[48, 80], [80, 80], [64, 96], [48, 112], [80, 112]])
    np.testing.assert_allclose(face.landmarks, expected, atol=0.01)
    assert face.box.dtype == face.landmarks.dtype == np.float32
    assert type(face.score) is float
    assert face.score == pytest.approx(0.5 + 0.5 * 127.5 / 128, abs=1e-3)


def test_results_do_not_depend_on_the_batch(make):
    batch = [squares(640, 480, (64, 96, 32)), squares(320, 640, (96, 32, 32)), squares(100, 100)]
    detector = make()
    assert detector.detect(batch) == [detector.detect([photo])[0] for photo in batch]
    assert [len(found) for found in detector.detect(batch)] == [1, 1, 0]


def test_red_is_red(insightface, tmp_path):
    """The network sees RGB; insightface wants BGR and turns it round itself."""
    import onnx

    model = onnx.load(write_scrfd(tmp_path / "all.onnx"))
    for value in model.graph.initializer:
        if value.name == "wscore32":
            value.CopyFrom(
                onnx.numpy_helper.from_array(np.float32([[1, 0, 0], [0, 0, 0]])[..., None, None] / 2, value.name)
            )
    onnx.save(model, tmp_path / "red.onnx")
    detector = t2f_insightface.build(
        InsightFaceOptions(weights=str(tmp_path / "red.onnx")), Runtime(ModelStore(tmp_path))
    )
    red, blue = squares(640, 640, (64, 64, 32)), squares(640, 640, (64, 64, 32))
    red[..., 1:] = 0
    blue[..., :2] = 0
    assert [len(found) for found in detector.detect([red, blue])] == [1, 0]


def test_scores_and_overlaps_are_kept_to(make):
    photo = squares(640, 640, (64, 64, 32), (96, 64, 32), (320, 320, 32))
    photo[64:96, 96:128] = 200
    # Neighbours' boxes are three cells wide and share two thirds of that: half of what both cover.
    assert len(make().detect([photo])[0]) == 2
    assert len(make(iou=0.6).detect([photo])[0]) == 3
    assert [face.score for face in make(iou=0.6).detect([photo])[0]] == sorted(
        (face.score for face in make(iou=0.6).detect([photo])[0]), reverse=True
    )
    assert len(make(iou=0.6, score=0.9).detect([photo])[0]) == 2


def test_where_nothing_is_found_the_photo_is_looked_at_again_much_smaller(make):
    photo = np.zeros((640, 640, 3), np.uint8)
    photo[162:320:5, 162:320:5] = 255  # dark as a whole; the pixels that are left at a fifth of the size are white
    ((face,),) = make().detect([photo])
    np.testing.assert_allclose(face.box, 5 * np.array([-16, -16, 80, 80]), atol=0.01)
    assert make(close_side=0).detect([photo]) == [[]]


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (3000, 2), (40, 30)])
def test_tiny_and_thin_photos_have_no_face(make, size):
    assert make().detect([np.zeros((*size, 3), np.uint8)]) == [[]]


def test_files_that_are_no_detector_are_refused(make, insightface, tmp_path):
    with pytest.raises(ArtifactError, match="no landmarks"):
        make(weights=str(write_scrfd(tmp_path / "boxes.onnx", points=False)))
    with pytest.raises(ArtifactError, match=r"6, 9, 10 or 15 outputs, not 3"):
        make(weights=str(write_scrfd(tmp_path / "short.onnx", strides=(8,))))
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ArtifactError, match=r"text.onnx cannot be loaded"):
        make(weights=str(tmp_path / "text.onnx"))
    with pytest.raises(ArtifactError, match="does not exist"):
        make(weights=str(tmp_path / "nowhere.onnx"))


def test_the_model_is_not_fetched_before_its_licence_is_accepted(insightface, tmp_path):
    assert WEIGHTS.non_commercial
    with pytest.raises(LicenceRefused, match=r"--accept-licence insightface_det_10g.onnx"):
        t2f_insightface.build(InsightFaceOptions(), Runtime(ModelStore(tmp_path, offline=False)))
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize(("name", "value"), [("score", 0), ("iou", 2), ("longest_side", 650), ("sc", 1)])
def test_options_out_of_range_or_unknown_are_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        InsightFaceOptions(**{name: value})
