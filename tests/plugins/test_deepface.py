"""The DeepFace plugin on small networks with the interface of DeepFace's files: crops, findings, batches, files."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import t2f_deepface
from PIL import Image
from pydantic import ValidationError
from support.paths import ROOT
from t2f_deepface import WEIGHTS, DeepFaceOptions
from t2f_deepface._crop import CROP, inputs

from text2face_core import Face, Photo, Plugins, Portrait, Runtime
from text2face_core.errors import ArtifactError, DegenerateFace, MissingExtra
from text2face_core.models.store import ModelStore

EXAMPLES = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
CLASSES = {"age": 101, "gender": 2, "ethnicity": 6}


def face(box: tuple[float, ...], tilt: float = 0.0) -> Face:
    """A face whose eyes are `tilt` degrees from level (clockwise on the screen)."""
    x0, y0, x1, y1 = box
    middle, reach = np.array([(x0 + x1) / 2, (y0 + y1) / 2]), (x1 - x0) / 5
    turn = np.deg2rad(tilt)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = np.array([(-1, -1), (1, -1), (0, 0), (-0.7, 1), (0.7, 1)]) * reach
    return Face(np.array(box, np.float32), (points @ spin.T + middle).astype(np.float32), 0.9)


def portrait(pixels: np.ndarray, box: tuple[float, ...], tilt: float = 0.0) -> Portrait:
    return Portrait(Photo("one", "one", pixels), face(box, tilt))


@pytest.fixture
def portraits() -> list[Portrait]:
    """The examples, with a tilted face that fills the middle of each."""
    found = []
    for number, path in enumerate(EXAMPLES):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        height, width = pixels.shape[:2]
        found.append(portrait(pixels, (0.3 * width, 0.2 * height, 0.7 * width, 0.8 * height), tilt=5.0 * number - 30))
    return found


def write_network(path: Path, classes: int, seed: int, batch: int | str = "n") -> None:
    """A graph that takes and gives what DeepFace's do: one layer on 7 x 7 mean colours, and a softmax."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(seed)
    weights = numpy_helper.from_array(random.normal(0, 0.5, (147, classes)).astype(np.float32), "weights")
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("AveragePool", ["planes"], ["means"], kernel_shape=[32, 32], strides=[32, 32]),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["output"], axis=1),
        ],
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 224, 224, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, classes])],
        [weights],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ModelStore:
    """A store into which files were put by hand."""
    folder = tmp_path_factory.mktemp("store")
    for seed, (trait, classes) in enumerate(CLASSES.items()):
        write_network(folder / WEIGHTS[trait, "onnx"].name, classes, seed)
    return ModelStore(folder, offline=True)


@pytest.fixture
def build(store):
    def make(**options: Any) -> Any:
        return t2f_deepface.build(DeepFaceOptions(**options), Runtime(store))

    return make


# --- the crop ---


def test_an_upright_face_is_its_box_resized_and_padded_with_black():
    """As DeepFace does it: the aspect is kept, what is missing to the sides is black though the photo goes on."""
    random = np.random.default_rng(0)
    pixels = cv2.resize(random.integers(0, 256, (20, 20, 3), np.uint8), (400, 400), interpolation=cv2.INTER_CUBIC)
    (found,) = inputs([portrait(pixels, (100, 60, 268, 284))])  # 168 x 224: nothing is resized
    expected = np.zeros((224, 224, 3), np.float32)
    expected[:, 28:196] = pixels[60:284, 100:268, ::-1] / 255
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_wide_box_has_black_above_and_below():
    (found,) = inputs([portrait(np.full((300, 400, 3), 200, np.uint8), (50, 50, 350, 200))])
    lit = np.flatnonzero(found.any(axis=(1, 2)))
    assert (lit[0], lit[-1]) == (56, 167)
    assert found[60:160].min() == pytest.approx(200 / 255)


@pytest.mark.parametrize("tilt", [-40.0, -10.0, 0.0, 25.0, 90.0])
def test_eyes_come_to_lie_level_and_in_order(tilt):
    tilted = face((100, 100, 300, 340), tilt)
    matrix = CROP.matrix(tilted)
    left, right = tilted.landmarks[:2] @ matrix[:, :2].T + matrix[:, 2]
    assert left[1] == pytest.approx(right[1], abs=1e-3)
    assert right[0] - left[0] == pytest.approx(80 * 224 / 240, rel=1e-4)
    centre = matrix @ np.array([199.5, 219.5, 1])
    np.testing.assert_allclose(centre, 111.5, atol=1e-3)


def test_what_lies_outside_the_photo_is_black():
    (found,) = inputs([portrait(np.full((200, 200, 3), 255, np.uint8), (-100, -100, 100, 100))])
    assert found[:110, :110].max() == 0
    assert found[114:, 114:].min() == 1


@pytest.mark.parametrize(
    "broken",
    [
        Face(np.array([10, 10, 50, 50], np.float32), np.full((5, 2), 20, np.float32), 1.0),
        Face(np.array([10, 10, 10, 10], np.float32), face((10, 10, 50, 50)).landmarks, 1.0),
        Face(np.array([10, 10, np.nan, 50], np.float32), face((10, 10, 50, 50)).landmarks, 1.0),
    ],
)
def test_a_face_without_extent_is_refused(broken):
    with pytest.raises(DegenerateFace):
        inputs([Portrait(Photo("one", "one", np.zeros((60, 60, 3), np.uint8)), broken)])


# --- what is said ---


def test_findings_follow_the_probabilities(build, portraits):
    extractor = build(gender_score=0.5, ethnicity_score=0)
    rows = extractor.probabilities(inputs(portraits))
    for number, findings in enumerate(extractor.extract(portraits)):
        age, gender, ethnicity = findings
        p = rows["age"][number]
        years = float((p * np.arange(101)).sum())
        assert age.value == pytest.approx(years, abs=0.005)
        assert age.detail["std"] == pytest.approx(math.sqrt((p * (np.arange(101) - years) ** 2).sum()), abs=0.005)
        assert age.score == pytest.approx(p[np.abs(np.arange(101) - years) <= 5].sum(), abs=5e-4)
        assert list(gender.detail) == ["female", "male"]  # DeepFace's order: Woman, Man
        np.testing.assert_allclose(list(gender.detail.values()), rows["gender"][number], atol=5e-4)
        assert list(ethnicity.detail) == ["asian", "indian", "black", "white", "middle_eastern", "latino_hispanic"]
        np.testing.assert_allclose(list(ethnicity.detail.values()), rows["ethnicity"][number], atol=5e-4)
        for finding in (gender, ethnicity):
            assert finding.score == max(finding.detail.values()) == finding.detail[finding.value]


def test_an_age_is_not_cut_to_a_whole_number(build, portraits):
    ages = [findings[0].value for findings in build(traits=("age",)).extract(portraits)]
    assert any(age != int(age) for age in ages)


def test_doubt_says_nothing(build, portraits):
    for findings in build(gender_score=1, ethnicity_score=1).extract(portraits):
        assert [finding.name for finding in findings] == ["age"]


def test_only_the_traits_asked_for_are_read_and_fetched(tmp_path, portraits):
    write_network(tmp_path / "gender_model_weights.onnx", 2, 0)
    extractor = t2f_deepface.build(
        DeepFaceOptions(traits=("gender",), gender_score=0.5), Runtime(ModelStore(tmp_path, offline=True))
    )
    assert [[finding.name for finding in findings] for findings in extractor.extract(portraits)] == [["gender"]] * 12


def test_results_do_not_depend_on_batches(build, portraits):
    extractor = build(gender_score=0.5, ethnicity_score=0)
    together = extractor.extract(portraits)
    assert len(portraits) > 8  # more than go through the networks at once
    assert together == [extractor.extract([one])[0] for one in portraits]
    assert extractor.extract([]) == []


def test_a_file_for_single_photos_serves_batches_too(build, portraits, tmp_path):
    write_network(tmp_path / "single.onnx", 101, 0, batch=1)
    found = build(traits=("age",), age_weights=str(tmp_path / "single.onnx")).extract(portraits)
    assert found == build(traits=("age",)).extract(portraits)


# --- files ---


def test_a_missing_file_is_named_with_its_places_and_terms(tmp_path):
    with pytest.raises(ArtifactError) as refused:
        t2f_deepface.build(DeepFaceOptions(), Runtime(ModelStore(tmp_path, offline=True)))
    for words in ("age_model_weights.onnx", "VGG-Face", "github.com/serengil/deepface_models", "serengil/deepface"):
        assert words in str(refused.value)


def test_every_file_has_two_places_and_is_non_commercial():
    for artifact in WEIGHTS.values():
        assert len(artifact.sources) == 2
        assert artifact.non_commercial


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"age_weights": "nowhere.onnx"}, "there is no such file"),
        ({"age_weights": __file__}, "cannot be opened as an ONNX network"),
        ({"age_weights": "gender"}, "is not the age network of DeepFace"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(build, store, options, message):
    if options["age_weights"] == "gender":
        options = {"age_weights": str(store.folder / WEIGHTS["gender", "onnx"].name)}
    with pytest.raises(ArtifactError, match=message):
        build(**options)


@pytest.mark.parametrize("wrong", [{"traits": ()}, {"traits": ("race",)}, {"gender_score": 0.4}, {"backend": "tf"}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValidationError):
        DeepFaceOptions(**wrong)


def test_a_torch_file_that_is_none_is_refused(build, tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"backbone.conv1_1.weight": torch.zeros(1)}, tmp_path / "age.pth")
    with pytest.raises(ArtifactError, match="the weights of DeepFace's age network"):
        build(backend="torch", traits=("age",), age_weights=str(tmp_path / "age.pth"))


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ({}, ["age_model_weights.onnx", "gender_model_weights.onnx", "race_model_single_batch.onnx"]),
        ({"traits": ("age",), "backend": "torch"}, ["age_model_weights.pth"]),
        ({"traits": ("age", "gender"), "age_weights": "mine.onnx"}, ["gender_model_weights.onnx"]),
    ],
)
def test_only_the_files_that_options_ask_for_are_pulled(options, files):
    (component,) = t2f_deepface.t2f_extractors()
    assert [artifact.name for artifact in component.files(DeepFaceOptions(**options))] == files
    assert set(component.files(DeepFaceOptions(**options))) <= set(component.artifacts)


def test_the_package_itself_finds_what_our_own_path_finds(build, portraits, monkeypatch):
    pytest.importorskip("deepface")
    monkeypatch.setenv("DEEPFACE_HOME", "/a/home/of/the/user")
    theirs, ours = build(backend="package"), build()
    for number in (1, len(portraits)):
        assert [
            [(found.name, found.value, found.score) for found in findings]
            for findings in theirs.extract(portraits[:number])
        ] == [
            [(found.name, found.value, found.score) for found in findings]
            for findings in ours.extract(portraits[:number])
        ]
    assert os.environ["DEEPFACE_HOME"] == "/a/home/of/the/user"


def test_the_package_gets_the_verified_file_and_downloads_nothing(build, store, tmp_path):
    pytest.importorskip("deepface")
    broken = tmp_path / "age.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(ArtifactError, match=r"age\.onnx"):
        build(backend="package", traits=("age",), age_weights=str(broken))


def test_the_package_backend_says_what_to_install(monkeypatch, store):
    monkeypatch.setitem(sys.modules, "deepface.models.demography.onnx.Age", None)
    plugins = Plugins.load(builtin_only=True)
    options = DeepFaceOptions(backend="package", traits=("age",))
    with pytest.raises(MissingExtra, match=r"pip install .*\[deepface\]'|cannot use the packages"):
        plugins.build(plugins.component("deepface", "extractor"), options, Runtime(store))
