"""face-api's networks: our layers against its own bundle, and what is made of their figures."""

import numpy as np
import pytest
from support.cartoons import boxed, cartoon
from t2f_faceapi import EXPRESSION, PEOPLE, FaceApiOptions, build
from t2f_faceapi._extractor import FaceApi
from t2f_faceapi._networks import Figures

from text2face_core import Runtime
from text2face_core.errors import ArtifactError
from text2face_core.models import ModelStore
from text2face_core.plugins import check_extractor

models = pytest.mark.models

# What face-api 1.7.15 (TensorFlow.js 4.22) makes of `cartoon(number, 112)`: age, probability of "male", the likeliest
# expression and its probability.
REFERENCE = [
    (0, 15.273293, 0.238749, 4, 0.764394),
    (1, 15.544314, 0.137547, 4, 0.995102),
    (2, 19.180611, 0.207099, 6, 0.677270),
    (3, 13.427376, 0.172105, 4, 0.995467),
    (4, 15.114172, 0.400771, 4, 0.846459),
    (5, 19.094326, 0.464211, 6, 0.973293),
    (6, 13.132656, 0.132056, 4, 0.691669),
    (7, 20.972631, 0.478596, 4, 0.922681),
]


@pytest.fixture(scope="module")
def make():
    pytest.importorskip("onnx")
    store = ModelStore()
    try:
        for artifact in (*PEOPLE, *EXPRESSION):
            store.path(artifact)
    except ArtifactError as error:
        pytest.skip(str(error))
    return lambda **options: build(FaceApiOptions(**options), Runtime(store))


@models
@pytest.mark.parametrize(("number", "age", "male", "likeliest", "share"), REFERENCE)
def test_the_networks_give_what_face_api_gives(make, number, age, male, likeliest, share):
    figures = make()._networks(cartoon(number, 112)[None])
    assert figures.years[0] == pytest.approx(age, abs=1e-3)
    assert figures.male[0] == pytest.approx(male, abs=1e-4)
    assert figures.expressions[0].argmax() == likeliest
    assert figures.expressions[0].max() == pytest.approx(share, abs=1e-4)


@models
def test_the_contract_is_kept(make):
    faces = [boxed(number, 112 + 9 * number, 1.0) for number in range(8)]
    check_extractor(make(emotion_score=0), faces, provides=("age", "gender", "emotion"))
    assert make().extract([]) == []


@models
@pytest.mark.parametrize(("number", "age"), [row[:2] for row in REFERENCE[:3]])
def test_the_square_is_the_box_itself(make, number, age):
    assert make().extract([boxed(number, 112, 1.0)])[0][0].value == pytest.approx(age, abs=0.02)


SURE = 0.95


@pytest.mark.parametrize(
    ("place", "reported"),
    [(0, None), (1, "happiness"), (2, None), (3, "anger"), (4, None), (5, None), (6, "surprise")],
)
def test_only_expressions_that_are_right_often_enough_are_reported(place, reported):
    shares = np.full(7, (1 - SURE) / 6, np.float32)
    shares[place] = SURE
    figures = Figures(np.array([-0.5], np.float32), np.array([0.2], np.float32), shares[None])
    found = FaceApi(lambda squares: figures, FaceApiOptions(gender_from_age=0)).extract([boxed(0, 112, 1.0)])[0]
    assert [(one.name, one.value) for one in found[:2]] == [("age", 0.0), ("gender", "female")]
    assert [one.value for one in found[2:]] == ([reported] if reported else [])
