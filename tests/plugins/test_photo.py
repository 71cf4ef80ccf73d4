"""Monochrome and blur, on portraits drawn here and on copies of the examples without colour or detail."""

import cv2
import numpy as np
import pytest
import t2f_photo
from PIL import Image
from pydantic import ValidationError
from support.paths import ROOT
from t2f_photo import PhotoOptions, SharpOptions, blur, chroma
from t2f_photo._measures import sharpness

from text2face_core import Face, Photo, Portrait

EXAMPLES = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
EVERY = {path.stem: np.asarray(Image.open(path).convert("RGB")) for path in EXAMPLES}
ALTERED = {"portrait-06": "monochrome", "portrait-12": "blurry"}  # made so, see their README
PLAIN = [name for name in EVERY if name not in ALTERED]
PIXELS = [EVERY[name] for name in PLAIN]

# The examples are square portraits with the face in the middle: near enough to a detected box for these measures.
MIDDLE = (0.22, 0.15, 0.78, 0.85)


def portrait(pixels: np.ndarray, box=MIDDLE) -> Portrait:
    height, width = pixels.shape[:2]
    face = Face(np.array(box, np.float32) * [width, height, width, height], np.zeros((5, 2), np.float32), 0.9)
    return Portrait(Photo("0" * 16, "photo.png", np.ascontiguousarray(pixels)), face)


def seen(pixels: np.ndarray, box=MIDDLE, **options):
    (findings,) = t2f_photo.build(PhotoOptions(**options), None).extract([portrait(pixels, box)])
    return {finding.name: finding for finding in findings}


def grey(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def blurred(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Sigma in pixels of a face 256 px high."""
    face = (MIDDLE[3] - MIDDLE[1]) * pixels.shape[0]
    return cv2.GaussianBlur(pixels, (0, 0), sigma * face / 256)


def compressed(pixels: np.ndarray, quality: int = 50) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def stamped(pixels: np.ndarray) -> np.ndarray:
    pixels = pixels.copy()
    side = pixels.shape[0] // 7
    pixels[:side, :side] = (220, 20, 20)
    return pixels


def sepia(pixels: np.ndarray) -> np.ndarray:
    return np.clip(grey(pixels) * np.array([1.07, 0.9, 0.7]), 0, 255).astype(np.uint8)


def grainy(pixels: np.ndarray) -> np.ndarray:
    return np.clip(grey(pixels) + np.random.default_rng(0).normal(0, 10, pixels.shape), 0, 255).astype(np.uint8)


def darkened(pixels: np.ndarray) -> np.ndarray:
    return (pixels * 0.5).astype(np.uint8)


def flat(pixels: np.ndarray) -> np.ndarray:
    return pixels // 2 + 64


@pytest.mark.parametrize("pixels", PIXELS, ids=PLAIN)
@pytest.mark.parametrize(
    ("change", "monochrome", "blurry"),
    [
        (lambda pixels: pixels, False, False),
        (compressed, False, False),
        (darkened, False, False),
        (flat, False, False),
        (grey, True, False),
        (lambda pixels: compressed(grey(pixels)), True, False),
        (lambda pixels: stamped(grey(pixels)), True, False),
        (grainy, True, False),
        (sepia, False, False),  # brown is a colour
        (lambda pixels: blurred(pixels, 3), False, True),
        (lambda pixels: flat(blurred(pixels, 3)), False, True),
        (lambda pixels: compressed(blurred(pixels, 4)), False, True),
        (lambda pixels: blurred(grey(pixels), 5), True, True),
    ],
    ids=[
        "as_is",
        "jpeg",
        "dark",
        "flat",
        "grey",
        "grey_jpeg",
        "grey_stamped",
        "grainy",
        "sepia",
        "blur",
        "blur_flat",
        "blur_jpeg",
        "grey_blur",
    ],
)
def test_both_are_told_of_the_examples_and_of_altered_copies(pixels, change, monochrome, blurry):
    found = seen(change(pixels))
    assert found["monochrome"].value is monochrome
    assert found["blurry"].value is blurry
    assert all(0.5 <= finding.score <= 1 for finding in found.values())


@pytest.mark.parametrize("name", ALTERED)
def test_the_altered_examples_are_told_apart(name):
    assert [what for what, finding in seen(EVERY[name]).items() if finding.value] == [ALTERED[name]]


def test_a_colourless_scene_around_a_coloured_face_is_not_monochrome():
    pixels = np.full((800, 800, 3), 235, np.uint8)
    pixels[300:420, 340:440] = cv2.resize(PIXELS[0], (100, 120))
    assert seen(pixels, (0.425, 0.375, 0.55, 0.525))["monochrome"].value is False


def test_a_sharp_face_before_a_soft_background_is_sharp():
    pixels = blurred(PIXELS[0], 8)
    x0, y0, x1, y1 = (np.array(MIDDLE) * pixels.shape[0]).astype(int)
    pixels[y0:y1, x0:x1] = PIXELS[0][y0:y1, x0:x1]
    assert seen(pixels)["blurry"].value is False


def test_a_sharp_background_does_not_save_a_blurred_face():
    pixels = PIXELS[0].copy()
    x0, y0, x1, y1 = (np.array(MIDDLE) * pixels.shape[0]).astype(int)
    pixels[y0:y1, x0:x1] = blurred(PIXELS[0], 5)[y0:y1, x0:x1]
    assert seen(pixels)["blurry"].value is True


@pytest.mark.parametrize("height", [90, 110, 128, 180])
def test_a_small_sharp_face_is_sharp_and_a_small_soft_one_is_not(height):
    """Blur shows at the size that a photo has: a face of few pixels is not blurred for that."""
    for pixels in PIXELS:
        zoom = height / ((MIDDLE[3] - MIDDLE[1]) * pixels.shape[0])
        small = cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
        assert seen(small)["blurry"].value is False
        assert seen(compressed(small, 80))["blurry"].value is False
        assert seen(cv2.GaussianBlur(small, (0, 0), 4))["blurry"].value is True


@pytest.mark.parametrize("zoom", [0.6, 1.7, 3])
def test_sharpness_hardly_depends_on_the_size_of_the_photo(zoom):
    for pixels in PIXELS:
        soft = blurred(pixels, 3)
        assert seen(cv2.resize(soft, None, fx=zoom, fy=zoom))["blurry"].value is True
    for pixels in PIXELS if zoom > 1 else PIXELS[:0]:
        assert seen(cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))["blurry"].value is False


def test_more_blur_is_never_sharper_and_scores_follow():
    found = [seen(blurred(PIXELS[1], sigma))["blurry"] for sigma in (1, 2, 3, 4, 6)]
    measures = [finding.detail["blur"] for finding in found]
    assert measures == sorted(measures)
    assert found[-1].score > found[2].score > 0.5


def test_less_colour_is_never_more_chroma_and_scores_follow():
    pixels = PIXELS[2].astype(float)
    faded = [(grey(PIXELS[2]) * share + pixels * (1 - share)).astype(np.uint8) for share in (0, 0.5, 0.9, 1)]
    found = [seen(one)["monochrome"] for one in faded]
    measures = [finding.detail["chroma"] for finding in found]
    assert measures == sorted(measures, reverse=True)
    assert found[0].value is False
    assert found[-1].value is True
    assert found[-1].score > 0.99


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [({"chroma": 60.0}, "monochrome", True), ({"blur": 0.1}, "blurry", True)],
)
def test_the_lines_are_the_users_to_draw(options, name, value):
    assert seen(PIXELS[0], **options)[name].value is value


@pytest.mark.parametrize("options", [{"chroma": 0}, {"blur": -1}, {"blur": 1.5}, {"sharp": 3}])
def test_options_out_of_range_or_unknown_are_refused(options):
    with pytest.raises(ValidationError):
        PhotoOptions(**options)


def test_chroma_is_that_of_cielab():
    # sRGB red has L* 53.2, a* 80.1, b* 67.2.
    assert chroma(np.full((20, 20, 3), (255, 0, 0), np.uint8)) == pytest.approx(np.hypot(80.1, 67.2), abs=0.5)
    assert chroma(np.full((2000, 10, 3), 77, np.uint8)) < 0.1


def test_a_surface_without_any_detail_has_no_sharpness():
    assert sharpness(np.full((256, 256, 3), 50, np.uint8)) == 0
    assert blur(np.full((256, 256, 3), 50, np.uint8)) == 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 900, 3), (2000, 2, 3)])
def test_odd_photos_are_measured_too(shape):
    assert set(seen(np.full(shape, 90, np.uint8), (0, 0, 1, 1))) == {"monochrome", "blurry"}


def test_a_batch_is_judged_as_each_photo_alone():
    extractor = t2f_photo.build(PhotoOptions(), None)
    together = extractor.extract([portrait(pixels) for pixels in PIXELS])
    assert together == [extractor.extract([portrait(pixels)])[0] for pixels in PIXELS]


def dimmed(pixels: np.ndarray, light: float) -> np.ndarray:
    """With a share of the light, as an underexposed photo is stored."""
    linear = (pixels / 255.0) ** 2.2 * light
    return compressed((linear ** (1 / 2.2) * 255).round().astype(np.uint8))


@pytest.mark.parametrize("light", [0.3, 0.1, 0.04, 0.02])
def test_a_dim_photo_is_as_colourful_as_it_was(light):
    for name, pixels in EVERY.items():
        assert seen(dimmed(pixels, light))["monochrome"].value is (ALTERED.get(name) == "monochrome"), name
        assert seen(dimmed(grey(pixels), light))["monochrome"].value is True, name


def judged(pixels: np.ndarray, **options) -> str:
    (rejection,) = t2f_photo.build_sharp(SharpOptions(**options), None).judge([portrait(pixels)])
    return rejection.reason if rejection else ""


def pixelated(pixels: np.ndarray, block: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (width // block, height // block), interpolation=cv2.INTER_AREA)
    return compressed(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), 85)


def test_sharp_and_somewhat_soft_faces_pass():
    for name, pixels in EVERY.items():
        assert judged(pixels) == judged(compressed(pixels)) == "", name
    for pixels in PIXELS:
        assert judged(blurred(pixels, 1.5)) == judged(cv2.resize(pixels, (120, 120))) == ""


@pytest.mark.parametrize("block", [4, 6, 8, 12, 16, 24])
def test_pixelated_faces_are_rejected(block):
    for name, pixels in EVERY.items():
        assert "pixelated" in judged(pixelated(pixels, block)), name


@pytest.mark.parametrize("sigma", [8, 12, 20])
def test_faces_blurred_beyond_recognition_are_rejected(sigma):
    for name, pixels in EVERY.items():
        assert "blurred" in judged(blurred(pixels, sigma)), name


def test_a_pixelated_face_in_a_sharp_photo_is_rejected():
    pixels = PIXELS[3].copy()
    x0, y0, x1, y1 = (np.array(MIDDLE) * pixels.shape[0]).astype(int)
    pixels[y0:y1, x0:x1] = pixelated(pixels[y0:y1, x0:x1], 10)
    assert "pixelated" in judged(pixels)


def test_the_lines_between_faces_that_pass_and_others_can_be_moved():
    assert judged(blurred(PIXELS[0], 12), detail=0) == ""
    assert judged(pixelated(PIXELS[0], 12), blocks=1) == ""
    assert "blurred" in judged(PIXELS[0], detail=1e6)
