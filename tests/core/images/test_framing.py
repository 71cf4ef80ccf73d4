"""Frames of data set images: where they lie, and what fills them past the photo's edges."""

import doctest

import numpy as np
import pytest
from hypothesis import given, strategies as st
from support.small_run import face

from text2face_core.images import Framing, cut_frame, face_centre, framing
from text2face_core.records import Face


def bare(box):
    """A face without landmarks."""
    return Face(np.array(box, np.float32), np.zeros((5, 2), np.float32), 1.0)


@pytest.mark.parametrize(
    ("box", "scale", "square", "free"),
    [
        ((40, 30, 60, 50), 2.0, (30, 20, 70, 60), (30, 20, 70, 60)),  # room on all sides
        ((0, 30, 20, 50), 2.0, (-10, 20, 30, 60), (0, 20, 30, 60)),  # at the left edge
        ((90, 70, 100, 80), 4.0, (75, 55, 115, 95), (75, 55, 100, 80)),  # in the lower right corner
        ((40, 30, 60, 50), 9.0, (10, 0, 90, 80), (0, 0, 100, 80)),  # larger than the photo: its whole height
        ((40, 30, 40, 30), 1.0, (40, 30, 41, 31), (40, 30, 41, 31)),  # never empty
    ],
)
def test_a_frame_is_centred_on_the_face(box, scale, square, free):
    assert Framing("square", scale).frame(100, 80, bare(box)) == square
    assert Framing("free", scale).frame(100, 80, bare(box)) == free
    assert Framing("whole", scale).frame(100, 80, bare(box)) == (0, 0, 100, 80)


def test_the_centre_comes_from_eyes_and_mouth_and_else_from_the_box():
    assert face_centre(face(100, 100, 200, 200)) == pytest.approx((150, 144))
    assert face_centre(bare((100, 100, 200, 200))) == (150, 150)
    lost = face(100, 100, 200, 200)
    lost.landmarks[:] = np.nan
    assert face_centre(lost) == (150, 150)
    turned = face(100, 100, 200, 200)
    turned.landmarks[:] += 500  # of another face
    assert face_centre(turned) == (150, 150)


@given(
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    corner=st.tuples(st.floats(-500, 3000, width=32), st.floats(-500, 3000, width=32)),
    extent=st.tuples(st.floats(0, 2000, width=32), st.floats(0, 2000, width=32)),
    scale=st.floats(0.1, 10),
)
def test_a_frame_always_shows_some_of_the_photo(width, height, corner, extent, scale):
    one = bare((*corner, corner[0] + extent[0], corner[1] + extent[1]))
    x0, y0, x1, y1 = Framing("square", scale).frame(width, height, one)
    assert 1 <= x1 - x0 == y1 - y0 <= min(width, height)
    assert x0 < width
    assert y0 < height
    assert x1 > 0
    assert y1 > 0
    x0, y0, x1, y1 = Framing("free", scale).frame(width, height, one)
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height


@pytest.mark.parametrize(
    ("width", "scale", "box"), [(0, 2.0, (1, 1, 5, 5)), (9, 0.0, (1, 1, 5, 5)), (9, 1, [np.nan] * 4)]
)
def test_a_frame_that_cannot_be_is_refused(width, scale, box):
    with pytest.raises(ValueError, match="no square"):
        Framing("square", scale).frame(width, 80, bare(box))


def test_what_the_photo_holds_is_cut_unchanged_and_the_rest_is_filled():
    pixels = np.random.default_rng(0).integers(0, 256, (80, 100, 3)).astype(np.uint8)
    crop = cut_frame(pixels, (-20, 10, 60, 90))
    assert crop.shape == (80, 80, 3)
    assert np.array_equal(crop[:70, 20:], pixels[10:80, :60])
    assert np.array_equal(cut_frame(pixels, (10, 20, 50, 60)), pixels[20:60, 10:50])
    near, far = crop[:70, 17:20].astype(float), crop[:70, :10].astype(float)
    assert near.std() > 4 * far.std()  # a mirror image that fades to a blur
    assert abs(far.mean() - pixels.mean()) < 12
    assert (crop > 0).mean() > 0.9  # no black bar


def test_the_photo_is_left_as_it_is():
    pixels = np.full((50, 50, 3), 100, np.uint8)
    pixels.flags.writeable = False
    assert (cut_frame(pixels, (-9, -9, 41, 41)) == 100).all()


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(framing).failed == 0
