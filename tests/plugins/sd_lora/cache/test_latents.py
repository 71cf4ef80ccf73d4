"""The latent cache: the same numbers as encoding on the fly, once, whatever is killed, moved or added."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import tiny_sd
from t2f_sd_lora.cache import latents as _latents, writer as _latent_writer
from t2f_sd_lora.cache.crops import Size, buckets, crop_picture
from t2f_sd_lora.cache.index import DONE, PLANNED, RECORD, SlotIndex
from t2f_sd_lora.cache.latents import EncodingShare, LatentCache, LatentFormat
from t2f_sd_lora.model.vae import encode_pictures, hash_encoder

from text2face_core.dataset import open_dataset
from text2face_core.errors import RunError, UsageError

torch = pytest.importorskip("torch")

SIDE = 64
SQUARE = Size(SIDE, SIDE)


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return tiny_sd.vae(tiny_sd.TINY).eval()


def make_photos(folder: Path, count: int, sizes=((80, 80),)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(5)
    lines = []
    for number in range(count):
        width, height = sizes[number % len(sizes)]
        blocks = noise.integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((width, height)).save(folder / f"{number}.png")
        lines.append(json.dumps({"file_name": f"{number}.png", "text": f"photo {number}"}) + "\n")
    (folder / "metadata.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture
def photos(tmp_path) -> Path:
    return make_photos(tmp_path / "photos", 12)


@pytest.fixture
def counted(monkeypatch):
    """How many pictures were encoded."""
    seen: list[int] = []

    def count(vae, pictures):
        seen.append(len(pictures))
        return encode_pictures(vae, pictures)

    monkeypatch.setattr(_latent_writer, "encode_pictures", count)
    return seen


def open_cache(folder, vae, dataset, sizes, *, flip=False, dtype="float16", **share):
    """The cache for these sizes, or for squares of one side."""
    sizes = (Size(sizes, sizes),) if isinstance(sizes, int) else tuple(sizes)
    return LatentCache.open(folder, vae, dataset, LatentFormat(sizes, flip, dtype), EncodingShare(**share))


def on_the_fly(vae, dataset, indices, *, flip=False, size=SQUARE):
    return encode_pictures(vae, [crop_picture(dataset[index].read(), size, flip=flip) for index in indices])


def sampled(moments, seed=0):
    mean, std = moments
    return mean + std * torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))


# --- the same numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("dtype", "error"), [("float16", 1e-3), ("float32", 1e-6)])
def test_the_cache_equals_encoding_on_the_fly(tmp_path, vae, photos, dtype, error, flip):
    dataset = open_dataset(photos)
    cache = open_cache(tmp_path / "cache", vae, dataset, SIDE, flip=flip, dtype=dtype, batch=5)
    assert cache.usable.tolist() == list(range(12))
    chosen = [7, 0, 3]
    found, expected = cache.moments(chosen, [flip] * 3), on_the_fly(vae, dataset, chosen, flip=flip)
    assert [tensor.shape for tensor in found] == [(3, 4, SIDE // 8, SIDE // 8)] * 2
    assert {tensor.dtype for tensor in found} == {torch.float32}
    for got, want in ((sampled(found), sampled(expected)), (found[0], expected[0]), (found[1], expected[1])):
        assert float((got - want).norm() / want.norm()) <= error


def test_mean_and_spread_are_those_of_the_vae(vae, photos):
    dataset = open_dataset(photos)
    mean, std = on_the_fly(vae, dataset, [0, 1])
    pixels = torch.stack([torch.from_numpy(crop_picture(dataset[n].read(), Size(SIDE, SIDE))) for n in (0, 1)])
    with torch.no_grad():
        found = vae.encode(pixels.permute(0, 3, 1, 2) / 127.5 - 1).latent_dist
    torch.testing.assert_close(mean, found.mean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(std, found.std, atol=1e-4, rtol=1e-4)


def test_photos_of_all_shapes_go_to_the_size_of_nearest_shape(tmp_path, vae):
    dataset = open_dataset(make_photos(tmp_path / "photos", 9, ((300, 300), (400, 250), (250, 400))))
    sizes = buckets(256, 1.5)
    cache = open_cache(tmp_path / "cache", vae, dataset, sizes, batch=2, dtype="float32")
    shapes = [cache.sizes[cache.bucket(number)] for number in range(3)]
    assert shapes == [(256, 256), (256, 192), (192, 256)]
    mean, _ = cache.moments([1, 4])
    assert mean.shape == (2, 4, 24, 32)
    torch.testing.assert_close(mean, on_the_fly(vae, dataset, [1, 4], size=shapes[1])[0], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="one size, not of 2"):
        cache.moments([0, 1])


def test_mirrored_pictures_must_have_been_asked_for(tmp_path, vae, photos):
    cache = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    with pytest.raises(ValueError, match="without mirrored"):
        cache.moments([0], [True])


@pytest.mark.parametrize("size", [60, [Size(64, 64), Size(64, 100)]])
def test_a_size_that_the_vae_cannot_take_is_refused(tmp_path, vae, photos, size):
    with pytest.raises(UsageError, match="multiples of 8"):
        open_cache(tmp_path / "cache", vae, open_dataset(photos), size)


# --- once ------------------------------------------------------------------------------------------------------------


def test_nothing_is_encoded_twice(tmp_path, vae, photos, counted):
    first = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    assert sum(counted) == 12
    again = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    assert sum(counted) == 12
    assert torch.equal(first.moments([3])[0], again.moments([3])[0])
    assert again.fingerprint == first.fingerprint


def test_only_what_was_added_is_encoded(tmp_path, vae, photos, counted):
    before = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE).moments([5])[0]
    make_photos(photos, 15)
    cache = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    assert sum(counted) == 15
    assert len(cache.usable) == 15
    assert torch.equal(cache.moments([5])[0], before)
    open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE, flip=True)
    assert sum(counted) == 30  # the mirror images alone


def test_the_same_pictures_elsewhere_are_recognised(tmp_path, vae, photos, counted):
    first = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    shutil.copytree(photos, tmp_path / "copy")
    cache = open_cache(tmp_path / "cache", vae, open_dataset(tmp_path / "copy"), SIDE)
    assert sum(counted) == 12
    assert torch.equal(cache.moments([4, 11])[1], first.moments([4, 11])[1])


def test_a_picture_that_was_replaced_is_encoded_again(tmp_path, vae, photos, counted):
    first = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    Image.new("RGB", (80, 80), (255, 0, 0)).save(photos / "4.png")
    cache = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    assert sum(counted) == 13
    assert not torch.equal(cache.moments([4])[0], first.moments([4])[0])
    assert torch.equal(cache.moments([5])[0], first.moments([5])[0])
    assert cache.fingerprint != first.fingerprint


@pytest.mark.parametrize("what", ["resolution", "precision", "VAE", "VAE's precision"])
def test_other_settings_have_a_cache_of_their_own(tmp_path, vae, photos, counted, what):
    dataset = open_dataset(photos)
    open_cache(tmp_path / "cache", vae, dataset, SIDE)
    settings = {"sizes": 72 if what == "resolution" else SIDE, "dtype": "float32" if what == "precision" else "float16"}
    other = pickle.loads(pickle.dumps(vae)) if what.startswith("VAE") else vae
    if what == "VAE":
        next(other.encoder.parameters()).data += 1e-3
    elif what == "VAE's precision":
        other = other.bfloat16()
    open_cache(tmp_path / "cache", other, dataset, **settings)
    assert sum(counted) == 24


def test_the_vaes_decoder_does_not_count(vae):
    other = pickle.loads(pickle.dumps(vae))
    next(other.decoder.parameters()).data += 1
    assert hash_encoder(other) == hash_encoder(vae)


def test_a_photo_listed_twice_is_encoded_once(tmp_path, vae, photos, counted):
    metadata = photos / "metadata.jsonl"
    metadata.write_text(metadata.read_text() + '{"file_name": "3.png", "text": "again"}\n')
    cache = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    assert torch.equal(cache.moments([12])[0], cache.moments([3])[0])
    assert cache._data.shape[0] == 12


# --- bad pictures ----------------------------------------------------------------------------------------------------


def test_pictures_that_cannot_be_read_are_counted_named_and_left_out(tmp_path, vae, photos):
    (photos / "2.png").write_bytes((photos / "2.png").read_bytes()[:80])
    (photos / "9.png").unlink()
    said: list[str] = []

    class Progress:
        start = finish = say = lambda self, *args: None

        def advance(self, count, **counts):
            said.append((count, counts["skipped"]))

    cache = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE, flip=True, progress=Progress())
    assert cache.usable.tolist() == [0, 1, 3, 4, 5, 6, 7, 8, 10, 11]
    assert cache.skipped == 2
    assert cache.skipped_file.read_text() == "2.png\ttruncated image\n9.png\tunreadable: no such file or directory\n"
    assert (sum(count for count, _ in said), sum(skipped for _, skipped in said)) == (12, 2)
    with pytest.raises(ValueError, match=r"sample 2 \(2\.png\) has no picture"):
        cache.moments([2])
    with pytest.raises(ValueError, match="no picture"):
        cache.bucket(9)


def test_bad_pictures_are_not_tried_again_until_they_change(tmp_path, vae, photos):
    good = (photos / "2.png").read_bytes()
    (photos / "2.png").write_bytes(b"")
    first = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    assert open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE).skipped == first.skipped == 1
    (photos / "2.png").write_bytes(good)
    cache = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    assert (cache.skipped, len(cache.usable)) == (0, 12)
    assert not cache.skipped_file.exists()


def test_a_data_set_of_which_nothing_can_be_read_is_refused(tmp_path, vae, photos):
    for path in photos.glob("*.png"):
        path.write_text("no")
    with pytest.raises(UsageError, match=r"none of the 12 pictures"):
        open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)


# --- kills and crowds ------------------------------------------------------------------------------------------------

FILL = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
sys.path[:0] = sys.argv[5:]
import test_latents
photos, cache, rank, world = sys.argv[1:5]
test_latents._latent_writer.COMMIT_SECONDS = 0.0
print("ready", flush=True)
test_latents.fill(Path(photos), Path(cache), int(rank), int(world))
"""


def fill(photos: Path, cache: Path, rank: int = 0, world: int = 1) -> LatentCache:
    """What one of several processes does."""
    gate = cache / "gate"
    gate.mkdir(parents=True, exist_ok=True)

    def wait() -> None:
        (gate / str(rank)).touch()
        while len(list(gate.iterdir())) < world:
            time.sleep(0.01)

    torch.manual_seed(0)
    vae = tiny_sd.vae(tiny_sd.TINY).eval()
    how = {"flip": True, "dtype": "float32", "batch": 2}
    return open_cache(cache, vae, open_dataset(photos), SIDE, rank=rank, world=world, wait=wait, **how)


def filler(photos: Path, cache: Path, rank: int = 0, world: int = 1) -> subprocess.Popen:
    """Another process that does it."""
    root = Path(_latents.__file__).parents[3]
    paths = [root, root / "plugins", Path(tiny_sd.__file__).parents[1], Path(__file__).parent]
    command = [sys.executable, "-c", FILL, *map(str, (photos, cache, rank, world, *paths))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check_equal(cache: LatentCache, vae, dataset) -> None:
    for flip in (False, True):
        everything = list(range(len(dataset)))
        mean, std = cache.moments(everything, [flip] * len(dataset))
        want_mean, want_std = on_the_fly(vae, dataset, everything, flip=flip)
        torch.testing.assert_close(mean, want_mean, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(std, want_std, atol=1e-4, rtol=1e-3)


def done_in(cache: Path) -> int:
    files = list(cache.glob("latents-*/index"))
    return int((SlotIndex(files[0]).records["state"] == DONE).sum()) if files else 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.nightly
def test_a_killed_filling_goes_on_where_it_was_and_ends_like_an_undisturbed_one(tmp_path, vae, counted):
    photos = make_photos(tmp_path / "photos", 120)
    with filler(photos, tmp_path / "cache") as process:
        process.stdout.readline()
        while process.poll() is None:
            if 20 < (done := done_in(tmp_path / "cache")) < 200:
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL
    done = done_in(tmp_path / "cache")
    dataset = open_dataset(photos)
    cache = open_cache(tmp_path / "cache", vae, dataset, SIDE, flip=True, dtype="float32")
    assert sum(counted) <= 240 - done + 1  # a picture may have had its one half done
    check_equal(cache, vae, dataset)


def test_a_torn_record_costs_one_picture(tmp_path, vae, photos, counted):
    dataset = open_dataset(photos)
    open_cache(tmp_path / "cache", vae, dataset, SIDE, flip=True, dtype="float32")
    path = next((tmp_path / "cache").glob("latents-*/index"))
    with path.open("rb+") as file:
        file.seek(5 * RECORD.itemsize + 20)
        file.write(b"torn")
        file.seek(0, os.SEEK_END)
        file.write(b"\x01" * 40)  # and the beginning of another
    counted.clear()
    cache = open_cache(tmp_path / "cache", vae, dataset, SIDE, flip=True, dtype="float32")
    assert sum(counted) == 1
    check_equal(cache, vae, dataset)


def test_a_record_is_settled_only_after_its_data(tmp_path, vae, photos, monkeypatch):
    """Killed between writing data and records, the pictures count as not done."""

    def dies(self, *args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SlotIndex, "settle", dies)
        with pytest.raises(KeyboardInterrupt):
            open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    index = SlotIndex(next((tmp_path / "cache").glob("latents-*/index")))
    assert set(index.records["state"]) == {PLANNED}
    assert len(open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE).usable) == 12


@pytest.mark.nightly
def test_several_processes_fill_their_parts_and_all_see_the_whole(tmp_path, vae, counted):
    photos = make_photos(tmp_path / "photos", 31)
    with filler(photos, tmp_path / "cache", rank=1, world=2) as other:
        other.stdout.readline()
        counted.clear()
        mine = fill(photos, tmp_path / "cache", rank=0, world=2)
    assert other.returncode == 0
    assert sum(counted) == 2 * 16  # every second picture, and its mirror image
    assert mine.usable.tolist() == list(range(31))
    dataset = open_dataset(photos)
    cache = open_cache(tmp_path / "cache", vae, dataset, SIDE, flip=True, dtype="float32")
    assert cache.fingerprint == mine.fingerprint
    check_equal(cache, vae, dataset)


def test_a_part_that_another_process_left_undone_is_an_error(tmp_path, vae, photos):
    with pytest.raises(RunError, match="6 pictures were not encoded, because another process stopped"):
        open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE, rank=0, world=2)


def test_a_full_disk_is_said_in_plain_words(tmp_path, vae, photos, monkeypatch):
    def full(self, *args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_latent_writer.LatentWriter, "commit", full)
    with pytest.raises(RunError, match="the disk is full"):
        open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)


def test_the_cache_can_be_sent_to_a_worker_without_its_data(tmp_path, vae, photos):
    cache = open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE)
    cache.moments([0])
    told = pickle.dumps(cache)
    assert len(told) < 20_000 < (cache.folder / "data").stat().st_size * 100
    assert torch.equal(pickle.loads(told).moments([7])[0], cache.moments([7])[0])


def test_reading_threads_do_not_change_what_is_stored(tmp_path, vae, photos):
    dataset = open_dataset(photos)
    one = open_cache(tmp_path / "one", vae, dataset, SIDE, dtype="float32", threads=1, batch=4)
    four = open_cache(tmp_path / "four", vae, dataset, SIDE, dtype="float32", threads=4, batch=4)
    everything = list(range(12))
    assert torch.equal(one.moments(everything)[0], four.moments(everything)[0])
    assert one.fingerprint == four.fingerprint


def test_work_is_committed_every_few_seconds(tmp_path, vae, photos, monkeypatch):
    monkeypatch.setattr(_latent_writer, "COMMIT_SECONDS", 0.0)
    commits = []
    settle = SlotIndex.settle
    monkeypatch.setattr(
        SlotIndex, "settle", lambda self, slots, *rest: (commits.append(len(slots)), settle(self, slots, *rest))
    )
    open_cache(tmp_path / "cache", vae, open_dataset(photos), SIDE, batch=3)
    assert commits == [3, 3, 3, 3]
