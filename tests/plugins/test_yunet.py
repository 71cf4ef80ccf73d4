"""The YuNet detector on the example portraits: every size, crops that cut the face, one face and several, no face."""

import cv2
import numpy as np
import pytest
import t2f_yunet
from PIL import Image
from pydantic import ValidationError
from support.paths import ROOT
from t2f_yunet import YuNetOptions

from text2face_core import Runtime

EXAMPLES = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
models = pytest.mark.models


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    return [np.asarray(Image.open(path).convert("RGB")) for path in EXAMPLES]


@pytest.fixture(scope="module")
def make(starter_models):
    def build(threads=1, **options):
        return t2f_yunet.build(YuNetOptions(**options), Runtime(starter_models, threads=threads))

    return build


@pytest.fixture(scope="module")
def yunet(make):
    return make()


@pytest.fixture(scope="module")
def faces(yunet, photos):
    """The one face of each example."""
    return [found[0] for found in yunet.detect(photos)]


def landscape(width: int, height: int) -> np.ndarray:
    """Hills under a sky, with some texture: nobody is there."""
    y, x = np.mgrid[:192, :256] / 256
    hills = y > 0.3 + 0.05 * np.sin(9 * x) + 0.02 * np.sin(31 * x + 1)
    sky = np.stack([150 - 90 * y, 180 - 60 * y, 230 - 20 * y], axis=-1)
    grass = np.stack([70 + 30 * np.sin(40 * x * y), 110 + 20 * np.sin(90 * x), 50 + 0 * x], axis=-1)
    return cv2.resize(np.where(hills[..., None], grass, sky).astype(np.uint8), (width, height))


def resized(pixels: np.ndarray, zoom: float) -> np.ndarray:
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=how)


def pasted(canvas: np.ndarray, photo: np.ndarray, face, size: float, x: int, y: int) -> np.ndarray:
    """The canvas with the photo on it, the corner of its face box at x, y and the box's longer side `size`.

    Returns where the face's box should be found.
    """
    zoom = size / face.size
    patch = resized(photo, zoom)
    left, top = x - round(float(face.box[0]) * zoom), y - round(float(face.box[1]) * zoom)
    x0, y0 = max(0, left), max(0, top)
    patch = patch[y0 - top :, x0 - left :][: canvas.shape[0] - y0, : canvas.shape[1] - x0]
    canvas[y0 : y0 + patch.shape[0], x0 : x0 + patch.shape[1]] = patch
    return face.box * zoom + [left, top, left, top]


def overlap(a, b) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = np.prod(np.clip(high - low, 0, None))
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


# without the model


@pytest.mark.parametrize(
    ("name", "value"), [("score", 0), ("iou", 2), ("longest_side", 10), ("bystander", 1), ("sc", 1)]
)
def test_options_out_of_range_or_unknown_are_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        YuNetOptions(**{name: value})


# with it


@models
def test_each_example_has_one_face(yunet, photos):
    assert [len(found) for found in yunet.detect(photos)] == [1] * len(photos)
    assert len(photos) >= 10


@models
def test_faces_are_what_the_contract_says(faces):
    for face in faces:
        assert face.box.shape == (4,)
        assert face.landmarks.shape == (5, 2)
        assert face.box.dtype == face.landmarks.dtype == np.float32
        assert type(face.score) is float
        assert 0.6 <= face.score <= 1
        assert (face.landmarks > face.box[:2]).all()
        assert (face.landmarks < face.box[2:]).all()


@models
def test_landmarks_come_in_the_order_of_the_contract(yunet, photos, faces):
    for face in faces:
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert left_eye[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    # Left and right are those of the image, not the person's: a mirrored photo has them in the same order.
    for photo, face in zip(photos, faces, strict=True):
        (mirrored,) = yunet.detect([np.ascontiguousarray(photo[:, ::-1])])[0]
        expected = (face.landmarks * [-1, 1] + [photo.shape[1] - 1, 0])[[1, 0, 2, 4, 3]]
        assert np.abs(mirrored.landmarks - expected).max() < 0.06 * face.size


@models
def test_the_net_sees_colours_in_their_order(yunet, photos):
    scores = [yunet.detect([p])[0][0].score for p in photos]
    swapped = [max((f.score for f in yunet.detect([np.ascontiguousarray(p[..., ::-1])])[0]), default=0) for p in photos]
    assert np.mean(scores) > np.mean(swapped)


@models
@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (640, 480, 30),
        (640, 480, 200),
        (1280, 960, 40),
        (1280, 960, 900),
        (2000, 1500, 40),
        (4000, 3000, 40),
        (4000, 3000, 300),
        (4000, 3000, 2600),
        (300, 2400, 60),  # a banner
    ],
)
def test_faces_of_every_size_are_found_once_and_in_place(yunet, photos, faces, width, height, size):
    for number in (0, 4, 9):
        canvas = landscape(width, height)
        x, y = (width - size) // 3, (height - size) // 2
        box = pasted(canvas, photos[number], faces[number], size, x, y)
        found = yunet.detect([canvas])[0]
        assert len(found) == 1
        assert overlap(found[0].box, box) > 0.6


@models
@pytest.mark.parametrize("margin", [0.55, 0.7, 1.0])
@pytest.mark.parametrize("side", [64, 320, 1600])
def test_a_face_that_fills_the_photo_or_is_cut_by_its_edges_is_found(yunet, photos, faces, margin, side):
    for photo, face in zip(photos, faces, strict=True):
        half = face.size * margin / 2
        x, y = (face.box[:2] + face.box[2:]) / 2
        x0, y0, x1, y1 = (max(0, int(v)) for v in (x - half, y - half, x + half, y + half))
        cut = photo[y0:y1, x0:x1]
        zoom = side / max(cut.shape[:2])
        found = yunet.detect([resized(cut, zoom)])[0]
        assert len(found) == 1
        expected = (face.landmarks - [x0, y0]) * zoom
        assert np.abs(found[0].landmarks - expected).mean() < 0.09 * face.size * zoom


@models
@pytest.mark.parametrize("size", [(1280, 960), (200, 150), (3000, 400), (40, 40), (1, 1), (5000, 2)])
def test_a_photo_without_people_has_no_face(yunet, size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    grey = np.full((size[1], size[0], 3), 128, np.uint8)
    assert yunet.detect([landscape(*size), noise, grey]) == [[], [], []]


@models
def test_an_example_without_its_face_has_no_face(yunet, photos, faces):
    for photo, face in zip(photos, faces, strict=True):
        hidden = photo.copy()
        x0, y0, x1, y1 = (face.box + np.array([-30, -60, 30, 30])).clip(0).astype(int)
        hidden[y0:y1, x0:x1] = photo[:4].mean(axis=(0, 1))
        assert yunet.detect([hidden]) == [[]]


@models
@pytest.mark.parametrize("sizes", [(200, 200), (60, 60), (500, 80), (45, 200)])
def test_two_people_are_two_faces(yunet, photos, faces, sizes):
    canvas = landscape(1280, 720)
    boxes = [
        pasted(canvas, photos[2], faces[2], sizes[0], 100, 120),
        pasted(canvas, photos[7], faces[7], sizes[1], 900, 300),
    ]
    found = yunet.detect([canvas])[0]
    assert len(found) == 2
    assert all(max(overlap(face.box, box) for face in found) > 0.5 for box in boxes)
    assert found[0].score >= found[1].score


@models
def test_a_tiny_bystander_is_left_out_unless_everybody_counts(make, yunet, photos, faces):
    canvas = landscape(1024, 1024)
    pasted(canvas, photos[2], faces[2], 600, 40, 200)
    pasted(canvas, photos[7], faces[7], 36, 950, 300)
    assert len(yunet.detect([canvas])[0]) == 1
    assert len(make(bystander=0).detect([canvas])[0]) == 2


@models
def test_closer_looks_can_be_switched_off(make, yunet, photos, faces):
    canvas = landscape(3000, 2000)
    pasted(canvas, photos[0], faces[0], 40, 1500, 900)
    assert len(yunet.detect([canvas])[0]) == 1
    assert make(closest_side=0).detect([canvas]) == [[]]


@models
def test_a_higher_score_is_asked_for_and_kept_to(make, photos):
    found = make(score=0.93).detect(photos)
    assert all(face.score >= 0.93 for one in found for face in one)
    assert any(not one for one in found)


@models
def test_results_do_not_depend_on_batches_or_threads(make, yunet, photos, faces):
    small = landscape(1280, 960)
    pasted(small, photos[3], faces[3], 40, 600, 400)
    batch = [*photos, small, landscape(640, 480), photos[0][100:300, 150:350]]
    alone = [yunet.detect([photo])[0] for photo in batch]
    for threads in (1, 2, 4):
        for found in (make(threads=threads).detect(batch), make(threads=threads).detect(batch[::-1])[::-1]):
            for one, other in zip(found, alone, strict=True):
                assert [face.score for face in one] == [face.score for face in other]
                for a, b in zip(one, other, strict=True):
                    np.testing.assert_array_equal(a.box, b.box)
                    np.testing.assert_array_equal(a.landmarks, b.landmarks)


@models
def test_nothing_is_written_to_the_terminal(make, photos, capfd):
    make().detect(photos[:1])
    assert capfd.readouterr() == ("", "")


@models
def test_photos_are_left_as_they_were_and_may_be_read_only(yunet, photos):
    photo = photos[0].copy()
    photo.flags.writeable = False
    assert len(yunet.detect([photo])[0]) == 1
    np.testing.assert_array_equal(photo, photos[0])
