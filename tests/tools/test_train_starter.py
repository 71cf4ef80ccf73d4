"""The starter's training, on a handful of drawn faces: what it leaves is what the plugin reads."""

import importlib
import re
import sys
import tomllib

import numpy as np
import pytest

from text2face_core.images.regions import Region

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("default")  # torch's own exporter warns of itself

FACES = 36


def drawn_face(random):
    """A face of ellipses: pixels and regions."""
    from tools.train_starter.cache import SIDE

    y, x = np.mgrid[:SIDE, :SIDE]
    regions = np.full((SIDE, SIDE), Region.BACKGROUND, np.uint8)
    regions[((x - 96) / 70) ** 2 + ((y - 90) / 75) ** 2 < 1] = Region.HAIR
    regions[((x - 96) / 48) ** 2 + ((y - 110) / 60) ** 2 < 1] = Region.SKIN
    for eye in (77, 115):
        regions[((x - eye) / 9) ** 2 + ((y - 92) / 4) ** 2 < 1] = Region.EYES
    regions[((x - 96) / 18) ** 2 + ((y - 131) / 5) ** 2 < 1] = Region.LIPS
    hat, glasses = random.random() < 0.4, random.random() < 0.4
    if glasses:
        for eye in (77, 115):
            ring = ((x - eye) / 17) ** 2 + ((y - 92) / 12) ** 2
            regions[(ring < 1) & (ring > 0.5)] = Region.GLASSES
    if hat:
        regions[(np.abs(x - 96) < 66) & (y > 15) & (y < 62)] = Region.HAT
    colours = random.integers(0, 255, (len(Region), 3))
    pixels = np.clip(colours[regions] + random.normal(0, 8, (SIDE, SIDE, 1)), 0, 255).astype(np.uint8)
    return pixels, regions, {"wearing_hat": float(hat), "eyeglasses": float(glasses), "smile": random.random()}


@pytest.fixture
def work(tmp_path):
    from t2f_starter.signature import FIGURES

    random = np.random.default_rng(5)
    faces = [drawn_face(random) for _ in range(FACES)]
    cache = tmp_path / "cache"
    cache.mkdir()
    np.save(cache / "images.npy", np.stack([face[0] for face in faces]))
    np.save(cache / "regions.npy", np.stack([face[1] for face in faces]))
    figures = [[face[2].get(name, 0.0) for name in FIGURES] for face in faces]
    np.save(cache / "figures.npy", np.array(figures, np.float32))
    np.save(cache / "seeds.npy", np.arange(1_000_000, 1_000_000 + FACES))
    return tmp_path


@pytest.fixture
def step(monkeypatch, capsys):
    """Runs one step of the training as its command does; gives what it printed."""

    def run(name, *given):
        module = importlib.import_module(f"tools.train_starter.{name}")
        monkeypatch.setattr(sys, "argv", [name, *map(str, given)])
        module.main()
        return capsys.readouterr().out

    return run


def weights_of(work):
    import torch

    return torch.load(work / "checkpoint.pt", weights_only=True)["average"]


@pytest.mark.nightly
def test_training_that_was_stopped_goes_on_as_if_it_had_not_been(work, step, tmp_path_factory):
    whole = tmp_path_factory.mktemp("whole")
    (whole / "cache").symlink_to(work / "cache")
    usual = ("--batch", 8, "--threads", 1, "--float32", "--epochs")
    said = step("train", whole, *usual, 2)
    assert "33 faces to learn from, 3 to check on" in said
    step("train", work, *usual, 2, "--stop-after", 1)
    step("train", work, *usual, 2)
    one, other = weights_of(whole), weights_of(work)
    assert all((one[key] - other[key]).abs().max() < 1e-6 for key in one)


@pytest.mark.nightly
def test_what_training_leaves_can_be_exported_and_calibrated(work, step):
    import onnxruntime
    import torch
    from t2f_starter.signature import FIGURES, SIDE

    from tools.train_starter.export import Exported, load, shift

    step("train", work, "--epochs", 1, "--batch", 8, "--threads", 1)
    said = step("balance", work)
    before, after = (float(figure) for figure in re.findall(r"(?:IoU|offsets) ([\d.]+)", said))
    assert after >= before
    assert "bytes" in step("export", work, work / "small.onnx")
    session = onnxruntime.InferenceSession(work / "small.onnx")
    pixels = np.random.default_rng(1).integers(0, 255, (3, SIDE, SIDE, 3), np.uint8)
    regions, figures = session.run(["regions", "figures"], {"pixels": pixels})
    with torch.no_grad():
        network = load(work / "checkpoint.pt")
        shift(network, work / "offsets.npy")
        wanted = Exported(network)(torch.from_numpy(pixels))
    assert figures.shape == (3, len(FIGURES))
    np.testing.assert_allclose(figures, wanted[1].numpy(), atol=1e-5)
    assert np.mean(regions == wanted[0].numpy()) > 0.999

    step("calibrate", work, work / "calibration.toml")
    scales = tomllib.loads((work / "calibration.toml").read_text())
    assert {"eyeglasses", "wearing_hat", "mouth_open"} <= scales.keys()
    assert all(scale["slope"] > 0 for scale in scales.values())


@pytest.mark.parametrize(
    ("put", "figure", "region"), [("hat", "wearing_hat", "HAT"), ("glasses", "eyeglasses", "GLASSES")]
)
def test_what_is_put_on_a_face_stands_in_picture_regions_and_figures(work, put, figure, region):
    from t2f_starter.signature import FIGURES

    from tools.train_starter import transplant
    from tools.train_starter.train import Faces

    faces, column, worn = Faces(work / "cache"), FIGURES.index(figure), Region[region]
    donors = {"hat": faces.hats, "glasses": faces.glasses}[put]
    bare = faces.face(int(np.flatnonzero(faces.figures[:, column] == 0)[0]))
    dressed = getattr(transplant, f"put_{put}")(bare, faces.face(int(donors[0])), np.random.default_rng(2))
    assert dressed.figures[column] == 1
    assert bare.figures[column] == 0, "the face of the cache stays as it was"
    assert not (bare.regions == worn).any()
    assert (dressed.regions == worn).sum() > 250
    chin = np.s_[150:, :]
    assert (dressed.image[chin] == bare.image[chin]).all()
    assert (dressed.regions[chin] == bare.regions[chin]).all()
