"""ResMaskNet: one emotion or two, on random weights of a narrow network."""

import functools
import sys
from dataclasses import replace

import numpy as np
import pytest
import t2f_resmasknet
from pydantic import ValidationError
from support.example_faces import face_of, portraits
from t2f_resmasknet import EmotionOptions

from text2face_core import Face, Photo, Plugins, Portrait, Runtime
from text2face_core.errors import ArtifactError, DegenerateFace, MissingExtra
from text2face_core.images.geometry import crops
from text2face_core.models.store import ModelStore


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("onnxscript")
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return Runtime(ModelStore(tmp_path_factory.mktemp("models"), offline=True), threads=2)


@pytest.fixture(scope="module")
def tensors(torch):
    """Random tensors of a network an eighth as wide, with batch statistics of the portraits; no emotion is favoured."""
    from t2f_resmasknet._emotions import CROP, inputs
    from t2f_resmasknet._network import ResidualMaskingNetwork

    torch.manual_seed(0)
    network = ResidualMaskingNetwork(width=8)
    images = torch.from_numpy(inputs(crops(portraits(), CROP)))
    with torch.no_grad():
        network(images)
        logits = network.eval()(images)
        network.fc[1].weight /= logits.std()
        network.fc[1].bias -= logits.mean(0)
        network.fc[1].bias /= logits.std()
    return network.state_dict()


@pytest.fixture
def make(torch, tensors, runtime, tmp_path, monkeypatch):
    from t2f_resmasknet import _emotions

    narrow = functools.partial(_emotions.ResidualMaskingNetwork, width=8)
    monkeypatch.setattr(_emotions, "ResidualMaskingNetwork", narrow)
    path = tmp_path / "random.pth"

    def build(content=None, **options):
        torch.save({"net": tensors, "best_val_acc": 71.0} if content is None else content, path)
        return t2f_resmasknet.build(EmotionOptions(weights=str(path), **options), runtime)

    return build


# without torch


@pytest.mark.parametrize("values", [{"margin": -0.1}, {"dominant": 2}, {"dominat": 0.5}])
def test_options_out_of_range_or_unknown_are_refused(values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        EmotionOptions(**values)


def test_a_missing_file_is_named_with_its_licence_and_its_places(torch, runtime):
    with pytest.raises(ArtifactError, match=r"ResMaskNet_Z\S+\.pth .*551.*MIT(.|\n)*py-feat/resmasknet(.|\n)*cosanlab"):
        t2f_resmasknet.build(EmotionOptions(), runtime)


def test_without_torch_the_extra_is_named(monkeypatch, runtime):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("_emotions", "_network"):
        monkeypatch.delitem(sys.modules, f"t2f_resmasknet.{name}", raising=False)
    plugins = Plugins.load(builtin_only=True)
    plugins.register("resmasknet", t2f_resmasknet, "text2face")
    with pytest.raises(MissingExtra, match=r"needs torch.*pip install .*\[resmasknet\]'"):
        plugins.build(plugins.component("resmasknet", "extractor"), EmotionOptions(weights="x"), runtime)


# what is said


@pytest.mark.parametrize(
    ("probabilities", "options", "wanted"),
    [
        ((0.0, 0.0, 0.0, 0.65, 0.0, 0.0, 0.35), {}, ["happiness"]),  # probable enough
        ((0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1), {}, ["happiness"]),  # not, but far ahead
        ((0.5, 0.0, 0.0, 0.05, 0.0, 0.0, 0.45), {}, ["anger", "neutral"]),
        ((0.0, 0.0, 0.0, 0.65, 0.0, 0.0, 0.35), {"dominant": 0.9, "margin": 0.5}, ["happiness", "neutral"]),
        ((0.0, 0.3, 0.28, 0.0, 0.22, 0.2, 0.0), {"margin": 0.0}, ["disgust"]),
        ((0.0, 0.3, 0.28, 0.0, 0.22, 0.2, 0.0), {"dominant": 1.0, "margin": 1.0}, ["disgust", "fear"]),
        ((0.0, 0.0, 0.0, 0.0, 0.1, 0.9, 0.0), {}, ["surprise"]),
        ((0.0, 0.0, 0.0, 0.0, 0.8, 0.1, 0.1), {}, ["sadness"]),
    ],
)
def test_one_emotion_is_said_where_it_dominates_and_two_where_none_does(
    make, monkeypatch, probabilities, options, wanted
):
    emotions = make(**options)
    monkeypatch.setattr(emotions, "probabilities", lambda _: np.array([probabilities], np.float32))
    (findings,) = emotions.extract([None])
    assert [finding.name for finding in findings] == ["emotion"] * len(wanted)
    assert [finding.value for finding in findings] == wanted
    for finding in findings:
        assert tuple(finding.detail.values()) == probabilities
        assert finding.score == finding.detail[finding.value]


def test_probabilities_are_those_of_the_network_and_are_kept(make):
    emotions, some = make(), portraits()[:4]
    for findings, row in zip(emotions.extract(some), emotions.probabilities(some), strict=True):
        assert row.sum() == pytest.approx(1, abs=1e-5)
        for finding in findings:
            assert list(finding.detail) == ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
            assert list(finding.detail.values()) == pytest.approx(row.tolist(), abs=1e-4)
        assert findings[0].score == max(findings[0].detail.values())
    assert len({findings[0].value for findings in emotions.extract(portraits())}) > 1


def test_emotions_do_not_depend_on_the_batch(make):
    emotions, some = make(), portraits()
    alone = [emotions.extract([one])[0] for one in some]
    assert emotions.extract(some) == alone
    assert emotions.extract(some[::-1])[::-1] == alone
    assert emotions.extract([]) == []


# what the network sees


def test_a_face_is_seen_gray_from_0_to_1_with_nothing_taken_off(torch):
    from t2f_resmasknet._emotions import inputs

    chips = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    seen = inputs(chips)
    assert seen.shape == (3, 3, 8, 8)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen[:, 0], seen[:, 1])
    np.testing.assert_array_equal(seen[:, 0], seen[:, 2])
    np.testing.assert_allclose(seen[:, 0], chips @ np.array([0.299, 0.587, 0.114]) / 255, atol=0.5 / 255 + 1e-3)


def test_the_square_is_a_tenth_wider_than_the_mean_of_the_boxs_sides(torch):
    from t2f_resmasknet._emotions import CROP

    face = Face(np.array([100, 100, 180, 220], np.float32), np.zeros((5, 2), np.float32), 1.0)
    corners = np.array([[140 - 55 - 0.5, 160 - 55 - 0.5, 1], [140 + 55 - 0.5, 160 + 55 - 0.5, 1]])
    np.testing.assert_allclose(corners @ CROP.matrix(face).T, [[-0.5, -0.5], [223.5, 223.5]], atol=1e-3)


def test_a_face_at_the_edge_keeps_its_proportions(torch):
    from t2f_resmasknet._emotions import CROP

    pixels = np.full((300, 300, 3), 90, np.uint8)
    pixels[:, 150:] = 200
    points = np.array([[20, 60], [70, 60], [45, 90], [25, 115], [65, 115]])
    square = Portrait(Photo("", "", pixels), face_of(points)).crop(CROP)
    assert (square == 90).all()  # neither black beyond the edge nor pulled over it


def test_a_box_without_extent_is_refused(make):
    face = Face(np.array([50, 50, 50, 50], np.float32), np.zeros((5, 2), np.float32), 1.0)
    with pytest.raises(DegenerateFace):
        make().extract([Portrait(portraits()[0].photo, face)])


# files


def test_tensors_alone_and_under_net_are_the_same(make, tensors):
    some = portraits()[:2]
    assert make(tensors).extract(some) == make().extract(some)


def test_a_file_with_other_tensors_is_refused(make, tensors):
    with pytest.raises(ArtifactError, match=r"residual masking network: 1 missing \(conv1\.weight\)"):
        make({"net": {name: one for name, one in tensors.items() if name != "conv1.weight"}})
    with pytest.raises(ArtifactError, match="plain table of tensors"):
        make({"net": "no tensors"})


@pytest.mark.nightly
def test_half_precision_says_nearly_the_same(make, runtime, tmp_path):
    full, some = make(), portraits()[:4]
    halved = t2f_resmasknet.build(
        EmotionOptions(weights=str(tmp_path / "random.pth")), replace(runtime, dtype="bfloat16")
    )
    assert np.abs(halved.probabilities(some) - full.probabilities(some)).max() < 0.1
