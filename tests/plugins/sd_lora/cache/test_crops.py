"""Crops: which part of a picture is seen, at which size, and how batches of several sizes are made up."""

from __future__ import annotations

import numpy as np
import pytest
from t2f_sd_lora.cache.crops import Size, buckets, crop_picture, nearest
from t2f_sd_lora.model.vae import to_tensor

torch = pytest.importorskip("torch")


def marked(width: int, height: int) -> np.ndarray:
    """Red grows to the right, green downwards."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, x * 0], -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "left", "right"),
    [
        (200, 100, 0.25, 0.75),  # the middle half of a wide picture
        (100, 100, 0, 1),
        (100, 200, 0, 1),
        (101, 67, 17 / 101, 84 / 101),  # odd sizes
    ],
)
@pytest.mark.parametrize("side", [32, 512], ids=["smaller", "larger"])
def test_the_crop_is_the_largest_square_in_the_middle(width, height, left, right, side):
    crop = crop_picture(marked(width, height), Size(side, side))
    assert crop.shape == (side, side, 3)
    assert crop.dtype == np.uint8
    reds = crop[side // 2, :, 0].astype(float)
    margin = 255 * 2 / min(side, width, height) + 1
    assert abs(reds[0] - 255 * left) <= margin
    assert abs(reds[-1] - 255 * right) <= margin


def test_the_wanted_size_is_passed_through_untouched():
    pixels = marked(64, 64)
    assert np.array_equal(crop_picture(pixels, Size(64, 64)), pixels)


def test_an_oblong_crop_has_the_wanted_shape():
    crop = crop_picture(marked(300, 100), Size(128, 64))
    assert crop.shape == (64, 128, 3)
    assert abs(int(crop[32, 0, 0]) - 255 / 6) < 4  # 200 of 300 columns, from the 50th on


def test_a_flip_is_the_mirror_image():
    pixels = marked(90, 90)
    assert np.array_equal(crop_picture(pixels, Size(32, 32), flip=True), crop_picture(pixels, Size(32, 32))[:, ::-1])


def test_shrinking_averages_and_does_not_alias():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    assert abs(crop_picture(stripes, Size(64, 64)).astype(int) - 127).max() <= 1


def test_what_cut_returns_may_be_written_to_without_touching_the_photo():
    pixels = marked(64, 64)
    pixels.flags.writeable = False
    crop = crop_picture(pixels, Size(32, 32))
    crop[:] = 0


def test_pixels_become_numbers_from_minus_one_to_one():
    black, white = np.zeros((8, 16, 3), np.uint8), np.full((8, 16, 3), 255, np.uint8)
    red = black.copy()
    red[0, 0, 0] = 255
    found = to_tensor([black, white, red])
    assert found.shape == (3, 3, 8, 16)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    assert (float(found.min()), float(found.max())) == (-1, 1)
    assert found[2, :, 0, 0].tolist() == [1, -1, -1]


@pytest.mark.parametrize("resolution", [256, 512, 768])
@pytest.mark.parametrize("aspect", [1.5, 2.0])
def test_buckets_have_about_the_squares_area_and_sides_in_steps(resolution, aspect):
    found = buckets(resolution, aspect)
    assert found[0] == (resolution, resolution)
    assert len(set(found)) == len(found) > 2
    for width, height in found:
        assert width % 64 == height % 64 == 0
        assert 0.7 * resolution**2 < width * height <= resolution**2
        assert max(width, height) <= aspect * min(width, height)
        assert Size(height, width) in found


def test_without_an_aspect_there_is_the_square_alone():
    assert buckets(768) == ((768, 768),)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(1000, 1000, (512, 512)), (1000, 990, (512, 512)), (4000, 2000, (640, 320)), (900, 4000, (320, 640))],
)
def test_a_picture_goes_to_the_size_of_nearest_shape(width, height, expected):
    sizes = buckets(512, 2.0)
    assert sizes[nearest(width, height, sizes)] == expected
