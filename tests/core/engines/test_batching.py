"""Parts of a chunk grow while they are quick and shrink when they are slow."""

import pytest

from text2face_core.engines import batching as module
from text2face_core.engines.batching import Parts


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when told to."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def sizes(parts, clock, count, seconds_each):
    found = []
    for part in parts(range(count)):
        found.append(len(part))
        clock[0] += seconds_each * len(part)
    return found


@pytest.mark.parametrize(
    ("seconds_each", "wanted"),
    [
        (0.0, [8, 16, 32, 64, 8]),
        (1.0, [8] * 16),
        (3.0, [8] + [4] * 30),
        (100.0, [8, 4, 2] + [1] * 114),
    ],
)
def test_a_part_takes_seconds_whatever_an_item_takes(clock, seconds_each, wanted):
    assert sizes(Parts(), clock, 128, seconds_each) == wanted


def test_the_next_chunk_begins_with_the_size_that_was_found(clock):
    parts = Parts()
    sizes(parts, clock, 128, 0.0)
    assert sizes(parts, clock, 128, 0.0) == [128]


def test_nothing_is_cut_into_nothing(clock):
    assert sizes(Parts(), clock, 0, 1.0) == []
