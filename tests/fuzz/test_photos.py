"""Mutated photos: each gives pixels or a reason, within its limits of time and memory. See `nox -s fuzz`."""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from support.hostile import bombs, mutate, photos

from text2face_core.errors import BadPhoto
from text2face_core.images import DecodeLimits, open_decoder

SECONDS = float(os.environ.get("T2F_FUZZ_SECONDS", "3"))
SEED = int(os.environ.get("T2F_FUZZ_SEED", "0"))
LIMITS = DecodeLimits(max_seconds=30)


def outcome(decoder, content):
    """The reason why there are no pixels; empty if there are."""
    try:
        pixels = decoder.decode(content)
    except BadPhoto as refusal:
        return str(refusal)
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    return ""


@pytest.fixture(scope="module")
def decoder():
    opened = open_decoder(LIMITS)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", photos())
def test_whole_photos_are_decoded(decoder, name):
    assert outcome(decoder, photos()[name]) == ""


def test_mutated_photos_give_pixels_or_a_reason(decoder):
    whole, until = photos(), time.monotonic() + SECONDS
    others, names = [*whole.values()], [*whole]

    def one(number):
        if time.monotonic() > until:
            return None
        chance = random.Random(number)
        name = names[number % len(names)]
        began = time.monotonic()
        reason = outcome(decoder, mutate(whole[name], others, chance))
        return number, name, reason, time.monotonic() - began

    done = []
    with ThreadPoolExecutor(2) as threads:
        for first in count(SEED * 10_000_000, 64):
            found = [result for result in threads.map(one, range(first, first + 64)) if result]
            done += found
            if len(found) < 64:
                break
    assert done
    bad = [(number, name, reason) for number, name, reason, _ in done if "crashed" in reason or "too slow" in reason]
    assert bad == [], "number of the mutation, kind of file, reason"
    assert any(not reason for *_, reason, _ in done), "some survive"


@pytest.mark.parametrize("name", bombs())
def test_bombs_give_pixels_or_a_reason(decoder, name):
    reason = outcome(decoder, bombs()[name])
    assert "crashed" not in reason
