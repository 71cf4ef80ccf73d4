"""Decoder processes: whatever a photo does, it costs no more than itself, and nothing of it is left."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.crashing_format import crashing, install, memory_of, noise, processes_below
from support.image_files import GREY, PALETTE, SCENE, encoded, png, text_bomb

from text2face_core.errors import BadPhoto
from text2face_core.images import (
    ClosedError,
    DecodeLimits,
    DecoderPool,
    decode_image,
    open_decoder,
    template as template_module,
)
from text2face_core.images.pool import ThreadDecoder

pytestmark = pytest.mark.skipif(not template_module.CAN_FORK, reason="a system that cannot fork")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
GOOD = encoded(Image.fromarray(noise()), "PNG")


@pytest.fixture(scope="module", autouse=True)
def _crashing_template(tmp_path_factory):
    """A template whose decoders know the crashing format, for this module."""
    before, template_module._shared = template_module._shared, None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", install(tmp_path_factory.mktemp("site")))
        yield
    template_module._shared.close()
    template_module._shared = before


@pytest.fixture
def pool():
    made = DecoderPool(DecodeLimits(max_seconds=1.0, max_memory=300_000_000))
    yield made
    made.close()


def reason(pool, content, **given):
    with pytest.raises(BadPhoto) as refusal:
        pool.decode(content, **given)
    return str(refusal.value)


# --- what it gives ---


@pytest.mark.parametrize(
    "content",
    [
        encoded(Image.fromarray(SCENE), "JPEG"),
        encoded(PALETTE, "GIF"),
        encoded(Image.fromarray(GREY.astype(np.uint16) * 200), "TIFF"),
        encoded(Image.fromarray(np.dstack([SCENE, GREY])), "PNG"),
        encoded(Image.fromarray(noise(2100)), "PNG"),  # in two strips
    ],
    ids=["JPEG", "GIF", "16 bits", "transparent", "large"],
)
def test_pixels_are_those_of_this_process(pool, tmp_path, content):
    (tmp_path / "photo").write_bytes(content)
    expected = decode_image(content)
    for source in (content, tmp_path / "photo"):
        found = pool.decode(source)
        np.testing.assert_array_equal(found, expected)
        assert found.flags.c_contiguous
        assert not found.flags.writeable
    np.testing.assert_array_equal(ThreadDecoder().decode(content), expected)


@pytest.mark.parametrize("content", [b"", b"Dear diary", GOOD[:200], png(5, 300, 8, 0, bytes(6 * 300)), text_bomb()])
def test_reasons_are_those_of_this_process(pool, content):
    with pytest.raises(BadPhoto) as expected:
        decode_image(content)
    assert reason(pool, content) == str(expected.value)


def test_a_relative_path_is_that_of_this_process(pool, tmp_path, monkeypatch):
    (tmp_path / "photo").write_bytes(GOOD)
    monkeypatch.chdir(tmp_path)
    assert pool.decode(Path("photo")).shape == (64, 64, 3)


def test_the_bytes_of_the_pixels_are_known_before_they_are_decoded(pool):
    asked = []
    pool.decode(encoded(Image.fromarray(SCENE), "PNG"), asked.append)
    assert asked == [SCENE.nbytes]


# --- what photos do ---


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["signal", "SIGSEGV"], "crashed the decoder (SIGSEGV)"),
        (["later", "signal", "SIGSEGV"], "crashed the decoder (SIGSEGV)"),
        (["signal", "SIGABRT"], "crashed the decoder (SIGABRT)"),
        (["signal", "SIGKILL"], "crashed the decoder (SIGKILL)"),
        (["exit", "7"], "crashed the decoder (exit code 7)"),
        (["later", "exit", "0"], "crashed the decoder (exit code 0)"),
        (["fill", "5"], "too large: it takes more than 300 MB of memory to decode"),
        (["later", "fill", "5"], "too large: it takes more than 300 MB of memory to decode"),
        (["spin"], "too slow: decoding takes more than 1 s"),
        (["later", "spin"], "too slow: decoding takes more than 1 s"),
        (["sleep"], "too slow: not read and decoded within 3 s"),
        (["nonsense"], "unreadable: its decoder answers nonsense"),
    ],
    ids=" ".join,
)
def test_a_photo_that_breaks_its_decoder_costs_itself_alone(pool, actions, expected):
    with ThreadPoolExecutor(2) as threads:
        neighbours = [threads.submit(pool.decode, GOOD) for _ in range(6)]
        found = reason(pool, crashing(*actions))
        # On a busy machine, three seconds may be over before one second of computing.
        assert found == expected or found.split(":")[0] == expected.split(":")[0] == "too slow"
        assert all(one.result().shape == (64, 64, 3) for one in neighbours)
    assert pool.decode(GOOD).shape == (64, 64, 3)


@pytest.mark.parametrize("actions", [["signal", "SIGSEGV"], ["fill", "5"]])
def test_a_photo_that_fails_once_is_tried_again(pool, tmp_path, actions):
    found = pool.decode(crashing("once", str(tmp_path / "was here"), *actions))
    assert found[0, 0].tolist() == [9, 99, 199]


def test_a_second_try_is_made_while_no_other_photo_is_decoded(tmp_path):
    pool = DecoderPool(DecodeLimits(max_seconds=20), workers=3)
    turns, log = pool._turns, []
    alone, shared = turns.alone, turns.shared

    @contextlib.contextmanager
    def noted(turn, enters, leaves):
        with turn():
            log.append(enters)
            yield
            log.append(leaves)

    turns.alone, turns.shared = lambda: noted(alone, "(", ")"), lambda: noted(shared, "+", "-")
    crash = crashing("later", "once", str(tmp_path / "crashed"), "signal", "SIGSEGV")
    with ThreadPoolExecutor(3) as threads:
        assert len(list(threads.map(pool.decode, [GOOD, GOOD, crash, GOOD, GOOD, GOOD]))) == 6
    pool.close()
    before = "".join(log).partition("(")[0]
    assert "()" in "".join(log)
    assert before.count("+") == before.count("-") + 1, "the worker that crashed left without a sign"


def test_memory_that_one_photo_needed_is_not_missing_for_the_next():
    pool = DecoderPool(DecodeLimits(max_memory=300_000_000), workers=1)
    for number in range(5):  # ICC profiles of 20 MB, which would be kept if they were small
        content = encoded(Image.fromarray(SCENE), "TIFF", icc_profile=bytes([number]) * 20_000_000)
        np.testing.assert_array_equal(pool.decode(content), SCENE)
    assert len(pool.pids) == 1
    assert sum(map(memory_of, pool.pids)) < 300_000_000
    pool.close()


def test_a_decoder_can_write_no_file(pool, tmp_path):
    reason(pool, crashing("write", str(tmp_path / "taken-over")))
    assert not (tmp_path / "taken-over").exists() or (tmp_path / "taken-over").stat().st_size == 0


@LINUX
def test_a_bomb_takes_no_more_memory_than_allowed():
    limits = DecodeLimits(max_memory=200_000_000, max_pixels=120_000_000)
    pool = DecoderPool(limits, workers=1)
    bomb = png(10_000, 11_000, 8, 6, bytes(11_000 * 40_001)) + bytes(10**6)
    peaks = []
    done = threading.Event()

    def watch():
        while not done.wait(0.005):
            peaks.append(max(map(memory_of, pool.pids), default=0))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert reason(pool, bomb).startswith("too large: it takes more than 200 MB")
    finally:
        done.set()
        watcher.join()
        pool.close()
    assert max(peaks) < 300_000_000


# --- ends ---


def test_a_closed_pool_ends_what_is_in_work_at_once():
    pool = DecoderPool(DecodeLimits(max_seconds=100))
    with ThreadPoolExecutor(2) as threads:
        hanging = [threads.submit(pool.decode, crashing(action)) for action in ("spin", "sleep")]
        time.sleep(0.5)
        began = time.monotonic()
        pool.close()
        for one in hanging:
            with pytest.raises(ClosedError):
                one.result(timeout=5)
    assert time.monotonic() - began < 5
    assert pool.pids == []
    with pytest.raises(ClosedError):
        pool.decode(GOOD)


def test_workers_that_were_ended_from_outside_are_replaced(pool):
    assert pool.decode(GOOD).shape == (64, 64, 3)
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    assert pool.decode(GOOD).shape == (64, 64, 3)


def test_a_template_that_was_ended_from_outside_is_replaced(pool):
    before = template_module._shared.pid
    os.kill(before, signal.SIGKILL)
    template_module._shared._process.wait()
    assert pool.decode(GOOD).shape == (64, 64, 3)
    assert template_module._shared.pid != before


USER = """
import sys, time
from text2face_core.images import DecoderPool, DecodeLimits
from concurrent.futures import ThreadPoolExecutor
pool = DecoderPool(DecodeLimits(max_seconds=600))
threads = ThreadPoolExecutor(2)
for action in ("spin", "sleep"):
    threads.submit(pool.decode, b"CRASHING later " + action.encode())
time.sleep(1)
print("decoding", flush=True)
time.sleep(600)
"""


@LINUX
def test_no_process_is_left_when_the_one_that_uses_them_is_killed(tmp_path):
    environment = {**os.environ, "PYTHONPATH": install(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", USER], stdout=subprocess.PIPE, env=environment) as user:
        assert user.stdout.readline() == b"decoding\n"
        others = processes_below(user.pid)
        assert len(others) == 3, "the template and two workers"
        user.kill()
        user.wait()
        until = time.monotonic() + 20
        while time.monotonic() < until and any(memory_of(pid) for pid in others):
            time.sleep(0.05)
        assert not any(memory_of(pid) for pid in others)


def test_where_no_process_can_be_started_photos_are_decoded_here(monkeypatch, caplog):
    monkeypatch.setattr(template_module, "_shared", None)
    monkeypatch.setattr(template_module.sys, "executable", "")
    decoder = open_decoder()
    assert isinstance(decoder, ThreadDecoder)
    assert "without limits" in caplog.text
    assert decoder.decode(GOOD).shape == (64, 64, 3)


def test_a_forked_child_does_not_use_the_template_of_its_parent(pool):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, b"no" if template_module._shared.is_usable() else b"ok")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 2) == b"ok"
    os.close(read)
    os.close(write)
