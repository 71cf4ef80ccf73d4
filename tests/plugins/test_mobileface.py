"""MobileFace and the identity of faceres: vectors as TensorFlow.js gives them, and people told apart."""

import numpy as np
import pytest
import t2f_faceres
import t2f_mobileface
from support.cartoons import cartoon
from support.example_faces import portraits

from text2face_core import Options, Runtime
from text2face_core.errors import ArtifactError
from text2face_core.models import ModelStore

models = pytest.mark.models

# What TensorFlow.js 4.22 makes of `cartoon(number, 112)` with the published files: length of the vector, first numbers.
REFERENCE = [
    (0, 142.7456, [-7.38409, -0.18153, -7.45246]),
    (1, 96.1373, [6.1585, -5.89971, -3.99822]),
    (2, 98.8697, [-1.1398, 0.77403, -8.65102]),
    (3, 166.5319, [-3.93597, -4.92859, -9.68816]),
]


def built(build, artifacts):
    pytest.importorskip("onnx")
    store = ModelStore()
    try:
        for artifact in artifacts:
            store.path(artifact)
    except ArtifactError as error:
        pytest.skip(str(error))
    return build(Options(), Runtime(store))


@pytest.fixture(scope="module")
def mobileface():
    return built(t2f_mobileface.build, (t2f_mobileface.GRAPH, t2f_mobileface.WEIGHTS))


@pytest.fixture(scope="module")
def faceres():
    return built(t2f_faceres.build_identity, (t2f_faceres.GRAPH, t2f_faceres.WEIGHTS))


@models
@pytest.mark.parametrize(("number", "length", "first"), REFERENCE)
def test_vectors_are_those_of_tensorflow(mobileface, number, length, first):
    (vector,) = mobileface.embed([cartoon(number, 112)])
    assert vector.shape == (256,)
    assert np.linalg.norm(vector) == pytest.approx(length, abs=1e-2)
    assert vector[:3] == pytest.approx(first, abs=1e-3)


def cosines(vectors):
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units @ units.T


@models
@pytest.mark.parametrize("name", ["mobileface", "faceres"])
def test_the_same_photo_is_nearer_than_other_people(request, name):
    embedder = request.getfixturevalue(name)
    people = portraits()[:8]
    squares = [one.crop(embedder.crop) for one in people]
    darker = [np.asarray(one * 0.8, np.uint8) for one in squares]
    found = cosines(embedder.embed([*squares, *darker]))
    same, others = np.diag(found[:8, 8:]), found[:8, :8][np.triu_indices(8, 1)]
    assert same.min() > others.max()


@models
@pytest.mark.parametrize("name", ["mobileface", "faceres"])
def test_vectors_do_not_depend_on_the_batch(request, name):
    embedder = request.getfixturevalue(name)
    squares = [cartoon(number, embedder.crop.size) for number in range(5)]
    alone = np.concatenate([embedder.embed([one]) for one in squares])
    np.testing.assert_allclose(embedder.embed(squares), alone, rtol=1e-4, atol=1e-3)
