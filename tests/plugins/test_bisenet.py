"""BiSeNet: what is said of drawn classes, and its way through the network with random weights."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import t2f_bisenet
from pydantic import ValidationError
from support.bisenet_files import write_random_weights
from support.example_faces import cut, face_of, portraits
from t2f_bisenet import BiSeNetOptions

from text2face_core import Face, Photo, Plugins, Portrait, Runtime
from text2face_core.errors import ArtifactError, DegenerateFace, MissingExtra
from text2face_core.models.store import ModelStore

SIDE = 512
UNIT = 0.23 * SIDE
"""Between the eyes, in pixels of the square."""


@pytest.fixture(scope="module")
def torch():
    for package in ("onnxscript", "torchvision", "facexlib"):
        pytest.importorskip(package)
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return Runtime(ModelStore(tmp_path_factory.mktemp("models"), offline=True), threads=2)


@pytest.fixture(scope="module")
def weights(torch, tmp_path_factory):
    return write_random_weights(tmp_path_factory.mktemp("weights") / "random.pth")


@pytest.fixture(scope="module")
def make(weights, runtime):
    def build(**options):
        return t2f_bisenet.build(BiSeNetOptions(**{"weights": str(weights), **options}), runtime)

    return build


@pytest.fixture(scope="module")
def bisenet(make):
    return make()


# without torch


@pytest.mark.parametrize("values", [{"certainty": 0.4}, {"earrings": 0}, {"necklace": -1}, {"earings": 0.1}])
def test_options_out_of_range_or_unknown_are_refused(values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        BiSeNetOptions(**values)


def test_a_missing_file_is_named_with_its_licence_and_its_places(torch, runtime):
    places = r"parsing_bisenet\.pth .*53\.3 MB.*MIT(.|\n)*xinntao/facexlib(.|\n)*vivym/face-parsing-bisenet"
    with pytest.raises(ArtifactError, match=places):
        t2f_bisenet.build(BiSeNetOptions(), runtime)


@pytest.mark.parametrize("package", ["torch", "facexlib.parsing.bisenet"])
def test_without_its_packages_the_extra_is_named(monkeypatch, runtime, package):
    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, package, None)
    for name in ("_extractor", "_network"):
        monkeypatch.delitem(sys.modules, f"t2f_bisenet.{name}", raising=False)
    plugins = Plugins.load(builtin_only=True)
    plugins.register("bisenet", t2f_bisenet, "text2face")
    with pytest.raises(MissingExtra, match=r"pip install .*\[bisenet\]'"):
        plugins.build(plugins.component("bisenet", "extractor"), BiSeNetOptions(weights="x"), runtime)


# what is said

SKIN, BROWN, LIP, TOOTH, THROAT = (205, 160, 130), (96, 60, 36), (190, 90, 95), (235, 232, 225), (60, 20, 22)


class Drawn:
    """A face drawn in the square that the network sees, in units of its inter-ocular distance."""

    def __init__(self):
        from t2f_bisenet._classes import NUMBERS

        self.numbers = NUMBERS
        self.across = (np.arange(SIDE)[None] + 0.5) / UNIT - 0.5 * SIDE / UNIT
        self.down = (np.arange(SIDE)[:, None] + 0.5) / UNIT - 0.47 * SIDE / UNIT
        self.classes = np.zeros((SIDE, SIDE), np.uint8)
        self.pixels = np.full((SIDE, SIDE, 3), 240, np.uint8)
        self.box("hair", -1.2, -1.7, 1.2, 0.4, BROWN).box("neck", -0.7, 1.3, 0.7, 2.2, SKIN)
        self.ellipse("skin", 0, 0.3, 1.0, 1.45, SKIN).ellipse("nose", 0, 0.5, 0.2, 0.2, SKIN)
        self.ears().eyes(0.09).mouth(0.0)

    def paint(self, name, where, colour):
        self.classes[where] = self.numbers[name]
        self.pixels[where] = colour
        return self

    def box(self, name, left, top, right, bottom, colour):
        wide, high = (self.across > left) & (self.across < right), (self.down > top) & (self.down < bottom)
        return self.paint(name, wide & high, colour)

    def ellipse(self, name, x, y, wide, high, colour):
        return self.paint(name, ((self.across - x) / wide) ** 2 + ((self.down - y) / high) ** 2 < 1, colour)

    def ears(self):
        self.box("r_ear", -1.15, -0.1, -0.98, 0.6, SKIN)
        return self.box("l_ear", 0.98, -0.1, 1.15, 0.6, SKIN)

    def eyes(self, height):
        self.box("skin", -0.8, -0.15, 0.8, 0.15, SKIN)
        for name, x in (("r_eye", -0.5), ("l_eye", 0.5)):
            self.ellipse(name, x, 0, 0.22, height, (70, 50, 40))
        return self

    def mouth(self, height, inner=THROAT):
        self.ellipse("u_lip", 0, 1.07, 0.4, 0.12 + height / 2, LIP)
        self.paint("l_lip", (self.classes == self.numbers["u_lip"]) & (self.down > 1.07), LIP)
        return self.ellipse("mouth", 0, 1.07, 0.3, height / 2, inner) if height else self

    def recolour(self, old, new):
        self.pixels[(self.pixels == old).all(axis=2)] = new
        return self

    def portrait(self):
        from t2f_bisenet._extractor import POINTS

        landmarks = np.array(POINTS, np.float32) * SIDE - 0.5
        return Portrait(Photo("", "", self.pixels), Face(np.array([100, 60, 400, 460], "f4"), landmarks, 1.0))

    def said(self, bisenet):
        from t2f_bisenet._extractor import parsed

        return {one.name: one.value for one in bisenet.findings(parsed(self.portrait(), self.classes), self.classes)}


def glasses(drawn):
    return drawn.box("eye_g", -0.85, -0.25, 0.85, 0.25, (30, 30, 30))


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        (lambda d: d, "hair_length", "short"),
        (lambda d: d.box("hair", -1.5, -1, -1.0, 1.5, BROWN), "hair_length", "medium"),
        (lambda d: d.box("hair", -1.5, -1, -1.0, 2.2, BROWN), "hair_length", "long"),
        (lambda d: d.paint("skin", d.classes == d.numbers["hair"], SKIN), "hair_length", "bald"),
        (lambda d: d.paint("skin", d.classes == d.numbers["hair"], SKIN), "bald", True),
        (lambda d: d, "bald", False),
        (lambda d: d, "bangs", False),
        (lambda d: d.box("hair", -0.8, -1.2, 0.8, -0.35, BROWN), "bangs", True),
        (lambda d: d, "brown_hair", True),
        (lambda d: d, "eye_openness", "fully_open"),
        (lambda d: d.eyes(0.037), "eye_openness", "partly_open"),
        (lambda d: d.eyes(0.01), "eye_openness", "closed"),
        (glasses, "eye_openness", None),  # they are behind glasses
        (glasses, "eyeglasses", True),
        (lambda d: d, "eyeglasses", False),
        (lambda d: d, "mouth_openness", "closed"),
        (lambda d: d.mouth(0.15), "mouth_openness", "slightly_open"),
        (lambda d: d.mouth(0.5), "mouth_openness", "fully_open"),
        (lambda d: d.mouth(0.15), "mouth_slightly_open", True),
        (lambda d: d.mouth(0.3, TOOTH), "teeth_visible", True),
        (lambda d: d.mouth(0.3, THROAT), "teeth_visible", False),
        (lambda d: d.box("hat", -1.3, -2.0, 1.3, -1.0, (20, 60, 90)), "wearing_hat", True),
        (lambda d: d, "wearing_hat", False),
        (lambda d: d, "skin_tone", "monk_03"),
        (lambda d: d.recolour(SKIN, (104, 68, 47)), "skin_tone", "monk_08"),
        (lambda d: d, "wearing_earrings", None),  # most earrings before hair are not seen
        (lambda d: d.ellipse("ear_r", 1.06, 0.65, 0.06, 0.1, (230, 200, 60)), "wearing_earrings", True),
        (lambda d: d.ellipse("ear_r", 1.06, 0.65, 0.02, 0.03, (230, 200, 60)), "wearing_earrings", None),
        (lambda d: d, "wearing_necklace", False),
        (lambda d: d.box("neck_l", -0.7, 1.9, 0.7, 1.95, (230, 200, 60)), "wearing_necklace", True),
        (lambda d: d.box("cloth", -2, 1.75, 2, 3, (40, 60, 90)), "wearing_necklace", None),  # of a hidden neck
    ],
)  # fmt: skip
def test_what_is_said_follows_the_classes(bisenet, change, name, value):
    assert change(Drawn()).said(bisenet).get(name) == value


def test_every_finding_that_is_said_is_declared(bisenet):
    (component,) = t2f_bisenet.t2f_extractors()
    drawn = glasses(Drawn()).mouth(0.3, TOOTH).box("neck_l", -0.7, 1.9, 0.7, 1.95, (230, 200, 60))
    drawn.ellipse("ear_r", 1.06, 0.65, 0.06, 0.1, (230, 200, 60))
    assert {*drawn.said(bisenet), *Drawn().said(bisenet)} <= {*component.provides}


@pytest.mark.parametrize(("options", "said"), [({}, True), ({"earrings": 0.1}, None), ({"certainty": 1.0}, None)])
def test_options_decide_from_what_area_and_how_surely_jewellery_is_said(make, options, said):
    drawn = Drawn().ellipse("ear_r", 1.06, 0.65, 0.04, 0.05, (230, 200, 60))
    assert drawn.said(make(**options)).get("wearing_earrings") is said


def test_what_lies_outside_the_photo_is_no_part_of_the_face(torch):
    from t2f_bisenet._extractor import parsed

    drawn = Drawn()
    whole = parsed(drawn.portrait(), drawn.classes)
    face = parsed(cut(drawn.portrait(), 0, 100, 400, SIDE), drawn.classes)
    assert whole.inside.all()
    assert face.inside[100:, :400].all()
    assert not face.inside[:100].any()
    assert not face.inside[:, 400:].any()
    np.testing.assert_allclose(face.landmarks, whole.landmarks, atol=1e-3)


# through the network


def test_findings_and_classes_do_not_depend_on_the_batch(bisenet):
    some = portraits()[:3]
    together = bisenet.parse(some)
    for one, (_, classes) in zip(some, together, strict=True):
        ((_, alone),) = bisenet.parse([one])
        np.testing.assert_array_equal(alone, classes)
        assert len(np.unique(classes)) > 10  # the network does say something
    found = [bisenet.findings(*one) for one in together]
    assert bisenet.extract(some) == found
    assert bisenet.extract(some[::-1])[::-1] == found
    assert bisenet.extract([]) == []


def test_scores_are_rounded(bisenet):
    for findings in bisenet.extract(portraits()[:2]):
        assert findings
        assert all(one.score == round(one.score, 3) and 0.7 <= one.score <= 1 for one in findings)


def test_labels_are_the_classes_of_the_largest_scores(torch, weights):
    from t2f_bisenet._network import load

    image = torch.rand(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        scores, labels = load(weights, labels=False)(image), load(weights, labels=True)(image)
    assert scores.shape == (1, 19, SIDE, SIDE)
    np.testing.assert_array_equal(scores.argmax(1), labels[:, 0])


@pytest.mark.nightly
def test_bfloat16_says_nearly_the_same_classes(bisenet, weights, runtime):
    halved = t2f_bisenet.build(BiSeNetOptions(weights=str(weights)), replace(runtime, dtype="bfloat16"))
    some = portraits()[:1]
    ((_, full),), ((_, half),) = bisenet.parse(some), halved.parse(some)
    assert np.mean(full == half) > 0.9


def test_landmarks_without_extent_are_refused(bisenet):
    face = Face(np.array([0, 0, 9, 9], np.float32), np.ones((5, 2), np.float32), 1.0)
    with pytest.raises(DegenerateFace):
        bisenet.extract([Portrait(portraits()[0].photo, face)])


def test_a_face_far_larger_or_smaller_than_the_square_fills_the_same_part_of_it(torch):
    from t2f_bisenet._extractor import CROP, POINTS

    for unit in (15.0, 900.0):
        points = np.array([[-0.5, 0], [0.5, 0], [0, 0.61], [-0.44, 1.065], [0.44, 1.065]]) * unit + 3 * unit
        matrix = CROP.matrix(face_of(points))
        seen = points @ matrix[:, :2].T + matrix[:, 2]
        np.testing.assert_allclose(seen, np.array(POINTS) * SIDE - 0.5, atol=1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {k: v for k, v in state.items() if "conv_out16" not in k}, r"missing \(conv_out16\."),
        (lambda state: {**state, "fc.weight": state["cp.conv_avg.conv.weight"]}, r"1 unknown \(fc\.weight\)"),
        (lambda state: {**state, "cp.conv_avg.conv.weight": state["cp.conv_avg.bn.weight"]}, "another shape"),
        (lambda _: "none", "plain table of tensors"),
    ],
)
def test_a_file_with_other_tensors_is_refused_and_the_difference_named(torch, make, weights, tmp_path, change, message):
    torch.save(change(torch.load(weights, weights_only=True)), tmp_path / "other.pth")
    with pytest.raises(ArtifactError, match=message):
        make(weights=str(tmp_path / "other.pth"))
