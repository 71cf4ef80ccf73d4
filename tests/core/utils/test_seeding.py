"""Random streams: one for each purpose, the same everywhere."""

import itertools

import pytest

from text2face_core.utils.seeding import random_stream, stream_seed


def test_a_seed_is_the_same_on_every_machine_and_fits_64_bits():
    assert stream_seed(0, "0123456789abcdef", "bag", 1) == 75829296745331898
    assert all(0 <= stream_seed(seed, "x") < 2**64 for seed in range(100))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, "a", "b"), (0, "ab")),
        ((0, "1"), (0, 1)),
        ((0, "a"), (1, "a")),
        ((0, "a", "b"), (0, "b", "a")),
        ((0, 'a","b'), (0, "a", "b")),  # no purpose can be written so that it reads like another
        ((0, "caf\u00e9"), (0, "cafe\u0301")),
    ],
)
def test_different_purposes_have_different_streams(one, other):
    assert stream_seed(*one) != stream_seed(*other)


def test_a_name_that_is_not_valid_unicode_has_a_stream_too():
    assert stream_seed(0, "\udcff.jpg") == stream_seed(0, "\udcff.jpg")


def test_streams_do_not_resemble_each_other():
    first = [random_stream(0, photo, "bag").random() for photo in range(2000)]
    assert 0.47 < sum(first) / len(first) < 0.53
    rising = sum(a < b for a, b in itertools.pairwise(first))
    assert 0.47 < rising / len(first) < 0.53
