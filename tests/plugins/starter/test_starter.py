"""The starter analyser on the example photos; its network is in the repository, so nothing is fetched."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import t2f_starter
from PIL import Image
from support.paths import ROOT
from t2f_starter._extractor import _agrees, _smile, _unseen, _without_specks
from t2f_starter.signature import FIGURES, POINTS, SIDE, framing

from text2face_core import Face, Finding, Photo, Portrait, Runtime
from text2face_core.images.regions import ParsedFace, Region, Thresholds, derive
from text2face_core.models.store import ModelStore

PHOTOS = ROOT / "examples" / "photos"
FOLDER = Path(t2f_starter.__file__).parent
LANDMARKS = tomllib.loads((Path(__file__).with_name("starter_landmarks.toml")).read_text(encoding="utf-8"))
"""Of the example photos, as the detector finds them: with them, these tests need no detector."""


def portrait(number: int) -> Portrait:
    pixels = np.asarray(Image.open(PHOTOS / f"portrait-{number:02}.jpg").convert("RGB"))
    points = np.array(LANDMARKS[f"portrait-{number:02}"]) * [pixels.shape[1], pixels.shape[0]]
    box = np.concatenate([points.min(0), points.max(0)])
    return Portrait(Photo(f"{number:016x}", "", pixels), Face(box.astype(np.float32), points.astype(np.float32), 1.0))


def starter(threads: int = 1, **options):
    return t2f_starter.build(t2f_starter.StarterOptions(**options), Runtime(ModelStore(offline=True), threads=threads))


@pytest.fixture(scope="module")
def said():
    portraits = [portrait(number) for number in range(1, 13)]
    return {n: {f.name: f for f in row} for n, row in enumerate(starter().extract(portraits), start=1)}


def values(findings):
    return {name: finding.value for name, finding in findings.items()}


@pytest.mark.parametrize("number", [2, 11])
def test_glasses_are_seen(said, number):
    assert said[number]["eyeglasses"].value is True


@pytest.mark.parametrize("number", [1, 3, 4, 5, 9])
def test_no_glasses_are_seen_where_there_are_none(said, number):
    assert values(said[number]).get("eyeglasses") is False


def test_nothing_is_said_of_dark_glasses():
    bright = portrait(11)
    ((face, _),) = starter().parse([bright])
    crop = framing()
    # Darken what the network took for glasses, in the photo itself.
    inverse = np.linalg.inv(np.vstack([crop.matrix(bright.face), [0, 0, 1]]))
    rows, columns = np.nonzero(face.regions == Region.GLASSES)
    pixels = bright.photo.pixels.copy()
    for dx, dy in np.ndindex(9, 9):
        x, y, _ = np.round(
            inverse @ np.stack([columns + dx / 8 - 0.5, rows + dy / 8 - 0.5, np.ones(len(rows))])
        ).astype(int)
        pixels[y, x] = (14, 12, 12)
    (row,) = starter().extract([Portrait(Photo("2" * 16, "", pixels), bright.face)])
    assert "eyeglasses" not in {finding.name for finding in row}


def test_a_hat_is_seen(said):
    assert said[8]["wearing_hat"].value is True
    assert "bald" not in said[8]


def test_smiles_look_happy_and_serious_faces_neutral(said):
    for number in (1, 4, 10, 11):
        assert values(said[number])["smiling"] is True
        assert values(said[number])["emotion"] == "happiness"
    assert values(said[12])["emotion"] == "neutral"


def test_findings_are_those_declared_with_scores_that_are_sure(said):
    (component,) = t2f_starter.t2f_extractors()
    findings = [finding for row in said.values() for finding in row.values()]
    assert {finding.name for finding in findings} <= set(component.provides)
    assert all(0.7 <= finding.score <= 1 for finding in findings)


def test_no_finding_is_surer_than_the_rule_that_gives_it(said):
    portraits = [portrait(number) for number in range(1, 13)]
    for number, (face, _) in enumerate(starter().parse(portraits), start=1):
        for finding in derive(face, Thresholds(said_from=0)):
            if finding.name in said[number]:
                assert said[number][finding.name].score <= finding.score + 0.001


def drawn(*patches: tuple[Region, slice, slice], colour=(120, 90, 70)) -> ParsedFace:
    """A face of the given regions, all of it in one colour."""
    regions = np.zeros((SIDE, SIDE), np.uint8)
    for region, rows, columns in patches:
        regions[rows, columns] = region
    pixels = np.full((SIDE, SIDE, 3), colour, np.uint8)
    return ParsedFace(pixels, regions, np.array(POINTS) * SIDE - 0.5, np.ones((SIDE, SIDE), bool))


HEAD = (Region.HAIR, slice(10, 45), slice(30, 98))


def test_a_stray_patch_of_hair_is_not_counted():
    face = _without_specks(drawn(HEAD, (Region.HAIR, slice(100, 110), slice(2, 12))))
    assert (face.regions[10:45, 30:98] == Region.HAIR).all()
    assert not (face.regions[60:] == Region.HAIR).any()


def test_under_a_hat_a_dark_collar_is_not_hair():
    collar = (Region.HAIR, slice(105, 128), slice(10, 60))
    hat = (Region.HAT, slice(0, 40), slice(30, 98))
    assert not (_without_specks(drawn(hat, collar)).regions == Region.HAIR).any()
    assert (_without_specks(drawn(collar)).regions == Region.HAIR).any()


def length_of(*patches):
    face = drawn(HEAD, *patches)
    findings = derive(face, Thresholds(said_from=0))
    assert "hair_length" in {finding.name for finding in findings}
    return {finding.name: finding.value for finding in findings}["hair_length"], "hair_length" in _unseen(
        face, findings
    )


def test_hair_that_is_long_only_in_a_strand_is_not_called_long():
    assert length_of((Region.HAIR, slice(45, 126), slice(2, 8))) == ("long", True)
    assert length_of((Region.HAIR, slice(45, 126), slice(0, 34)), (Region.HAIR, slice(45, 126), slice(94, 128))) == (
        "long",
        False,
    )


@pytest.mark.parametrize(
    ("colour", "name", "doubtful"),
    [
        ((235, 235, 235), "gray_hair", True),  # bleached by light
        ((150, 150, 150), "gray_hair", False),
        ((170, 130, 80), "brown_hair", True),  # as light as dark blond
        ((90, 60, 35), "brown_hair", False),
        ((215, 210, 195), "blond_hair", True),  # as pale as white hair
        ((215, 185, 130), "blond_hair", False),
    ],
)
def test_a_hair_colour_that_light_or_age_may_have_made_is_doubtful(colour, name, doubtful):
    assert (name in _unseen(drawn(HEAD, colour=colour), [])) is doubtful


def test_nothing_is_said_of_the_colour_of_a_bald_head():
    assert "black_hair" in _unseen(drawn(HEAD), [Finding("bald", True, 0.6)])
    assert "black_hair" not in _unseen(drawn(HEAD), [Finding("bald", False, 0.6)])


FIGURES_OF_A_CALM_FACE = dict.fromkeys(FIGURES, 0.0)


@pytest.mark.parametrize(
    ("value", "score", "squint", "eyes_closed", "said_so"),
    [
        ("fully_open", 0.99, 0.3, 0.1, True),
        ("fully_open", 0.95, 0.3, 0.1, False),
        ("fully_open", 0.99, 0.7, 0.1, False),
        ("partly_open", 0.8, 0.7, 0.1, True),
        ("partly_open", 0.8, 0.3, 0.1, False),
        ("closed", 0.9, 0.3, 0.9, True),
        ("closed", 0.9, 0.3, 0.1, False),
    ],
)
def test_eyes_are_open_or_closed_where_mask_and_figures_agree(value, score, squint, eyes_closed, said_so):
    figures = FIGURES_OF_A_CALM_FACE | {"squint": squint, "eyes_closed": eyes_closed}
    assert _agrees(Finding("eye_openness", value, score), figures) is said_so


def test_who_opens_the_mouth_does_not_look_neutral():
    assert {f.name for f in _smile(FIGURES_OF_A_CALM_FACE)} == {"smiling", "emotion"}
    assert {f.name for f in _smile(FIGURES_OF_A_CALM_FACE | {"mouth_open": 0.5})} == {"smiling"}


def test_a_black_and_white_portrait_has_neither_hair_colour_nor_skin_tone(said):
    assert not {"skin_tone", "black_hair", "brown_hair", "blond_hair", "gray_hair", "red_hair"} & said[6].keys()


def test_results_do_not_depend_on_batches_or_threads():
    portraits = [portrait(number) for number in range(1, 13)] * 6
    together = starter().extract(portraits)
    assert [row for p in portraits[:12] for row in starter().extract([p])] == together[:12]
    assert [row for s in range(0, 70, 7) for row in starter().extract(portraits[s : s + 7])] == together[:70]
    assert starter(threads=2).extract(portraits) == together


def test_a_higher_certainty_says_less_and_nothing_new(said):
    sure = starter(certainty=0.95).extract([portrait(number) for number in range(1, 13)])
    for number, row in enumerate(sure, start=1):
        for finding in row:
            assert finding.score >= 0.95
            assert said[number][finding.name] == finding
    assert sum(map(len, sure)) < sum(map(len, said.values()))


def test_a_photo_of_any_size_gives_nearly_the_same(said):
    large = portrait(1)
    pixels = np.asarray(Image.fromarray(large.photo.pixels).resize((1600, 1600), Image.Resampling.LANCZOS))
    zoom = 1600 / large.photo.width
    face = Face(large.face.box * zoom, ((large.face.landmarks + 0.5) * zoom - 0.5).astype(np.float32), 1.0)
    (row,) = starter().extract([Portrait(Photo("1" * 16, "", pixels), face)])
    again = {finding.name: finding.value for finding in row}
    common = again.keys() & said[1].keys()
    assert len(common) >= 6
    assert all(again[name] == said[1][name].value for name in common)


def test_the_crop_brings_landmarks_to_their_places():
    crop = framing()
    points = np.array(POINTS, np.float32) * 500 + 37
    matrix = crop.matrix(Face(np.array([37, 37, 537, 537], np.float32), points - 0.5, 1.0))
    assert np.allclose((points - 0.5) @ matrix[:, :2].T + matrix[:, 2], np.array(POINTS) * SIDE - 0.5, atol=1e-3)


def test_the_network_is_small_and_says_what_the_signature_says():
    import onnxruntime

    weights = FOLDER / "starter.onnx"
    assert weights.stat().st_size <= 5_000_000
    session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape[1:] == [SIDE, SIDE, 3]
    regions, figures = session.run(None, {"pixels": np.zeros((3, SIDE, SIDE, 3), np.uint8)})
    assert regions.shape == (3, SIDE, SIDE)
    assert figures.shape == (3, len(FIGURES))
    assert regions.dtype == np.uint8
    assert 0 <= figures.min() <= figures.max() <= 1


def test_calibration_is_of_known_figures_and_findings():
    scales = tomllib.loads((FOLDER / "calibration.toml").read_text(encoding="utf-8"))
    (component,) = t2f_starter.t2f_extractors()
    assert scales.keys() <= {*FIGURES, *component.provides}
    assert all(scale["slope"] > 0 for scale in scales.values())
