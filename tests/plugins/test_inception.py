"""The features of FID: how images are resized, and that the exported network is the published one."""

import numpy as np
import pytest
from support.cartoons import cartoon
from t2f_inception import WEIGHTS, InceptionOptions, build, build_faces
from t2f_inception._embedder import FACE, resize_antialiased, resize_plain

from text2face_core import Runtime
from text2face_core.errors import ArtifactError
from text2face_core.models import ModelStore

models = pytest.mark.models


@pytest.mark.parametrize("size", [(512, 512), (300, 700), (120, 90)])
def test_antialiased_resizing_is_torch_s(size):
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    wanted = torch.nn.functional.interpolate(
        tensor, (299, 299), mode="bilinear", align_corners=False, antialias=True
    )  # fmt: skip
    np.testing.assert_allclose(resize_antialiased(image), wanted[0].permute(1, 2, 0).numpy(), atol=0.01)


def test_plain_resizing_reads_between_the_four_nearest_pixels():
    ramp = np.zeros((598, 598, 3), np.uint8)
    ramp[:, :, 0] = np.arange(598)[None] % 256
    found = resize_plain(ramp)
    assert found.shape == (299, 299, 3)
    assert found[5, :100, 0].tolist() == [2.0 * n for n in range(100)]  # each second pixel, none averaged
    enlarged = resize_plain(np.array([[[0, 0, 0], [100, 100, 100]]], np.uint8))
    assert enlarged[0, 0, 0] == 0
    assert enlarged[0, 150, 0] == pytest.approx(100, abs=0.5)
    assert enlarged[0, 75, 0] == pytest.approx(100 * 75 * 2 / 299, abs=1e-3)


@pytest.mark.parametrize("resize", [resize_antialiased, resize_plain])
def test_an_image_of_the_right_size_is_not_touched(resize):
    image = cartoon(0, 299)
    assert np.array_equal(resize(image), image)


@pytest.fixture(scope="module")
def store():
    for package in ("torch", "onnx"):
        pytest.importorskip(package)
    found = ModelStore()
    try:
        found.path(WEIGHTS)
    except ArtifactError as error:
        pytest.skip(str(error))
    return found


@models
@pytest.mark.filterwarnings("ignore:.*torch.jit.load.*")
def test_the_export_computes_what_the_published_network_does(store):
    import torch

    module = torch.jit.load(str(store.path(WEIGHTS)), map_location="cpu").eval()
    images = [cartoon(number, 299) for number in range(3)]
    tensor = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        wanted = module((tensor - 128) / 128).numpy()
    embedder = build(InceptionOptions(), Runtime(store))
    np.testing.assert_allclose(embedder.embed(images), wanted, atol=1e-4)
    np.testing.assert_allclose(embedder.embed(images[1:2]), wanted[1:2], atol=1e-4)


@models
def test_spaces_that_must_not_be_compared_have_different_names(store):
    runtime = Runtime(store)
    made = [build(InceptionOptions(), runtime), build(InceptionOptions(resize="torch-fidelity"), runtime)]
    made.append(build_faces(InceptionOptions(), runtime))
    assert len({one.space for one in made}) == 3
    assert made[2].crop == FACE
