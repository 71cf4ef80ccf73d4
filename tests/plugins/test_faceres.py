"""faceres: the converted network against TensorFlow.js, and what is made of its figures."""

import numpy as np
import pytest
from support.cartoons import boxed, cartoon
from t2f_faceres import GRAPH, WEIGHTS, FaceResOptions, build

from text2face_core import Runtime
from text2face_core.errors import ArtifactError, DegenerateFace
from text2face_core.models import ModelStore
from text2face_core.plugins import check_extractor
from text2face_core.records import Face, Portrait

models = pytest.mark.models

# What TensorFlow.js 4.22 makes of `cartoon(number, 224)` with the published files: expected age, probability of "male",
# length of the descriptor, its first numbers.
REFERENCE = [
    (0, 32.35595, 0.515497, 7.7676, [0.02691, 0.0, 0.30438]),
    (1, 36.66432, 0.63865, 3.4035, [0.0, 0.0, 0.0]),
    (2, 28.82192, 0.484556, 7.6071, [0.03662, 0.0, 0.96937]),
    (3, 31.86599, 0.539512, 7.2057, [0.0017, 0.0, 0.5048]),
]


@pytest.fixture(scope="module")
def store():
    pytest.importorskip("onnx")
    found = ModelStore()
    try:
        for artifact in (GRAPH, WEIGHTS):
            found.path(artifact)
    except ArtifactError as error:
        pytest.skip(str(error))
    return found


@pytest.fixture(scope="module")
def make(store):
    return lambda threads=1, **options: build(FaceResOptions(**options), Runtime(store, threads=threads))


@models
@pytest.mark.parametrize(("number", "age", "male", "length", "first"), REFERENCE)
def test_the_network_gives_what_tensorflow_gives(make, number, age, male, length, first):
    figures = make()._network(cartoon(number, 224)[None])
    assert figures.years[0] @ np.arange(1, 101) == pytest.approx(age, abs=1e-3)
    assert figures.male[0] == pytest.approx(male, abs=1e-5)
    assert np.linalg.norm(figures.descriptor[0]) == pytest.approx(length, abs=1e-3)
    assert figures.descriptor[0, :3] == pytest.approx(first, abs=1e-4)


@models
@pytest.mark.parametrize(("number", "age", "male"), [row[:3] for row in REFERENCE])
def test_findings_come_from_the_square_around_the_box(make, number, age, male):
    found = make(gender_score=0.5, gender_from_age=0).extract([boxed(number, 224, 1.3)])[0]
    assert [one.name for one in found] == ["age", "gender"]
    assert found[0].value == pytest.approx(age, abs=0.02)
    assert found[1].value == ("male" if male > 0.5 else "female")
    assert found[1].score == pytest.approx(max(male, 1 - male), abs=2e-3)


@models
def test_a_gender_that_is_not_sure_or_of_a_small_child_is_not_reported(make):
    faces = [boxed(number, 224, 1.3) for number in range(4)]
    assert {len(found) for found in make(gender_score=0.9).extract(faces)} == {1}
    assert {len(found) for found in make(gender_score=0.5, gender_from_age=80).extract(faces)} == {1}


@models
@pytest.mark.parametrize("mirror", [False, True])
def test_the_contract_is_kept(make, mirror):
    faces = [boxed(number, 200 + 9 * number, 1.3) for number in range(5)]
    check_extractor(make(mirror=mirror), faces, provides=("age", "gender"))
    assert make().extract([]) == []


@models
def test_mirrored_faces_are_alike_if_both_sides_are_averaged(make):
    face = boxed(1, 224, 1.3)
    turned = Portrait(type(face.photo)("1" * 16, "", np.ascontiguousarray(face.photo.pixels[:, ::-1])), face.face)
    ages = [make(mirror=True).extract([one])[0][0].value for one in (face, turned)]
    assert ages[0] == pytest.approx(ages[1], abs=0.01)


@models
def test_a_box_without_extent_is_a_degenerate_face(make):
    face = boxed(0, 64, 1.3)
    with pytest.raises(DegenerateFace):
        make().extract([Portrait(face.photo, Face(np.zeros(4, np.float32), face.face.landmarks, 0.9))])
