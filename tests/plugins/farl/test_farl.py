"""FaRL's declaration, its frames, and its attributes with random weights; for its parsers see test_farl_parsing.py."""

import functools
import sys
from pathlib import Path

import numpy as np
import pytest
import t2f_farl
from pydantic import ValidationError
from support.example_faces import portraits
from t2f_farl import NAMES, AttributeOptions, ParsingOptions

from text2face_core import Face, Photo, Plugins, Portrait, Runtime
from text2face_core.errors import ArtifactError, DegenerateFace, MissingExtra
from text2face_core.models.store import ModelStore

HERE = Path(__file__).resolve()


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("onnxscript")
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return Runtime(ModelStore(tmp_path_factory.mktemp("models"), offline=True), threads=2)


# without torch


def test_names_are_those_of_celeba_in_its_order():
    assert len(NAMES) == len(set(NAMES)) == 40
    assert NAMES[0] == "five_o_clock_shadow"
    assert list(NAMES[1:]) == sorted(NAMES[1:])
    assert [NAMES.index(name) for name in ("bald", "eyeglasses", "male", "smiling", "young")] == [4, 15, 20, 31, 39]


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (AttributeOptions, {"threshold": 1.0}),
        (AttributeOptions, {"thresold": 0.5}),
        (ParsingOptions, {"models": []}),
        (ParsingOptions, {"models": ["bisenet"]}),
        (ParsingOptions, {"certainty": 0.4}),
    ],
)
def test_options_out_of_range_or_unknown_are_refused(options, values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        options(**values)


def test_a_missing_file_is_named_with_its_licence_and_its_place(torch, runtime):
    with pytest.raises(ArtifactError, match=r"face_attribute\.farl\.celeba\.pt .*MIT(.|\n)*github\.com/FacePerceiver"):
        t2f_farl.build_attributes(AttributeOptions(), runtime)
    with pytest.raises(ArtifactError, match=r"farl\.celebm.*MIT"):
        t2f_farl.build_parsing(ParsingOptions(models=("celebm",)), runtime)


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("farl.attributes", {}, ["face_attribute"]),
        ("farl.attributes", {"weights": "mine.pt"}, []),
        ("farl.parsing", {"models": ["lapa"]}, ["face_parsing.farl.lapa"]),
        ("farl.parsing", {"celebm_weights": "mine.pt"}, ["face_parsing.farl.lapa"]),
        ("farl.parsing", {}, ["face_parsing.farl.lapa", "face_parsing.farl.celebm"]),
    ],
)
def test_only_the_files_that_are_used_are_needed(name, options, wanted):
    (component,) = (one for one in t2f_farl.t2f_extractors() if one.name == name)
    needed = component.needs(component.options(**options))
    assert len(needed) == len(wanted)
    assert all(one.name.startswith(start) for one, start in zip(needed, wanted, strict=True))


@pytest.mark.parametrize("component", ["farl.attributes", "farl.parsing"])
def test_without_torch_the_extra_is_named(monkeypatch, runtime, tmp_path, component):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("_attributes", "_attribute_network", "_parsing", "_parsing_network"):
        monkeypatch.delitem(sys.modules, f"t2f_farl.{name}", raising=False)
    plugins = Plugins.load(builtin_only=True)
    plugins.register("farl", t2f_farl, "text2face")
    registered = plugins.component(component, "extractor")
    given = {"weights": "x"} if component == "farl.attributes" else {"models": ("lapa",), "lapa_weights": "x"}
    with pytest.raises(MissingExtra, match=r"needs torch.*pip install .*\[farl\]'"):
        plugins.build(registered, registered.component.options(**given), runtime)


# frames


def test_frames_have_the_published_templates(torch):
    from t2f_farl._attributes import FRAME
    from t2f_farl._parsing import KINDS

    wanted = [
        (93.1078, 106.5251),
        (130.3918, 105.8795),
        (111.8092, 129.4723),
        (95.2880, 146.3622),
        (129.6095, 145.7672),
    ]
    np.testing.assert_allclose(FRAME.points, wanted, atol=1e-4)
    wanted = [(171.117, 197.309), (275.883, 197.309), (223.5, 249.691), (192.070, 314.646), (254.930, 314.646)]
    np.testing.assert_allclose(KINDS["lapa"].frame.points, wanted, atol=1e-3)
    assert [len(KINDS[name].regions) for name in ("lapa", "celebm")] == [11, 19]


def test_bending_a_frame_and_back_leaves_every_place_where_it_was():
    from t2f_farl._frames import Frame

    frame = Frame(448, bend=0.8)
    assert np.abs(frame.bent(frame.places) - (np.arange(448) + 0.5)).max() < 1e-9
    middle = slice(180, 268)  # a fifth of the square is not bent
    np.testing.assert_allclose(frame.places[middle], np.arange(448)[middle] + 0.5)
    assert frame.places[0] < -400  # its edge shows what is nearly a whole square outside


def test_a_point_of_a_photo_is_sampled_from_four_pixels_and_black_outside():
    from t2f_farl._frames import sample

    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (7, 5, 3), dtype=np.uint8)
    x, y = random.uniform(-2, 7, 300), random.uniform(-2, 9, 300)
    padded = np.zeros((15, 13, 3))
    padded[4:11, 4:9] = pixels
    for a, b, colour in zip(x - 0.5 + 4, y - 0.5 + 4, sample(pixels, x, y), strict=True):
        i, j = int(b), int(a)
        rows = padded[i, j : j + 2] * (1 - b + i) + padded[i + 1, j : j + 2] * (b - i)
        np.testing.assert_allclose(colour, rows[0] * (1 - a + j) + rows[1] * (a - j), atol=1e-3)


# attributes


@pytest.fixture(scope="module")
def tensors(torch):
    """Random tensors of a network of two layers."""
    from t2f_farl._attribute_network import AttributeNetwork

    torch.manual_seed(0)
    network = AttributeNetwork(layers=2)
    for name, one in network.named_parameters():
        one.data = torch.randn_like(one) * (0.06 if one.ndim > 1 else 0.3) + (
            name.endswith(("norm.weight", "ln.weight"))
        )
    return network.state_dict()


@pytest.fixture
def make(torch, tensors, runtime, tmp_path, monkeypatch):
    from t2f_farl import _attributes

    shallow = functools.partial(_attributes.AttributeNetwork, layers=2)
    monkeypatch.setattr(_attributes, "AttributeNetwork", shallow)
    path = tmp_path / "random.pt"

    def build(state=None, **options):
        torch.save(tensors if state is None else state, path)
        return t2f_farl.build_attributes(AttributeOptions(weights=str(path), **options), runtime)

    return build


def test_every_attribute_is_said_with_the_probability_of_what_is_said(make):
    attributes, some = make(), portraits()[:3]
    for findings, row in zip(attributes.extract(some), attributes.probabilities(some), strict=True):
        assert tuple(finding.name for finding in findings) == NAMES
        for finding, p in zip(findings, row, strict=True):
            assert finding.value is bool(p >= 0.5)
            assert finding.score == pytest.approx(p if p >= 0.5 else 1 - p, abs=1e-4)


def test_the_threshold_decides_what_is_present(make):
    some = portraits()[:2]
    usual = [finding for findings in make().extract(some) for finding in findings]
    strict = [finding for findings in make(threshold=0.9).extract(some) for finding in findings]
    for one, other in zip(usual, strict, strict=True):
        assert other.value is (one.value and one.score >= 0.9)
        p = one.score if one.value else 1 - one.score
        assert other.score == pytest.approx(p if other.value else 1 - p, abs=2e-4)
    assert {finding.value for finding in usual} == {True, False}


@pytest.mark.nightly
def test_attributes_do_not_depend_on_the_batch(make):
    attributes, some = make(), portraits()
    alone = [attributes.extract([one])[0] for one in some]
    assert attributes.extract(some) == alone
    assert attributes.extract(some[::-1])[::-1] == alone
    assert attributes.extract([]) == []


def test_colours_are_normalised_unless_the_old_defect_is_wanted(make):
    (one,) = portraits()[:1]
    usual, bare = make().inputs([one])[0], make(normalise=False).inputs([one])[0]
    assert 0 <= bare.min() < bare.max() <= 1
    mean, std = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    np.testing.assert_allclose(usual, (bare - mean[:, None, None]) / std[:, None, None], atol=1e-5)
    # Red comes first.
    np.testing.assert_allclose(bare[0, 110, 110], one.photo.pixels[..., 0].mean() / 255, atol=0.5)
    swapped = Portrait(Photo("", "", np.ascontiguousarray(one.photo.pixels[..., ::-1])), one.face)
    np.testing.assert_array_equal(make(normalise=False).inputs([swapped])[0], bare[::-1])


def test_landmarks_without_extent_are_refused(make):
    photo = portraits()[0].photo
    face = Face(np.array([0, 0, 9, 9], np.float32), np.ones((5, 2), np.float32), 1.0)
    with pytest.raises(DegenerateFace):
        make().extract([Portrait(photo, face)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {k: v for k, v in state.items() if k != "head.weights"}, r"1 missing \(head\.weights\)"),
        (lambda state: {**state, "proj": state["head.weights"]}, r"1 unknown \(proj\)"),
        (lambda state: {**state, "head.final_fc.bias": state["head.weights"]}, r"another shape \(head\.final_fc\.bias"),
        (lambda _: [1, 2], "plain table of tensors"),
    ],
)
def test_a_file_with_other_tensors_is_refused_and_the_difference_named(make, tensors, change, message):
    with pytest.raises(ArtifactError, match=message):
        make(change(tensors))


def test_a_file_that_is_none_is_refused(make, tmp_path, runtime):
    for content in (b"no weights", b""):
        (tmp_path / "wrong.pt").write_bytes(content)
        with pytest.raises(ArtifactError, match=r"wrong\.pt cannot be read as the weights of FaRL's attribute network"):
            t2f_farl.build_attributes(AttributeOptions(weights=str(tmp_path / "wrong.pt")), runtime)
    with pytest.raises(ArtifactError, match="cannot be read"):
        t2f_farl.build_attributes(AttributeOptions(weights=str(tmp_path / "nowhere.pt")), runtime)


def test_tensors_named_as_by_training_on_several_gpus_are_the_same(make, tensors):
    some = portraits()[:2]
    assert make({f"module.{name}": one for name, one in tensors.items()}).extract(some) == make().extract(some)
