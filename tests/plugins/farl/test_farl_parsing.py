"""FaRL's parsers, played by small scripted networks that know painted faces: what is painted is measured and said."""

import functools
import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest
import t2f_farl
from support.example_faces import face_of, portraits
from t2f_farl import ParsingOptions

from text2face_core import Photo, Portrait, Runtime
from text2face_core.errors import ArtifactError
from text2face_core.images.regions import Region
from text2face_core.models.store import ModelStore


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("onnxscript")
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return Runtime(ModelStore(tmp_path_factory.mktemp("models"), offline=True), threads=2)


# Corners of the colour cube: a mixture of two of them is nearest to one of the two.
COLOURS = {
    Region.BACKGROUND: (0, 0, 0),
    Region.SKIN: (255, 0, 0),
    Region.HAIR: (0, 255, 0),
    Region.EYES: (0, 0, 255),
    Region.LIPS: (255, 255, 0),
    Region.MOUTH: (0, 255, 255),
    Region.HAT: (255, 0, 255),
    Region.GLASSES: (255, 255, 255),
}
CLASSES = {
    "lapa": (
        11,
        {Region.BACKGROUND: 0, Region.SKIN: 1, Region.HAIR: 10, Region.EYES: 4, Region.LIPS: 7, Region.MOUTH: 8},
    ),
    "celebm": (
        19,
        {Region.BACKGROUND: 0, Region.SKIN: 2, Region.HAIR: 14, Region.EYES: 9, Region.LIPS: 13, Region.MOUTH: 11},
    ),
}
UNKNOWN = {"lapa": {Region.HAT: 0, Region.GLASSES: 1}, "celebm": {Region.HAT: 16, Region.GLASSES: 15}}
"""What lapa, which knows neither, takes them for; celebm knows both."""


@pytest.fixture(scope="module")
def scripted(torch, tmp_path_factory):
    """Writes a parser as FaRL's are: scripted, with two outputs, logits first. It knows painted regions by colour."""
    folder = tmp_path_factory.mktemp("parsers")

    class Painted(torch.nn.Module):
        def __init__(self, name, coarse=1, more=0, fixed=False):
            super().__init__()
            self.coarse = coarse
            self.fixed = fixed
            count, classes = CLASSES[name]
            table = torch.zeros(len(COLOURS), count + more)
            for row, region in enumerate(COLOURS):
                table[row, (classes | UNKNOWN[name])[region]] = 9.0
            self.register_buffer("colours", torch.tensor([*COLOURS.values()]) / 255.0)
            self.register_buffer("table", table)

        def forward(self, images):
            images = torch.nn.functional.avg_pool2d(images, self.coarse)
            if self.fixed:  # a figure of the script's own, which no dtype changes
                images = images + torch.zeros(1, dtype=torch.float32)
            scores = torch.einsum("nchw,kc->nkhw", images - 0.5, self.colours - 0.5)
            logits = torch.nn.functional.embedding(scores.argmax(1), self.table).permute(0, 3, 1, 2)
            return logits, images

    @functools.cache
    def write(name, **changes):
        path = folder / f"{name} {changes}.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch would rather have another format
            torch.jit.script(Painted(name, **changes)).save(str(path))
        return str(path)

    return write


@pytest.fixture(scope="module")
def parsers(scripted, runtime):
    @functools.cache
    def build(*models, **changes):
        weights = {f"{name}_weights": scripted(name, **changes) for name in models}
        return t2f_farl.build_parsing(ParsingOptions(models=models, **weights), runtime)

    return build


def painted(unit=80.0, size=(900, 1000), turn=0.0, **regions):
    """A face with these measures, in units of the eyes' distance; returns the portrait and the painted regions."""
    import cv2

    look = {"hair": 0.9, "eye": 0.2, "mouth": 0.0, "hat": 0.0, "glasses": 0.0, **regions}
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    middle = np.array([size[0] / 2, size[1] * 0.42])
    c, s = np.cos(turn), np.sin(turn)

    def place(*points):
        return np.rint((np.array(points) * unit) @ np.array([[c, s], [-s, c]]) + middle).astype(np.int32)

    def oval(region, x, y, wide, high):
        angles = np.linspace(0, 2 * np.pi, 60)
        edge = np.stack([x + wide / 2 * np.cos(angles), y + high / 2 * np.sin(angles)], axis=1)
        cv2.fillPoly(canvas, [place(*edge)], COLOURS[region])

    def box(region, left, top, right, bottom):
        cv2.fillPoly(canvas, [place((left, top), (right, top), (right, bottom), (left, bottom))], COLOURS[region])

    if look["hair"]:
        oval(Region.HAIR, 0, -0.3, 2.9, 3.2)
        box(Region.HAIR, -1.45, -0.3, 1.45, look["hair"])
    oval(Region.SKIN, 0, 0.4, 2.1, 2.9)
    if look["hat"]:
        box(Region.HAT, -1.4, -1.9, 1.4, -1.9 + look["hat"])
    for x in (-0.5, 0.5):
        if look["glasses"]:
            box(Region.GLASSES, x - 0.35, -0.3, x + 0.35, -0.3 + look["glasses"])
        if look["eye"]:
            oval(Region.EYES, x, 0, 0.45, look["eye"])
    oval(Region.LIPS, 0, 1.07, 0.9, 0.3 + look["mouth"])
    if look["mouth"]:
        oval(Region.MOUTH, 0, 1.07, 0.7, look["mouth"])
    points = ((-0.5, 0), (0.5, 0), (0, 0.6), (-0.4, 1.065), (0.4, 1.065))
    landmarks = (np.array(points) * unit) @ np.array([[c, s], [-s, c]]) + middle + 0.5
    return Portrait(Photo("", "", canvas), face_of(landmarks))


def said(parsing, portrait):
    (findings,) = parsing.extract([portrait])
    return {finding.name: finding.value for finding in findings}


@pytest.mark.parametrize("model", ["lapa", "celebm"])
@pytest.mark.parametrize(
    "how", [{}, {"unit": 30.0, "size": (420, 420)}, {"turn": 0.5}, {"unit": 130.0, "size": (700, 640), "hair": 2.6}]
)
def test_areas_are_those_of_the_photo(parsers, model, how):
    look = {"eye": 0.25, "mouth": 0.4, "hair": 1.5, **how}
    portrait = painted(**look)
    (face,) = parsers(model).parse([portrait])
    frame = parsers(model)._parsers[model]._kind.frame
    x, y = frame.photo_points(frame.matrix(portrait.face))
    height, width = portrait.photo.pixels.shape[:2]
    unit = float(np.hypot(*(portrait.face.landmarks[1] - portrait.face.landmarks[0])))
    # celebm does not see all of the photo: only what lies well inside counts.
    seen = np.zeros((height, width), bool)
    seen[max(0, int(y.min())) : int(y.max()) + 1, max(0, int(x.min())) : int(x.max()) + 1] = True
    for region, colour in COLOURS.items():
        if region in {Region.BACKGROUND, Region.HAT, Region.GLASSES} or (region == Region.HAIR and model == "celebm"):
            continue
        there = (portrait.photo.pixels == colour).all(axis=-1) & seen
        wanted = there.sum() / unit**2
        assert face.area(face.mask(region)) == pytest.approx(wanted, rel=0.03, abs=0.004), region


@pytest.mark.parametrize("how", [{}, {"unit": 40.0, "size": (420, 520)}, {"turn": 0.4}, {"turn": -0.4}])
@pytest.mark.parametrize(
    ("look", "wanted"),
    [
        ({"hair": 0.6}, {"hair_length": "short"}),
        ({"hair": 1.6}, {"hair_length": "medium"}),
        ({"hair": 2.6}, {"hair_length": "long"}),
        ({"hair": 0.0}, {"hair_length": "bald"}),
        ({"eye": 0.24}, {"eye_openness": "fully_open"}),
        ({"eye": 0.0}, {"eye_openness": "closed"}),
        ({"mouth": 0.0}, {"mouth_openness": "closed"}),
        ({"mouth": 0.15}, {"mouth_openness": "slightly_open"}),
        ({"mouth": 0.6}, {"mouth_openness": "fully_open"}),
    ],
)
def test_what_is_painted_is_said(parsers, how, look, wanted):
    assert said(parsers("lapa"), painted(**look, **how)).items() >= wanted.items()


@pytest.mark.parametrize("model", ["lapa", "celebm"])
def test_eyes_that_are_partly_open_are_said_to_be(parsers, model):
    assert said(parsers(model), painted(unit=160.0, size=(1200, 1300), eye=0.08))["eye_openness"] == "partly_open"


@pytest.mark.parametrize(
    ("models", "look", "wanted"),
    [
        (("lapa", "celebm"), {}, {"eyeglasses": False, "wearing_hat": False}),
        (("lapa", "celebm"), {"glasses": 0.6}, {"eyeglasses": True, "wearing_hat": False}),
        (("lapa", "celebm"), {"hat": 0.9}, {"eyeglasses": False, "wearing_hat": True}),
        (("celebm", "lapa"), {"hat": 0.9, "turn": 0.3}, {"eyeglasses": False, "wearing_hat": True}),
        (("celebm",), {"glasses": 0.6, "hat": 0.9}, {"eyeglasses": True, "wearing_hat": True}),
        (("lapa",), {"glasses": 0.6, "hat": 0.9}, {}),  # knows neither, so says neither
    ],
)
def test_glasses_and_hats_are_said_where_celebm_looks(parsers, models, look, wanted):
    found = said(parsers(*models), painted(**look))
    assert {name: value for name, value in found.items() if name in {"eyeglasses", "wearing_hat"}} == wanted


def test_a_hat_that_only_celebm_sees_keeps_lapa_from_calling_hair_short(parsers):
    portrait = painted(hat=1.0, hair=0.5)
    assert said(parsers("lapa"), portrait)["hair_length"] == "short"
    assert "hair_length" not in said(parsers("lapa", "celebm"), portrait)


@pytest.mark.nightly
def test_only_what_parsing_declares_is_said(parsers):
    (component,) = (one for one in t2f_farl.t2f_extractors() if one.name == "farl.parsing")
    found = parsers("lapa", "celebm").extract([*portraits(), painted(), painted(hair=0.0)])
    assert {finding.name for findings in found for finding in findings} <= {*component.provides}


@pytest.mark.nightly
def test_regions_do_not_depend_on_the_batch(parsers):
    parsing = parsers("lapa", "celebm")
    some = [*portraits()[:5], painted(mouth=0.3), painted(hair=2.5, turn=0.2), painted(hat=1.0)]
    alone = [parsing.extract([one])[0] for one in some]
    assert parsing.extract(some) == alone
    assert parsing.extract(some[::-1])[::-1] == alone


def test_logits_smaller_than_the_square_are_enlarged(parsers):
    portrait = painted(mouth=0.5, hair=2.6)
    assert said(parsers("lapa", coarse=4), portrait) == said(parsers("lapa"), portrait)


@pytest.mark.parametrize("changes", [{}, {"fixed": True}])
def test_half_precision_is_used_where_the_script_takes_it_and_left_where_not(scripted, runtime, caplog, changes):
    halved = replace(runtime, dtype="bfloat16")
    given = ParsingOptions(models=("lapa",), lapa_weights=scripted("lapa", **changes))
    assert (
        said(t2f_farl.build_parsing(given, halved), painted(mouth=0.5, hair=2.6)).items()
        >= {
            "hair_length": "long",
            "mouth_openness": "fully_open",
        }.items()
    )
    assert ("cannot compute in bfloat16" in caplog.text) is bool(changes)


@pytest.mark.nightly
def test_a_parser_with_other_classes_is_refused(parsers):
    with pytest.raises(ArtifactError, match="parser lapa, has 12 classes, not 11"):
        parsers("lapa", more=1).extract([painted()])


def test_a_file_that_is_no_torchscript_is_refused(torch, runtime, tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "state.pt")
    for path in (tmp_path / "state.pt", tmp_path / "nowhere.pt"):
        with pytest.raises(ArtifactError, match=f"{path.name} is not a TorchScript file"):
            t2f_farl.build_parsing(ParsingOptions(models=("lapa",), lapa_weights=str(path)), runtime)


def test_memory_does_not_grow_with_the_photo(parsers):
    parsing, portrait = parsers("lapa"), painted(unit=500.0, size=(5000, 5000), hair=2.5)
    parsing.extract([portrait])
    tracemalloc.start()
    parsing.extract([portrait])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64e6  # one class's logits at the photo's size are 100 MB


def test_the_photo_stays_as_it_is(parsers):
    portrait = painted()
    before = portrait.photo.pixels.copy()
    portrait.photo.pixels.flags.writeable = False
    parsers("lapa", "celebm").extract([portrait])
    np.testing.assert_array_equal(portrait.photo.pixels, before)
