"""The starter analyser on the example photos; its network is in the repository, so nothing is fetched."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import t2f_starter
from PIL import Image
from t2f_starter.signature import FIGURES, POINTS, SIDE, framing

from text2face_core import Face, Photo, Portrait, Runtime
from text2face_core.models import ModelStore
from text2face_core.regions import Region

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
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


def test_declaring_the_component_loads_nothing_heavy():
    program = (
        "import sys, t2f_starter; list(t2f_starter.t2f_extractors()); "
        "sys.exit(any(name in sys.modules for name in ('cv2', 'onnxruntime', 'torch')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
