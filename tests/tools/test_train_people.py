"""The training of `people`, on a handful of drawn faces: what it leaves is what the plugin reads."""

import importlib
import sys
import tomllib

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("scipy")
pytestmark = pytest.mark.filterwarnings("default")  # torch's own exporter warns of itself

COUNT = 96
HAIR = ("none", "stubble", "mustache", "goatee", "beard", "unclear")
WORN = ("none", "glasses", "sunglasses", "unclear")


@pytest.fixture
def work(tmp_path):
    from tools.train_people.prepare import CALIBRATE, KEPT, LEARN, STORED

    random = np.random.default_rng(3)
    np.save(tmp_path / "images.npy", random.integers(0, 255, (COUNT, STORED, STORED, 3), np.uint8))
    numbers = np.arange(COUNT)
    use = np.select([numbers % 4 == 1, numbers % 4 == 2], [CALIBRATE, KEPT], LEARN)
    np.savez(
        tmp_path / "labels.npz", files=np.array([f"train/{n}.jpg" for n in numbers]), band=random.integers(0, 9, COUNT),
        gender=random.integers(0, 2, COUNT), race=random.integers(0, 7, COUNT), use=use, found=use >= 0,
    )  # fmt: skip
    return tmp_path


@pytest.fixture
def step(monkeypatch, capsys):
    """Runs one step of the training as its command does; gives what it printed."""

    def run(name, *given):
        module = importlib.import_module(f"tools.train_people.{name}")
        monkeypatch.setattr(sys, "argv", [name, *map(str, given)])
        module.main()
        return capsys.readouterr().out

    return run


def test_what_training_leaves_can_be_exported_calibrated_and_evaluated(work, step, monkeypatch):
    from tools.train_people import train

    monkeypatch.setattr(train, "ROUND", 128)
    said = step("train", work, "--minutes", 0.02, "--threads", 1)
    assert "48 photos" in said
    assert "round 1" in said
    again = step("train", work, "--minutes", 0.001, "--threads", 1)
    assert "round" not in again, "its minutes were over"
    lines = [
        f"train/{n}.jpg,{HAIR[n % 6]},{WORN[n % 4]},none,no,no,{('random', 'chosen')[n % 2]}" for n in range(COUNT)
    ]
    header = "file,facial_hair,eyewear,headwear,gray_hair,makeup,drawn"
    (work / "seen.csv").write_text("\n".join([header, *lines]), encoding="utf-8")
    said = step("looks", work, work / "seen.csv")
    assert f"sunglasses: {COUNT} faces" in said or "sunglasses: 72 faces" in said
    assert "bytes" in step("export", work, work / "people.onnx")
    step("calibrate", work, work / "people.onnx", work / "people.toml")
    record = tomllib.loads((work / "people.toml").read_text(encoding="utf-8"))
    assert record["model"]["size"] == (work / "people.onnx").stat().st_size
    said = step("evaluate", work, work)
    assert "race of seven" in said
    assert (work / "kept.csv").read_text(encoding="utf-8").startswith("file,age,gender,race")


def test_a_checkpoint_holds_all_that_training_needs(work):
    from tools.train_people.train import Faces, Training

    torch.set_num_threads(1)
    faces, random = Faces(work), np.random.default_rng(1)
    batches = [faces.seen(faces.draw(16, random), 64, random) for _ in range(3)]
    whole, parted = Training(), Training()
    for batch in batches:
        whole.learn(batch, 0.5)
    parted.learn(batches[0], 0.5)
    parted.save(work / "checkpoint.pt")
    resumed = Training()
    resumed.load(work / "checkpoint.pt")
    for batch in batches[1:]:
        resumed.learn(batch, 0.5)
    one, other = whole.average.state_dict(), resumed.average.state_dict()
    assert all((one[key].double() - other[key].double()).abs().max() < 1e-5 for key in one)


def test_bands_that_became_dates_are_read(tmp_path):
    from tools.train_people.prepare import BANDS, read_labels

    table = tmp_path / "labels.csv"
    table.write_text(
        "file,age,gender,race,service_test\ntrain/1.jpg,03-Sep,Male,Black,TRUE\n"
        "train/2.jpg,Oct-19,Female,White,FALSE\ntrain/3.jpg,more than 70,Female,Indian,FALSE\n"
    )
    assert [BANDS[row[1]] for row in read_labels(table)] == ["3-9", "10-19", "more than 70"]


def test_photos_are_kept_from_training_by_their_names_alone():
    from tools.train_people.prepare import CALIBRATE, KEPT, split

    files = [f"train/{n}.jpg" for n in range(1, 5001)]
    use = dict(zip(files, split(files), strict=True))
    assert list(use.values()).count(KEPT) == 2500
    assert list(use.values()).count(CALIBRATE) == 1000
    other = files[::-1]
    assert dict(zip(other, split(other), strict=True)) == use


def test_rare_groups_are_drawn_more_often(work):
    from tools.train_people.train import Faces

    faces = Faces(work)
    faces.labels[faces.learn] = [4, 0, 0]
    faces.labels[faces.learn[:3]] = [8, 1, 1]
    np.savez(work / "labels.npz", band=faces.labels[:, 0], gender=faces.labels[:, 1], race=faces.labels[:, 2],
             use=faces.use)  # fmt: skip
    again = Faces(work)
    drawn = again.draw(4800, np.random.default_rng(0))
    share = np.isin(drawn, again.learn[:3]).mean()
    assert share == pytest.approx(3**0.5 / (3**0.5 + 45**0.5), abs=0.01)


def test_the_probability_of_a_band_is_that_of_the_logistic_distribution():
    from tools.train_people.train import log_probability

    centre, scale = torch.tensor([30.0, 5.0]), torch.tensor([4.0, 1.0])
    low, high = torch.tensor([20.0, 60.0]), torch.tensor([30.0, 70.0])
    said = log_probability(centre, scale, low, high)
    assert said[0] == pytest.approx(np.log(0.5 - 1 / (1 + np.exp(2.5))), abs=1e-5)
    assert torch.isfinite(said[1])
    assert said[1] == pytest.approx(-55, abs=0.1)


def test_a_view_without_changes_is_the_crop_of_use():
    from t2f_people.signature import SIDE, framing

    from tools.train_people.augment import view
    from tools.train_people.prepare import MARGIN, STORED

    stored, used = (np.array(crop.points) for crop in (framing(STORED, MARGIN), framing()))
    matrix = view(SIDE)
    np.testing.assert_allclose(stored @ matrix[:, :2].T + matrix[:, 2], used, atol=1e-6)


def test_groups_that_are_worse_weigh_more():
    from tools.train_people.train import LIMITS, GroupWeights

    groups = GroupWeights()
    race, gender, band = torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([4, 4])
    for _ in range(200):
        weights = groups(torch.tensor([2.0, 0.1]), band, gender, race)
    assert weights[0] == LIMITS[1]
    assert weights[1] == LIMITS[0]
