"""Colours of PNG files by their cICP chunk."""

import numpy as np
import pytest
from PIL import Image, ImageCms
from support.image_files import DISPLAY_P3, GREY, HEIGHT, SCENE, WIDTH, chunk, encoded, png, rgb_profile, rows

from text2face_core.images import decode_image


def coded(samples, primaries, transfer, full_range=1, *others, matrix=0):
    """A PNG with these code points; samples: (H, W, 3) or (H, W) uint8."""
    points = chunk(b"cICP", bytes([primaries, transfer, matrix, full_range]))
    height, width = samples.shape[:2]
    colour = 2 if samples.ndim == 3 else 0
    return png(width, height, 8, colour, rows(samples.reshape(height, -1)), *others, points)


def flat(*colour):
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def test_display_p3_is_what_an_icc_profile_of_it_gives():
    image = Image.fromarray(SCENE)
    by_profile = decode_image(encoded(image, "PNG", icc_profile=rgb_profile(*DISPLAY_P3)))
    by_points = decode_image(coded(SCENE, 12, 13))
    assert np.abs(by_points.astype(int) - by_profile).max() <= 3
    assert np.abs(by_points.astype(int) - SCENE).max() > 20


@pytest.mark.parametrize(
    ("points", "colour", "expected"),
    [
        ((1, 8), (55, 55, 55), (128, 128, 128)),  # linear: 21.6 % of the light
        ((1, 4), (186, 186, 186), (187, 187, 187)),  # gamma 2.2
        ((9, 13), (255, 255, 255), (255, 255, 255)),
        ((9, 13), (128, 128, 128), (128, 128, 128)),  # grey is grey with any primaries
        ((12, 13), (234, 51, 35), (255, 0, 0)),  # sRGB's red, as Display P3 writes it
        ((9, 16), (148, 148, 148), (255, 255, 255)),  # PQ: 203 cd/m² is 58 % of the signal
        ((9, 16), (255, 255, 255), (255, 255, 255)),
        ((9, 16), (97, 97, 97), (100, 100, 100)),  # BT.2408's grey card: 26 cd/m², 38 % of the signal
        ((9, 18), (191, 191, 191), (254, 254, 254)),  # HLG: white is 75 % of the signal
        ((1, 13, 0), (16, 16, 16), (0, 0, 0)),  # 16 to 235
        ((1, 13, 0), (235, 235, 235), (255, 255, 255)),
    ],
)
def test_known_colours_come_out_as_they_look(points, colour, expected):
    found = decode_image(coded(flat(*colour), *points))[0, 0]
    assert np.abs(found.astype(int) - expected).max() <= 3, found


def test_it_overrules_profile_and_gamma():
    gamma = chunk(b"gAMA", (100_000).to_bytes(4, "big"))
    wanted = decode_image(coded(SCENE, 12, 13))
    np.testing.assert_array_equal(decode_image(coded(SCENE, 12, 13, 1, gamma)), wanted)
    np.testing.assert_array_equal(decode_image(coded(SCENE, 1, 13, 1, gamma)), SCENE)


def test_grey_files_have_it_too():
    found = decode_image(coded(GREY, 1, 8))
    assert np.abs(found.astype(int) - decode_image(coded(np.repeat(GREY[..., None], 3, 2), 1, 8))).max() == 0


@pytest.mark.parametrize(
    "content",
    [
        coded(SCENE, 1, 13),
        coded(SCENE, 1, 1),
        coded(SCENE, 2, 2),  # unspecified
        coded(SCENE, 99, 13),
        coded(SCENE, 12, 13, matrix=9),  # not RGB, which PNG does not allow
        png(WIDTH, HEIGHT, 8, 2, rows(SCENE.reshape(HEIGHT, -1)), chunk(b"cICP", b"\x0c")),
    ],
)
def test_code_points_that_say_nothing_new_or_nothing_known_change_nothing(content):
    np.testing.assert_array_equal(decode_image(content), SCENE)


def test_srgb_as_a_profile_and_as_code_points_agree():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    by_profile = decode_image(encoded(Image.fromarray(SCENE), "PNG", icc_profile=profile))
    np.testing.assert_array_equal(by_profile, decode_image(coded(SCENE, 1, 13)))
