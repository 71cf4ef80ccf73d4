"""Photos come out in order and in batches, and no more of them is in memory than the budget allows."""

import random
import threading
import time

import numpy as np
import pytest
from PIL import Image
from support.image_files import png

from text2face_core.engines.decoding import PhotoStream
from text2face_core.errors import BadPhoto, RunError
from text2face_core.images.pool import ThreadDecoder
from text2face_core.pipeline import Failure
from text2face_core.records import PhotoRef

SIDE = 100
BYTES = 3 * SIDE * SIDE


class Counting:
    """Decodes names of sides into squares, after a pause, and counts the bytes that are out."""

    def __init__(self, pauses=0.002):
        self.out, self.most, self.lock, self.pauses = 0, 0, threading.Lock(), pauses
        self.chance = random.Random(3)

    def decode(self, source, admit):
        time.sleep(self.chance.random() * self.pauses)
        if source.name.endswith("none"):
            raise BadPhoto("no photo")
        side = int(source.name.split("-")[1])
        admit(3 * side * side)
        with self.lock:
            self.out += 3 * side * side
            self.most = max(self.most, self.out)
        if source.name.endswith("broken"):
            raise BadPhoto("broken after its header")
        return np.full((side, side, 3), int(source.name.split("-")[0]) % 251, np.uint8)

    def close(self):
        pass


def stream_of(names, decoder, *, budget=10 * BYTES, threads=3, ahead=20):
    photos = [PhotoRef(f"{number:016x}", f"/photos/{name}") for number, name in enumerate(names)]
    return PhotoStream(photos, decoder, 10**6, threads=threads, ahead=ahead, budget=budget)


def take(stream, decoder, count, size):
    """The batches, each dropped when the next is asked for."""
    batches = []
    for batch in stream.batches(count, size):
        batches.append([one.ref.uri for one in batch])
        yielded = sum(one.outcome.pixels.nbytes for one in batch if not isinstance(one.outcome, Failure))
        time.sleep(0.002)
        with decoder.lock:
            decoder.out -= yielded + sum(BYTES for one in batch if one.ref.uri.endswith("broken"))
    stream.close()
    return batches


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [1, 4, 64])
def test_photos_come_in_order_and_within_the_budget(size, threads):
    names = [f"{number}-{SIDE}" for number in range(60)]
    names[7], names[30], names[31] = "7-none", f"30-{SIDE}-broken", f"31-{3 * SIDE}"
    decoder = Counting()
    batches = take(stream_of(names, decoder, threads=threads), decoder, 60, size)
    assert [uri for batch in batches for uri in batch] == [f"/photos/{name}" for name in names]
    whole = [len(batch) for batch in batches if "/photos/7-none" not in batch]  # which has no bytes
    assert max(whole) == min(size, 5), "half of the budget is for photos that are decoded ahead"
    assert decoder.most <= 10 * BYTES


def test_a_photo_that_is_larger_than_the_budget_is_alone_in_memory():
    names = [f"{number}-{SIDE if number % 3 else 6 * SIDE}" for number in range(12)]
    decoder = Counting()
    batches = take(stream_of(names, decoder), decoder, 12, 8)
    assert [uri for batch in batches for uri in batch] == [f"/photos/{name}" for name in names]
    assert decoder.most == 36 * BYTES


def test_failures_are_results_in_their_place():
    decoder = Counting()
    stream = stream_of(["0-none", f"1-{SIDE}", f"2-{SIDE}-broken"], decoder)
    (batch,) = stream.batches(3, 8)
    stream.close()
    assert batch[0].outcome == Failure("no photo")
    assert batch[1].outcome.pixels[0, 0, 0] == 1
    assert batch[2].outcome == Failure("broken after its header")


def test_photos_are_begun_ahead_across_calls_but_not_all_of_them():
    begun = []

    class Noting(Counting):
        def decode(self, source, admit):
            begun.append(source)
            return super().decode(source, admit)

    stream = stream_of([f"{number}-{SIDE}" for number in range(100)], Noting(0), budget=100 * BYTES, ahead=6)
    assert [len(batch) for batch in stream.batches(5, 2)] == [2, 2, 1]
    time.sleep(0.3)
    assert len(begun) == 5 + 6
    assert [len(batch) for batch in stream.batches(95, 50)] == [50, 45]
    stream.close()


def test_a_decoder_that_cannot_go_on_stops_the_run():
    class Broken(Counting):
        def decode(self, source, admit):
            raise RunError("no process can be started")

    stream = stream_of(["0-9"], Broken())
    with pytest.raises(RunError, match="no process"):
        list(stream.batches(1, 1))
    stream.close()


def test_a_closed_stream_lets_its_threads_go():
    before = set(threading.enumerate())
    stream = stream_of([f"{number}-{SIDE}" for number in range(30)], Counting(), budget=BYTES)
    next(stream.batches(30, 1))
    begun = set(threading.enumerate()) - before
    assert len(begun) == 3
    stream.close()
    for thread in begun:
        thread.join(5)
    assert not any(thread.is_alive() for thread in begun)


def test_a_source_that_breaks_costs_its_photo(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(png(30000, 30000, 8, 2, b""))
    photos = [PhotoRef("0" * 16, str(tmp_path / "good.png")), PhotoRef("1" * 16, "nowhere:a")]
    photos.append(PhotoRef("2" * 16, str(tmp_path / "bad.png")))
    stream = PhotoStream(photos, ThreadDecoder(), 10**6, threads=2, ahead=9, budget=10**6)
    (batch,) = stream.batches(3, 8)
    assert batch[0].outcome.pixels.shape == (40, 40, 3)
    assert "nowhere" in batch[1].outcome.reason
    assert batch[2].outcome.reason.startswith("too large")
    stream.close()
