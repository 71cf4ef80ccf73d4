"""A run that is killed at any instant and started again ends like one that was left alone."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from text2face_core import RunDirectory

KILLS = int(os.environ.get("T2F_TEST_KILLS", "2"))
CHANGING = {b"text2face.state", b"text2face-checksum"}
"""The size and time of metadata.jsonl, and the checksum that covers them."""


def shards(out):
    files = [*out.rglob("*.parquet"), out / "dataset" / "metadata.jsonl", *out.rglob("images/**/*.jpg")]
    return {path.relative_to(out): content(path) for path in sorted(files)}


def content(path):
    """The bytes; of the record of what was written, everything but when."""
    if path.name != "written.parquet":
        return path.read_bytes()
    table = pq.read_table(path)
    return table.to_pylist(), {key: value for key, value in table.schema.metadata.items() if key not in CHANGING}


@pytest.fixture
def many_photos(tmp_path, example_photos):
    """36 photos: the examples three times over, with a broken one, an empty one and one that is not an image."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for copy in range(3):
        for photo in sorted(example_photos.glob("*.jpg")):
            shutil.copy(photo, folder / f"{copy} {photo.name}")
    whole = next(iter(sorted(example_photos.glob("*.jpg")))).read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no image")
    return folder


@pytest.mark.models
def test_a_killed_run_ends_like_an_undisturbed_one(tmp_path, starter_models, many_photos):
    def command(out):
        arguments = ["run", str(many_photos), "--out", str(out), "--chunk-size", "4", "--no-report", "--offline"]
        return [sys.executable, "-m", "text2face_core", *arguments]

    calm, disturbed = tmp_path / "calm", tmp_path / "disturbed"
    start = time.monotonic()
    assert subprocess.run(command(calm), check=False, capture_output=True).returncode == 1
    whole = time.monotonic() - start

    chance = random.Random(20)
    killed = 0
    for _ in range(10 * KILLS):
        process = subprocess.Popen(command(disturbed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.1, 0.6) * whole)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        else:
            shutil.rmtree(disturbed) if killed < KILLS else None
        if killed == KILLS:
            break
    assert killed == KILLS
    assert subprocess.run(command(disturbed), check=False, capture_output=True).returncode == 1

    expected = shards(calm)
    assert shards(disturbed) == expected
    ids = [row.photo_id for row, _ in RunDirectory.open(disturbed).rows()]
    assert len(ids) == len(set(ids)) == 39
    assert not list(disturbed.rglob("*-tmp"))


@pytest.mark.models
@pytest.mark.nightly
def test_the_rows_are_the_same_for_any_batch_and_any_number_of_threads(tmp_path, starter_models, many_photos):
    made = []
    for batch, threads in [(1, 1), (7, 4), (64, 4)]:
        out = tmp_path / f"{batch}-{threads}"
        options = ["--batch-size", str(batch), "--decode-threads", str(threads), "--threads", str(threads)]
        arguments = ["run", str(many_photos), "--out", str(out), "--no-report", "--offline", *options]
        subprocess.run([sys.executable, "-m", "text2face_core", *arguments], check=False, capture_output=True)
        made.append(shards(out))
    assert made[0] == made[1] == made[2]
    assert len(made[0]) > 36
