"""Age, gender and ethnicity by our own network, which is in the repository: nothing is fetched."""

import hashlib
import tomllib
from pathlib import Path

import numpy as np
import pytest
import t2f_people
from pydantic import ValidationError
from support.example_faces import portrait, portraits
from t2f_people._extractor import ETHNICITIES, WORDS, age_of, ethnicity_of, facial_hair
from t2f_people._network import Network
from t2f_people.signature import EDGES, POINTS, RACES, SIDE, framing

from text2face_core import Face, Runtime
from text2face_core.language import Vocabulary
from text2face_core.models import ModelStore

FOLDER = Path(t2f_people.__file__).parent
RECORD = tomllib.loads((FOLDER / "people.toml").read_text(encoding="utf-8"))

# What torch made of the network's weights in float32, with the mirror image, on the example photos' own crops: centre
# and scale of the age, logits of "male" and of "White".
REFERENCE = {
    1: (25.165, 2.564, -5.665, -3.517),
    4: (27.824, 2.763, 4.927, -3.285),
    6: (73.553, 3.128, 4.545, 0.643),
    9: (39.264, 3.349, 4.196, -0.923),
    12: (23.040, 2.259, -5.522, -2.587),
}

GLASSES = {2, 11}
EXAMPLES = {
    1: "female", 2: "male", 3: "female", 4: "male", 6: "male", 7: "female", 8: "male", 9: "male", 10: "female",
    11: "female", 12: "female",
}  # fmt: skip
"""Gender of the adults on the example photos, as we see it."""


def people(threads=1, **options):
    return t2f_people.build(t2f_people.PeopleOptions(**options), Runtime(ModelStore(offline=True), threads=threads))


@pytest.fixture(scope="module")
def faces():
    return portraits()


@pytest.fixture(scope="module")
def said(faces):
    return [{finding.name: finding for finding in row} for row in people(gender_score=0.5).extract(faces)]


@pytest.mark.parametrize(("number", "centre", "scale", "male", "white"), [(n, *row) for n, row in REFERENCE.items()])
def test_the_shipped_file_gives_what_training_left(number, centre, scale, male, white):
    figures = Network(FOLDER / "people.onnx", 1, mirror=True)([portrait(f"portrait-{number:02}")])
    assert figures.years[0] == pytest.approx([centre, scale], abs=0.05)
    assert figures.gender[0] == pytest.approx(male, abs=0.02)
    assert figures.race[0, RACES.index("White")] == pytest.approx(white, abs=0.02)


@pytest.mark.parametrize(("number", "gender"), EXAMPLES.items())
def test_the_gender_of_plain_portraits_is_seen(said, number, gender):
    assert said[number - 1]["gender"].value == gender


def test_findings_carry_their_figures(said):
    for row in said:
        assert {"age"} <= set(row) <= {"age", "gender", "no_beard", "mustache", "eyeglasses", "sunglasses"}
        assert 0 <= row["age"].value <= 100
        assert 0 < row["age"].score < 1
        assert 0 < row["age"].detail["std"] < 30
    assert all(0.5 <= row["gender"].score <= 1 for row in said if "gender" in row)


@pytest.mark.parametrize(
    ("shares", "wanted"),
    [
        ((0.95, 0.02, 0.01, 0.02), [("no_beard", True, 0.95)]),
        ((0.8, 0.05, 0.05, 0.1), []),  # neither certain
        ((0.1, 0.1, 0.1, 0.7), [("no_beard", False, 0.9)]),
        ((0.1, 0.1, 0.7, 0.1), [("mustache", True, 0.9)]),
        ((0.1, 0.7, 0.1, 0.1), [("five_o_clock_shadow", True, 0.9)]),
        ((0.1, 0.3, 0.3, 0.3), []),  # facial hair, but of which kind?
    ],
)
def test_facial_hair_is_reported_by_its_kind_where_that_is_certain(shares, wanted):
    found = facial_hair(np.array(shares), 0.65, 0.9)
    assert [(one.name, one.value, one.score) for one in found] == wanted


def test_facial_hair_is_reported_of_grown_men_only(faces, monkeypatch):
    bearded = np.array([0.0, 0.0, 0.0, 9.0, -9.0, -9.0, -9.0])
    extractor = people()
    years = np.zeros(101)
    for age, male, wanted in ((30, 0.9, True), (30, 0.2, False), (14, 0.9, False)):
        years[:] = 0
        years[age] = 1
        found = extractor._findings(years, male, np.full(7, 1 / 7), bearded)
        assert any(one.name == "no_beard" for one in found) == wanted
    found = people(looks=False)._findings(years, 0.9, np.full(7, 1 / 7), bearded)
    assert {one.name for one in found} <= {"age", "gender"}


def test_the_glasses_of_the_examples_are_seen(said):
    assert {number for number, row in enumerate(said, start=1) if "eyeglasses" in row} == GLASSES
    assert not any("sunglasses" in row for row in said)


def test_an_age_scores_the_probability_of_the_years_within_five():
    years = np.zeros(101)
    years[[20, 40]] = 0.5
    split = age_of(years)
    assert (split.value, split.score, split.detail) == (30.0, 0.0, {"std": 10.0})
    years = np.zeros(101)
    years[[28, 30, 32]] = 0.25, 0.5, 0.25
    assert age_of(years).score == 1
    assert age_of(years).value == 30


def test_ethnicity_is_reported_only_if_asked_for(faces, said):
    assert not any("ethnicity" in row for row in said)
    asked = people(ethnicity=True, ethnicity_score=0).extract(faces)
    for row in asked:
        (found,) = [finding for finding in row if finding.name == "ethnicity"]
        assert found.value in ETHNICITIES
        assert found.score == found.detail[found.value] == max(found.detail.values())
        assert sum(found.detail.values()) == pytest.approx(1, abs=0.001)
    sure = people(ethnicity=True, ethnicity_score=0.99).extract(faces)
    assert sum(len(row) for row in sure) < sum(len(row) for row in asked)


def test_every_group_has_a_word_that_captions_know():
    words = Vocabulary.load().findings["ethnicity"].values
    assert set(WORDS) == set(RACES)
    assert set(WORDS.values()) <= set(words)


def test_groups_with_one_word_are_added_up():
    races = np.full(len(RACES), 0.1)
    races[[RACES.index("East Asian"), RACES.index("Southeast Asian")]] = 0.25
    races[RACES.index("White")] = 0.0
    found = ethnicity_of(races)
    assert (found.value, found.score) == ("asian", 0.5)


def test_results_do_not_depend_on_batches_or_threads(faces):
    many = faces * 4
    together = people(ethnicity=True).extract(many)
    assert [row for face in faces for row in people(ethnicity=True).extract([face])] == together[: len(faces)]
    assert [row for n in range(0, len(many), 5) for row in people(ethnicity=True).extract(many[n : n + 5])] == together
    assert people(threads=2, ethnicity=True).extract(many) == together
    assert people().extract([]) == []


def test_the_mirror_image_counts_as_much_as_the_face():
    network = Network(FOLDER / "people.onnx", 1, mirror=True)
    crop = portrait("portrait-01").crop(network.crop)[None]
    for one, other in zip(network.read(crop), network.read(crop[:, :, ::-1]), strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    alone = Network(FOLDER / "people.onnx", 1, mirror=False).read(crop)
    assert alone.gender != pytest.approx(network.read(crop).gender, abs=1e-4)


@pytest.mark.parametrize("option", [{"gender_score": 1.0}, {"gender_from_age": 80}])
def test_no_gender_is_reported_that_options_hold_back(faces, option):
    assert not any(finding.name == "gender" for row in people(**option).extract(faces) for finding in row)


@pytest.mark.parametrize(("name", "value"), [("gender_score", 0.4), ("ethnicity_score", 2), ("race", True)])
def test_options_out_of_range_or_unknown_are_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        t2f_people.PeopleOptions(**{name: value})


def test_the_crop_brings_landmarks_to_their_places():
    points = np.array(POINTS, np.float32) * 300 + 37
    face = Face(np.array([37, 37, 337, 337], np.float32), points - 0.5, 1.0)
    for margin in (1.0, 1.25):
        matrix = framing(SIDE, margin).matrix(face)
        wanted = ((np.array(POINTS) - 0.5) / margin + 0.5) * SIDE - 0.5
        assert np.allclose((points - 0.5) @ matrix[:, :2].T + matrix[:, 2], wanted, atol=1e-3)


def test_the_record_is_that_of_the_file():
    data = (FOLDER / "people.onnx").read_bytes()
    model = RECORD["model"]
    assert model["size"] == len(data) <= 5_000_000
    assert model["sha256"] == hashlib.sha256(data).hexdigest()
    assert model["training_data_licence"] == "CC-BY-4.0"
    assert "FairFace" in model["attribution"]
    scales = RECORD["calibration"]
    assert scales["gender"]["slope"] > 0
    assert scales["race"]["temperature"] > 0
    assert scales["age"]["stretch"] > 0


def test_the_network_is_what_the_signature_describes():
    import onnxruntime

    session = onnxruntime.InferenceSession(str(FOLDER / "people.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape[1:] == [SIDE, SIDE, 3]
    bands, years, gender, race = session.run(
        ["bands", "years", "gender", "race"], {"pixels": np.zeros((3, SIDE, SIDE, 3), np.uint8)}
    )
    assert bands.shape == (3, len(EDGES) - 1)
    assert years.shape == (3, 2)
    assert gender.shape == (3,)
    assert race.shape == (3, len(RACES))
    assert (years[:, 1] > 0).all()
