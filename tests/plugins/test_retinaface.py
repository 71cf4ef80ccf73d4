"""The RetinaFace detector: its arithmetic without any network, itself with random and with the public weights."""

import socket
from pathlib import Path

import cv2
import numpy as np
import pytest
import t2f_retinaface
from PIL import Image
from pydantic import ValidationError
from support.paths import ROOT
from support.retinaface_files import write_random_weights
from t2f_retinaface import WEIGHTS, RetinaFaceOptions
from t2f_retinaface._candidates import candidates, decode, priors
from t2f_retinaface._looks import Look

from text2face_core import Runtime
from text2face_core.errors import ArtifactError
from text2face_core.models.store import ModelStore

EXAMPLES = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
SMALL = "mobilenet0.25"
models = pytest.mark.models


@pytest.fixture(scope="module")
def torch():
    for package in ("torchvision", "onnx", "onnxscript", "facexlib"):
        pytest.importorskip(package)
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    return [np.asarray(Image.open(path).convert("RGB")) for path in EXAMPLES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("retinaface")


@pytest.fixture(scope="module")
def drawn(torch, folder) -> Path:
    """Weights of the small backbone, drawn at random, in the form of the public file."""
    return write_random_weights(SMALL, folder / "drawn.pth")


@pytest.fixture(scope="module")
def public(torch) -> Path:
    """The public weights of the small backbone."""
    try:
        return ModelStore().path(WEIGHTS[SMALL])
    except ArtifactError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def make(folder):
    def make(weights: Path, **options):
        chosen = RetinaFaceOptions(**{"backbone": SMALL, "weights": str(weights), **options})
        return t2f_retinaface.build(chosen, Runtime(ModelStore(folder, offline=True)))

    return make


@pytest.fixture(scope="module")
def detector(make, public):
    return make(public)


@pytest.fixture(scope="module")
def faces(detector, photos):
    """The one face of each example."""
    return [found[0] for found in detector.detect(photos)]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def as_rows(faces) -> np.ndarray:
    return np.array([[*face.box, *face.landmarks.flat, face.score] for face in faces]).reshape(-1, 15)


# arithmetic


@pytest.mark.parametrize(
    ("width", "height", "count"),
    [
        (640, 640, 16_800),
        (640, 448, 11_760),
        (64, 64, 168),
        (64, 128, 336),
        (100, 30, 2 * (13 * 4 + 7 * 2 + 4 * 1)),  # cells that are cut by the edge count
    ],
)
def test_each_cell_of_each_level_has_two_priors(width, height, count):
    made = priors(width, height)
    assert made.shape == (count, 3)
    assert made.dtype == np.float32


def test_priors_stand_row_by_row_in_the_middle_of_their_cells():
    made = priors(128, 64)
    assert made[:4].tolist() == [[4, 4, 16], [4, 4, 32], [12, 4, 16], [12, 4, 32]]
    assert made[2 * 16].tolist() == [4, 12, 16]  # the second row, after 16 cells
    assert made[2 * 16 * 8].tolist() == [8, 8, 64]  # the second level
    assert made[-1].tolist() == [112, 48, 512]


def test_deltas_are_shares_of_the_prior():
    prior = np.float32([[100, 60, 32], [8, 8, 16]])
    boxes = np.float32([[1, -2, 0, np.log(2) / 0.2], [0, 0, 0, 0]])
    landmarks = np.float32([[0, 0, 10, 0, 0, 10, -5, 5, 1, -1], [0] * 10])
    corners, points = decode(prior, boxes, landmarks)
    # The centre moves by a tenth of the side for each unit; the height is doubled.
    np.testing.assert_allclose(corners, [[87.2, 21.6, 119.2, 85.6], [0, 0, 16, 16]], rtol=1e-6)
    np.testing.assert_allclose(points[0], [[100, 60], [132, 60], [100, 92], [84, 76], [103.2, 56.8]], rtol=1e-6)
    np.testing.assert_allclose(points[1], np.full((5, 2), 8), rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({}, [0.9, 0.8]),
        ({"score": 0.85}, [0.9]),
        ({"score": 0.9}, []),
        ({"iou": 0.9}, [0.9, 0.85, 0.8]),
        ({"top_k": 2}, [0.9]),  # the second best is dropped for the best, the third not looked at
        ({"top_k": 1}, [0.9]),
    ],
)
def test_of_overlapping_boxes_the_best_stays(torch, changed, kept):
    prior = np.float32([[50, 50, 40], [54, 50, 40], [150, 50, 40], [250, 50, 40]])
    scores = np.float32([0.85, 0.9, 0.8, 0.1])
    settings = {"score": 0.5, "iou": 0.4, "top_k": 100, **changed}
    found = candidates(prior, np.zeros((4, 4), "f4"), scores, np.zeros((4, 10), "f4"), **settings)
    assert found.shape == (len(kept), 15)
    np.testing.assert_allclose(found[:, 14], kept, rtol=1e-6)


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("size", [(640, 480), (300, 300), (4000, 2999), (1, 900), (77, 31), (2, 1)])
def test_points_come_back_from_the_canvas(size, framed):
    look = Look.at(noise(size[1], size[0]), 320, framed=framed)
    assert look.photo == size
    assert max(look.size) <= 320
    assert all(side % 64 == 0 for side in look.canvas)
    corners = np.float32([[0, 0], size])
    seen = np.float32([[look.frame] * 2, [look.frame + side for side in look.size]])
    np.testing.assert_allclose(look.to_photo(seen), corners, rtol=1e-5, atol=1e-3)
    # All of the photo is on the canvas, and in a framed look as much again around it.
    assert (np.array(look.canvas) >= seen[1] + look.frame).all()
    assert (look.frame >= max(look.size) / 2) == framed


@pytest.mark.parametrize("framed", [False, True])
def test_the_canvas_is_the_photo_less_the_means_and_zero_elsewhere(framed):
    image = noise(50, 90)
    look = Look.at(image, 640, framed=framed)
    for order, channels in (("bgr", image[..., ::-1]), ("rgb", image)):
        shown = look.show(image, order)
        x, y = look.frame, look.frame
        expected = channels.astype(np.float32).transpose(2, 0, 1) - np.float32([[[104]], [[117]], [[123]]])
        np.testing.assert_array_equal(shown[:, y : y + 50, x : x + 90], expected)
        shown[:, y : y + 50, x : x + 90] = 0
        assert not shown.any()


def test_what_a_photo_is_shown_on_follows_from_the_photo_alone():
    looks = [Look.at(noise(*size), 640) for size in ((480, 640), (640, 480), (100, 100))]
    assert [look.canvas for look in looks] == [(640, 512), (512, 640), (128, 128)]


# declared and built


@pytest.mark.parametrize(
    ("name", "value"),
    [("score", 0), ("iou", 2), ("longest_side", 10), ("top_k", 0), ("order", "grb"), ("backbone", "vgg"), ("sc", 1)],
)
def test_options_out_of_range_or_unknown_are_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        RetinaFaceOptions(**{name: value})


@pytest.mark.parametrize("backbone", ["resnet50", SMALL])
def test_public_files_load_unchanged_and_nothing_is_fetched_or_warned_of(torch, tmp_path, monkeypatch, backbone):
    from t2f_retinaface._network import load_network

    file = write_random_weights(backbone, tmp_path / "weights.pth")
    saved = torch.load(file, weights_only=True)
    assert all(name.startswith("module.") for name in saved)

    def refuse(*_args, **_more):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    loaded = load_network(backbone, file).state_dict()
    assert {f"module.{name}" for name in loaded} == set(saved)
    assert all(torch.equal(tensor, saved[f"module.{name}"]) for name, tensor in loaded.items())
    assert not any(parameter.requires_grad for parameter in load_network(backbone, file).parameters())


def test_weights_that_do_not_fit_are_refused_with_the_reason(torch, make, drawn, tmp_path):
    with pytest.raises(ArtifactError, match=r"drawn.pth does not hold the weights of RetinaFace with resnet50"):
        make(drawn, backbone="resnet50")
    short = torch.load(drawn, weights_only=True)
    short.pop("module.fpn.output1.0.weight")
    torch.save(short, tmp_path / "short.pth")
    (tmp_path / "text.pth").write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("short", "text", "list"):
        with pytest.raises(ArtifactError, match=f"{name}.pth does not hold"):
            make(tmp_path / f"{name}.pth")
    with pytest.raises(ArtifactError, match="does not exist"):
        make(tmp_path / "nowhere.pth")


def test_missing_weights_say_where_they_come_from(torch, folder):
    with pytest.raises(ArtifactError, match=r"(?s)retinaface_Resnet50_Final.pth .* MIT.*github.com/xinntao/facexlib"):
        t2f_retinaface.build(RetinaFaceOptions(), Runtime(ModelStore(folder, offline=True)))


# with random weights


@pytest.mark.nightly
def test_colours_reach_the_network_in_the_order_asked_for(make, drawn, photos):
    bgr, rgb = (make(drawn, order=order, score=0.6, frame=False) for order in ("bgr", "rgb"))
    photo = photos[0]
    swapped = np.ascontiguousarray(photo[..., ::-1])
    found = as_rows(bgr.detect([photo])[0])
    assert len(found) > 0
    np.testing.assert_array_equal(found, as_rows(rgb.detect([swapped])[0]))
    assert not np.array_equal(found, as_rows(rgb.detect([photo])[0]))


def test_results_do_not_depend_on_the_batch(make, drawn, photos):
    batch = [*photos[:5], photos[0][100:300, 150:350], noise(70, 200), noise(1, 1), noise(900, 30)]
    random = make(drawn, score=0.6, top_k=300)
    alone = [as_rows(random.detect([photo])[0]) for photo in batch]
    assert sum(len(rows) > 0 for rows in alone) >= 5
    for found in (random.detect(batch), random.detect(batch[::-1])[::-1]):
        for one, other in zip(found, alone, strict=True):
            np.testing.assert_array_equal(as_rows(one), other)
    assert random.detect([]) == []


# with the public weights


@models
def test_each_example_has_one_face_as_the_contract_says(faces, detector, photos):
    assert [len(found) for found in detector.detect(photos)] == [1] * len(photos)
    for face in faces:
        assert face.box.shape == (4,)
        assert face.landmarks.shape == (5, 2)
        assert face.box.dtype == face.landmarks.dtype == np.float32
        assert type(face.score) is float
        assert 0.9 <= face.score <= 1
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert left_eye[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        assert (face.landmarks > face.box[:2]).all()
        assert (face.landmarks < face.box[2:]).all()


@models
def test_left_and_right_are_the_images(detector, photos, faces):
    for photo, face in zip(photos, faces, strict=True):
        (mirrored,) = detector.detect([np.ascontiguousarray(photo[:, ::-1])])[0]
        expected = (face.landmarks * [-1, 1] + [photo.shape[1] - 1, 0])[[1, 0, 2, 4, 3]]
        assert np.abs(mirrored.landmarks - expected).max() < 0.06 * face.size


@models
@pytest.mark.parametrize("zoom", [0.2, 0.6, 2.5])
def test_places_are_in_photo_pixels_whatever_the_size(detector, photos, faces, zoom):
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    scaled = [cv2.resize(photo, None, fx=zoom, fy=zoom, interpolation=how) for photo in photos]
    for found, face in zip(detector.detect(scaled), faces, strict=True):
        assert len(found) == 1
        assert np.abs(found[0].box / zoom - face.box).max() < 0.1 * face.size
        assert np.abs(found[0].landmarks / zoom - face.landmarks).mean() < 0.02 * face.size


@models
def test_red_and_blue_swapped_score_less(make, public, photos):
    # Of photos at a size at which the network is not sure of everything.
    small = [cv2.resize(photo, (48, 48), interpolation=cv2.INTER_AREA) for photo in photos]
    sums = {}
    for order in ("bgr", "rgb"):
        found = make(public, order=order, score=0.05, frame=False).detect(small)
        sums[order] = sum(max((face.score for face in one), default=0) for one in found)
    assert sums["bgr"] > sums["rgb"]


@models
@pytest.mark.parametrize("margin", [0.5, 0.6, 0.75, 1.0])
@pytest.mark.parametrize("side", [96, 320, 1600])
def test_a_face_that_fills_the_photo_is_one_face(detector, photos, faces, margin, side):
    for photo, face in zip(photos, faces, strict=True):
        half = face.size * margin / 2
        x, y = (face.box[:2] + face.box[2:]) / 2
        x0, y0, x1, y1 = (max(0, int(v)) for v in (x - half, y - half, x + half, y + half))
        zoom = side / max(x1 - x0, y1 - y0)
        (found,) = detector.detect([cv2.resize(photo[y0:y1, x0:x1], None, fx=zoom, fy=zoom)])
        assert len(found) == 1
        assert np.abs(found[0].landmarks / zoom + [x0, y0] - face.landmarks).mean() < 0.05 * face.size


@models
def test_without_the_frame_such_a_face_falls_apart(make, public, photos, faces):
    """What the frame is for; it can be left out, as the implementations that are compared with do."""
    plain, counts = make(public, frame=False), []
    for photo, face in zip(photos, faces, strict=True):
        x0, y0, x1, y1 = (face.box + np.array([1, 1, -1, -1]) * face.size / 4).astype(int)
        counts.append(len(plain.detect([cv2.resize(photo[y0:y1, x0:x1], (640, 640))])[0]))
    assert sum(count != 1 for count in counts) > len(counts) / 4


@models
def test_a_bystander_is_found_beside_a_face_that_fills_the_photo(detector, photos, faces):
    x0, y0, x1, y1 = faces[2].box.astype(int)
    canvas = cv2.resize(photos[2][y0:y1, x0:x1], (540, 600))
    canvas = cv2.copyMakeBorder(canvas, 0, 0, 0, 100, cv2.BORDER_CONSTANT, value=(90, 120, 90))
    u0, v0, u1, v1 = (faces[7].box + np.array([-15, -15, 15, 15])).clip(0).astype(int)
    patch = cv2.resize(photos[7][v0:v1, u0:u1], (90, 110))
    canvas[20:130, 545:635] = patch
    found = detector.detect([canvas])[0]
    assert len(found) == 2
    assert max(face.size for face in found) > 0.8 * 600


@models
@pytest.mark.parametrize("size", [(480, 640), (150, 200), (400, 3000), (32, 32), (1, 1), (2, 5000)])
def test_a_photo_without_people_has_no_face(detector, size):
    grey = np.full((*size, 3), 128, np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, size[1]).astype(np.uint8)[None, :, None], (*size, 3))
    assert detector.detect([grey, ramp, noise(*size)]) == [[], [], []]


@models
def test_a_larger_look_finds_smaller_faces(make, public, detector, photos):
    canvas = np.full((1500, 2000, 3), 100, np.uint8)
    canvas[600:680, 900:980] = cv2.resize(photos[0], (80, 80), interpolation=cv2.INTER_AREA)
    assert detector.detect([canvas]) == [[]]
    (face,) = make(public, longest_side=2000).detect([canvas])[0]
    assert ((face.box > [900, 600, 900, 600]) & (face.box < [980, 680, 980, 680])).all()


@models
def test_scores_are_kept_to_and_photos_left_as_they_were(make, public, photos):
    photo = photos[1].copy()
    photo.flags.writeable = False
    assert make(public, score=0.99999).detect([photo]) == [[]]
    assert len(make(public, score=0.5, top_k=1).detect([photo])[0]) == 1
    np.testing.assert_array_equal(photo, photos[1])
