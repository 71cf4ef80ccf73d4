"""Geometry: fits against known transforms, warps against pixels that can be worked out by hand, crops of real size."""

import dataclasses
import doctest
import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from text2face_core.errors import DegenerateFace
from text2face_core.images import geometry
from text2face_core.images.geometry import BoxCrop, LandmarkCrop, crops, similarity, warp
from text2face_core.records import Face, Photo, Portrait

FIVE = ((20.0, 24.0), (44.0, 24.0), (32.0, 38.0), (23.0, 48.0), (41.0, 48.0))
IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], np.float32)


def matrix_of(zoom: float, angle: float, dx: float, dy: float) -> np.ndarray:
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    return np.array([[c, -s, dx], [s, c, dy]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float64)
    waves = [np.sin(x / 9) * np.cos(y / 11), np.cos(x / 13 + y / 7), np.sin(y / 8)]
    return np.round(127.5 + 120 * np.stack(waves, axis=-1)).astype(np.uint8)


def face_at(box, landmarks=FIVE) -> Face:
    return Face(np.array(box, np.float32), np.array(landmarks, np.float32), 0.9)


def portrait_of(pixels: np.ndarray, face: Face) -> Portrait:
    return Portrait(Photo("0" * 16, "photo.png", pixels), face)


# similarity


@given(
    zoom=st.floats(0.01, 50),
    angle=st.floats(-np.pi, np.pi),
    dx=st.floats(-2000, 2000),
    dy=st.floats(-2000, 2000),
)
def test_a_similarity_is_recovered_from_points_that_it_moved(zoom, angle, dx, dy):
    wanted = matrix_of(zoom, angle, dx, dy)
    source = np.array([FIVE])
    found = similarity(source, apply(wanted, source))
    assert found.shape == (1, 2, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(apply(found[0], source), apply(wanted, source), atol=1e-3 * max(1, zoom))


@given(st.integers(0, 2**32 - 1))
def test_no_nearby_similarity_fits_noisy_points_better(seed):
    random = np.random.default_rng(seed)
    source = random.normal(0, 30, (1, 5, 2))
    target = random.normal(0, 30, (1, 5, 2))
    best = similarity(source, target)[0].astype(np.float64)

    def error(matrix):
        return ((apply(matrix, source[0]) - target[0]) ** 2).sum()

    for _ in range(20):
        a, b, dx, dy = random.normal(0, 0.05, 4)
        assert error(best) <= error(best + np.array([[a, -b, dx], [b, a, dy]])) + 1e-6


def test_a_mirrored_face_is_never_fitted_by_a_reflection():
    source = np.array([FIVE])
    mirrored = source * [-1, 1]
    turn = similarity(source, mirrored)[0, :, :2]
    assert np.linalg.det(turn) > 0
    np.testing.assert_allclose(turn[0, 0], turn[1, 1])
    np.testing.assert_allclose(turn[0, 1], -turn[1, 0])


def test_a_batch_is_fitted_as_each_face_alone():
    random = np.random.default_rng(3)
    source, target = random.normal(0, 40, (2, 7, 5, 2))
    alone = np.concatenate([similarity(s[None], t[None]) for s, t in zip(source, target, strict=True)])
    np.testing.assert_array_equal(similarity(source, target), alone)
    assert similarity(source[:0], target[:0]).shape == (0, 2, 3)


@pytest.mark.parametrize(
    "points",
    [
        [(7.0, 7.0)] * 5,
        [(7.0, 7.0)] * 4 + [(np.nan, 7.0)],
        [(7.0, 7.0)] * 4 + [(np.inf, 7.0)],
    ],
)
def test_landmarks_that_coincide_or_are_not_numbers_are_a_degenerate_face(points):
    good = np.array(FIVE)
    with pytest.raises(DegenerateFace, match="landmarks"):
        similarity(np.stack([good, np.array(points)]), np.stack([good, good]))


@pytest.mark.parametrize("shape", [(5, 2), (1, 1, 2), (1, 5, 3)])
def test_arrays_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(N, P, 2\)"):
        similarity(np.zeros(shape), np.zeros(shape))


# warp


def test_the_identity_copies_pixels():
    pixels = noise(8, 8)
    np.testing.assert_array_equal(warp(pixels, IDENTITY, 8), pixels)


def test_a_shift_by_whole_pixels_moves_pixels_and_shows_the_border_colour():
    pixels = noise(8, 8)
    moved = warp(pixels, np.array([[1, 0, 3], [0, 1, -2]], np.float32), 8, border=(9, 8, 7))
    np.testing.assert_array_equal(moved[:6, 3:], pixels[2:, :5])
    assert (moved[:, :3] == (9, 8, 7)).all()
    assert (moved[6:] == (9, 8, 7)).all()


def test_a_border_of_none_repeats_the_edge():
    pixels = noise(4, 4)
    moved = warp(pixels, np.array([[1, 0, 2], [0, 1, 0]], np.float32), 4, border=None)
    np.testing.assert_array_equal(moved[:, :2], np.repeat(pixels[:, :1], 2, axis=1))


def test_a_quarter_turn_turns():
    pixels = noise(6, 6)
    # (x, y) -> (5 - y, x): what was above is right.
    turned = warp(pixels, np.array([[0, -1, 5], [1, 0, 0]], np.float32), 6)
    np.testing.assert_array_equal(turned, np.rot90(pixels, -1))


def test_a_point_between_four_pixels_is_their_mean():
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[:, :, 0] = [[0, 40], [80, 120]]
    shown = warp(pixels, np.array([[1, 0, -0.5], [0, 1, -0.5]], np.float32), 1)
    assert shown[0, 0].tolist() == [60, 0, 0]


def test_a_reduction_by_a_whole_factor_is_the_mean_of_each_block():
    pixels = noise(24, 24)
    # Outer edge to outer edge: photo point 0.5 (k = 2) lies under the square's point 0.
    for k in (2, 3, 4):
        matrix = np.array([[1 / k, 0, (1 / k - 1) / 2], [0, 1 / k, (1 / k - 1) / 2]])
        shown = warp(pixels, matrix, 24 // k)
        means = pixels.reshape(24 // k, k, 24 // k, k, 3).mean(axis=(1, 3))
        assert np.abs(shown - means).max() <= 1


@settings(max_examples=40, deadline=None)
@given(zoom=st.floats(0.5001, 3), angle=st.floats(-np.pi, np.pi), dx=st.floats(-20, 20), dy=st.floats(-20, 20))
def test_easy_warps_are_those_of_opencv(zoom, angle, dx, dy):
    pixels = smooth(64, 80)
    matrix = matrix_of(zoom, angle, 30 + dx, 30 + dy)
    theirs = cv2.warpAffine(pixels, matrix, (48, 48), flags=cv2.INTER_LINEAR)
    # The region is cut out first, so the sums are rounded at other places: never by more than the steepest
    # edge (photo against black border) times OpenCV's 1/32 px grid, and hardly ever at all.
    difference = np.abs(warp(pixels, matrix, 48).astype(int) - theirs)
    assert difference.max() <= 16
    assert difference.mean() < 0.3


@settings(max_examples=30, deadline=None)
@given(zoom=st.floats(1, 2), angle=st.floats(-np.pi, np.pi))
def test_there_and_back_is_nearly_the_same_picture(zoom, angle):
    pixels = smooth(65, 65)
    there = matrix_of(zoom, angle, 0, 0)
    there[:, 2] = 100 - there[:, :2] @ [32, 32]
    back = np.linalg.inv(np.vstack([there, [0, 0, 1]]))[:2]
    again = warp(warp(pixels, there, 201), back, 65)
    middle = slice(12, -12)
    assert np.abs(again[middle, middle].astype(int) - pixels[middle, middle]).max() <= 12


def test_only_antialiasing_keeps_a_fine_pattern_from_turning_into_a_coarse_one():
    stripes = np.zeros((960, 960, 3), np.uint8)
    stripes[:, ::2] = 255
    matrix = np.array([[1 / 15, 0, -7 / 15], [0, 1 / 15, -7 / 15]])
    shown = warp(stripes, matrix, 64)[4:-4, 4:-4].astype(float)
    plain = warp(stripes, matrix, 64, antialias=False)[4:-4, 4:-4].astype(float)
    assert np.abs(shown - 127.5).max() < 12
    assert np.abs(plain - 127.5).max() > 100


@pytest.mark.parametrize("border", [(0, 0, 0), (200, 100, 50), None])
def test_a_strong_reduction_keeps_the_border_where_the_photo_ends(border):
    pixels = np.full((103, 97, 3), 255, np.uint8)
    # The square shows photo points -150 to 250 or so: the photo is a patch in its middle.
    shown = warp(pixels, np.array([[0.1, 0, 15], [0, 0.1, 15]]), 40, border=border)
    outside = (255, 255, 255) if border is None else border
    assert (shown[:13] == outside).all()
    assert (shown[:, -13:] == outside).all()
    assert (shown[17:23, 17:22] == 255).all()


@pytest.mark.parametrize("shift", [(1000, 0), (-1000, 0), (0, 1000), (0, -1000)])
@pytest.mark.parametrize("zoom", [1.0, 0.2])
def test_a_square_wholly_outside_the_photo_is_all_border(shift, zoom):
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
    assert (warp(noise(50, 50), matrix, 16, border=(1, 2, 3)) == (1, 2, 3)).all()


def test_a_single_pixel_is_photo_enough():
    assert (warp(np.full((1, 1, 3), 7, np.uint8), IDENTITY, 3, border=None) == 7).all()


@pytest.mark.parametrize("matrix", [np.zeros((2, 3)), np.array([[1, 1, 0], [1, 1, 0]]), np.full((2, 3), np.nan)])
def test_a_matrix_without_inverse_is_a_degenerate_face(matrix):
    with pytest.raises(DegenerateFace, match="shrinks"):
        warp(noise(4, 4), matrix, 4)


def test_a_small_crop_of_a_huge_photo_is_as_cheap_as_one_of_a_small_photo():
    huge = np.zeros((9000, 40_000, 3), np.uint8)  # wider than cv2.warpAffine takes in one piece
    huge[5000:5064, 39_000:39_064] = noise(64, 64)
    matrix = np.array([[1, 0, -39_000], [0, 1, -5000]], np.float32)
    began = time.process_time()
    shown = warp(huge, matrix, 64)
    assert time.process_time() - began < 0.1
    np.testing.assert_array_equal(shown, noise(64, 64))


# crops


def test_a_landmark_crop_brings_the_landmarks_to_its_points():
    photo_landmarks = apply(matrix_of(3.7, 0.4, 210, 80), np.array(FIVE))
    pixels = np.zeros((400, 600, 3), np.uint8)
    for x, y in photo_landmarks:
        cv2.circle(pixels, (round(x), round(y)), 6, (255, 255, 255), -1)
    crop = portrait_of(pixels, face_at((0, 0, 9, 9), photo_landmarks)).crop(LandmarkCrop("five", FIVE, 64))
    assert crop.shape == (64, 64, 3)
    for x, y in FIVE:
        assert crop[round(y), round(x)].min() > 200


@pytest.mark.parametrize("antialias", [True, False])
def test_antialiasing_is_the_crops_choice(antialias):
    pixels = noise(640, 640)
    landmarks = apply(matrix_of(10, 0, 0, 0), np.array(FIVE))
    crop = portrait_of(pixels, face_at((0, 0, 9, 9), landmarks)).crop(LandmarkCrop("five", FIVE, 64, antialias))
    # Noise averaged over 10 x 10 pixels is nearly grey; noise seen through four pixels is not.
    assert (crop.std() < 20) == antialias


def test_equal_crops_are_one_whatever_their_name():
    one, other = LandmarkCrop("one", FIVE, 64), LandmarkCrop("other", FIVE, 64)
    assert one == other
    assert hash(one) == hash(other)
    assert one != dataclasses.replace(one, size=32)
    portrait = portrait_of(noise(80, 80), face_at((10, 10, 60, 60)))
    assert portrait.crop(one) is portrait.crop(other)


def test_a_box_crop_of_the_boxs_own_size_is_a_slice():
    pixels = noise(60, 60)
    portrait = portrait_of(pixels, face_at((12, 20, 28, 36)))
    np.testing.assert_array_equal(portrait.crop(BoxCrop(1.0, 16)), pixels[20:36, 12:28])
    np.testing.assert_array_equal(portrait.crop(BoxCrop(2.0, 32)), pixels[12:44, 4:36])


def test_a_box_crop_is_square_around_a_box_that_is_not():
    pixels = noise(60, 60)
    portrait = portrait_of(pixels, face_at((16, 20, 24, 36)))
    np.testing.assert_array_equal(portrait.crop(BoxCrop(1.0, 16)), pixels[20:36, 12:28])


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (0, 0, np.nan, 5)])
def test_a_box_without_extent_is_a_degenerate_face(box):
    with pytest.raises(DegenerateFace, match="box"):
        BoxCrop(1.0, 16).matrix(face_at(box))


def test_crops_of_a_batch_are_stacked_in_order():
    portraits = [portrait_of(noise(80, 80, seed), face_at((10, 10, 60, 60))) for seed in range(3)]
    how = LandmarkCrop("five", FIVE, 24)
    stack = crops(portraits, how)
    assert stack.shape == (3, 24, 24, 3)
    for crop, portrait in zip(stack, portraits, strict=True):
        np.testing.assert_array_equal(crop, portrait.crop(how))
    assert crops([], how).shape == (0, 24, 24, 3)


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(geometry).failed == 0
