import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin
from pydantic import ValidationError
from support import small_run

from text2face_core.dataset import DatasetSettings, save_crop, write_metadata
from text2face_core.errors import RunError
from text2face_core.images.decode import decode_image
from text2face_core.records import Photo, Portrait


def crop_of(pixels, face, tmp_path, **settings):
    save_crop(Portrait(Photo("0", "x", pixels), face), tmp_path / "crop.jpg", DatasetSettings(**settings))
    with Image.open(tmp_path / "crop.jpg") as image:
        return np.asarray(image)


def squares(width, height, box):
    """Grey, with the face box filled with white."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    x0, y0, x1, y1 = box
    pixels[max(y0, 0) : y1, max(x0, 0) : x1] = 255
    return pixels


@pytest.mark.parametrize(
    ("photo", "box", "side"),
    [
        ((400, 300), (150, 100, 250, 200), 200),  # room on every side
        ((400, 300), (0, 100, 100, 200), 200),  # at the left edge: padded, not moved
        ((400, 300), (290, 190, 390, 290), 200),  # in a corner
        ((400, 300), (100, 50, 300, 250), 300),  # twice the face is more than there is: the shorter side
        ((60, 40), (15, 5, 45, 35), 40),  # a tiny photo is not enlarged
    ],
)
def test_the_square_has_the_eyes_a_little_above_its_middle(tmp_path, photo, box, side):
    face = small_run.face(*box)
    pixels = np.full((photo[1], photo[0], 3), 90, np.uint8)
    (x0, y0), (x1, _) = np.rint(face.landmarks[:2]).astype(int)
    pixels[max(y0 - 2, 0) : y0 + 3, x0 : x1 + 1] = 255
    crop = crop_of(pixels, face, tmp_path)
    assert crop.shape == (side, side, 3)
    y, x = (axis.mean() + 0.5 for axis in np.nonzero(crop[..., 0] > 200))
    assert x == pytest.approx(side / 2, abs=2)
    if side < min(photo):  # else the photo's whole height is shown
        assert y == pytest.approx(side / 2 - 0.04 * (box[3] - box[1]), abs=2)


@pytest.mark.parametrize(("crop", "shape"), [("whole", (300, 400)), ("free", (200, 150)), ("square", (200, 200))])
def test_a_crop_is_the_photo_what_it_holds_of_the_square_or_a_square(tmp_path, crop, shape):
    pixels = squares(400, 300, (0, 100, 100, 200))
    assert crop_of(pixels, small_run.face(0, 100, 100, 200), tmp_path, crop=crop).shape == (*shape, 3)
    smaller = crop_of(pixels, small_run.face(0, 100, 100, 200), tmp_path, crop=crop, size=100)
    assert max(smaller.shape) == 100
    assert smaller.shape[1] / smaller.shape[0] == pytest.approx(shape[1] / shape[0], rel=0.02)


@pytest.mark.parametrize(("size", "expected"), [(64, 64), (200, 200), (768, 200)])
def test_crops_are_shrunk_to_the_size_but_never_enlarged(tmp_path, size, expected):
    crop = crop_of(squares(400, 300, (150, 100, 250, 200)), small_run.face(150, 100, 250, 200), tmp_path, size=size)
    assert crop.shape == (expected, expected, 3)


def test_shrinking_averages_instead_of_skipping_pixels(tmp_path):
    board = np.indices((2000, 2000)).sum(axis=0) % 2 * 255
    pixels = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    crop = crop_of(pixels, small_run.face(500, 500, 1500, 1500), tmp_path, size=300)
    assert np.abs(crop.astype(int) - 127.5).max() < 6


def test_colours_are_kept_at_full_resolution(tmp_path):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2, 0], pixels[:, 1::2, 2] = 255, 255  # red and blue lines of one pixel would become purple at 4:2:0
    crop = crop_of(pixels, small_run.face(16, 16, 48, 48), tmp_path)
    with Image.open(tmp_path / "crop.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == 0
    assert crop[:, ::2, 0].mean() > 200
    assert crop[:, ::2, 2].mean() < 60


def test_nothing_of_the_photos_metadata_gets_into_the_crop(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x9003] = "SecretCam", "2024:05:17 10:00:00"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    original = Image.fromarray(squares(200, 150, (50, 40, 110, 100)))
    original.save(tmp_path / "photo.jpg", exif=exif, comment=b"SecretComment")
    with Image.open(tmp_path / "photo.jpg") as photo:
        assert photo.getexif().get_ifd(0x8825)

    portrait = Portrait(Photo("0", "x", decode_image(tmp_path / "photo.jpg")), small_run.face(50, 40, 110, 100))
    save_crop(portrait, tmp_path / "crop.jpg", DatasetSettings())

    data = (tmp_path / "crop.jpg").read_bytes()
    assert not [word for word in (b"Exif", b"Secret", b"GPS", b"ICC_PROFILE", b"http") if word in data]
    with Image.open(tmp_path / "crop.jpg") as crop:
        assert not crop.getexif()
        assert set(crop.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_equal_pixels_give_equal_bytes_and_quality_counts(tmp_path):
    for name, quality in (("a", 95), ("b", 95), ("c", 60)):
        save_crop(small_run.portrait(1), tmp_path / f"{name}.jpg", DatasetSettings(quality=quality))
    a, b, c = ((tmp_path / f"{name}.jpg").read_bytes() for name in "abc")
    assert a == b
    assert len(c) < len(a)


# The system stops the writer, by a signal that kills or by an error, where a file grows beyond 2,000 bytes.
CUT_HALF_A_CROP = """
import resource, signal, sys
from pathlib import Path
from support import small_run
from text2face_core.dataset import DatasetSettings, save_crop
from text2face_core.errors import RunError
portrait = small_run.portrait(0, 900, 700)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL if sys.argv[2] == "kill" else signal.SIG_IGN)
try:
    save_crop(portrait, Path(sys.argv[1]), DatasetSettings(scale=12))
except RunError as error:
    sys.exit(str(error))
"""


def half_a_crop(path, how):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-c", CUT_HALF_A_CROP, str(path), how]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_kill_leaves_no_half_crop_under_the_final_name(tmp_path):
    assert half_a_crop(tmp_path / "crop.jpg", "kill").returncode == -signal.SIGXFSZ
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".t2f-tmp")
    assert left.stat().st_size == 2000


def test_a_crop_that_cannot_be_finished_leaves_the_earlier_one(tmp_path):
    (tmp_path / "crop.jpg").write_bytes(b"earlier")
    ended = half_a_crop(tmp_path / "crop.jpg", "error")
    assert "crop.jpg could not be written" in ended.stderr
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"earlier"]


def test_a_folder_that_cannot_be_made_is_an_error_in_plain_words(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="could not be written"):
        save_crop(small_run.portrait(0), tmp_path / "file" / "crop.jpg", DatasetSettings())


@pytest.mark.parametrize("wrong", [{"size": 0}, {"scale": 0.5}, {"quality": 101}, {"sise": 512}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        DatasetSettings(**wrong)


def lines_of(run):
    return [json.loads(line) for line in (run.dataset / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def test_metadata_lists_accepted_photos_with_their_captions(tmp_path):
    run = small_run.make_run(tmp_path / "out", [["Zoë lächelt.", "A “smile” 🙂"], ["Two\nlines."], [], ["Last."]])
    assert lines_of(run) == [
        {"file_name": f"images/00000/{0:016x}.jpg", "text": ["Zoë lächelt.", "A “smile” 🙂"], "photo_id": f"{0:016x}"},
        {"file_name": f"images/00000/{1:016x}.jpg", "text": ["Two\nlines."], "photo_id": f"{1:016x}"},
        {"file_name": f"images/00001/{3:016x}.jpg", "text": ["Last."], "photo_id": f"{3:016x}"},
    ]
    assert "lächelt" in (run.dataset / "metadata.jsonl").read_text(encoding="utf-8")
    assert write_metadata(run) == 3


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["lost", "empty"])
def test_a_photo_whose_crop_is_lost_or_empty_is_left_out(tmp_path, spoil):
    run = small_run.make_run(tmp_path / "out")
    spoil(run.dataset / "images" / "00000" / f"{1:016x}.jpg")
    assert write_metadata(run) == 3
    assert [line["photo_id"] for line in lines_of(run)] == [small_run.photo_id(n) for n in (0, 2, 3)]


def test_metadata_is_replaced_whole_or_not_at_all(tmp_path):
    run = small_run.make_run(tmp_path / "out")
    before = (run.dataset / "metadata.jsonl").read_bytes()
    run.analysis_path(1).write_bytes(b"half a shard")
    with pytest.raises(RunError, match=r"00001\.parquet"):
        write_metadata(run)
    assert (run.dataset / "metadata.jsonl").read_bytes() == before
    assert sorted(path.name for path in run.dataset.iterdir()) == ["README.md", "images", "metadata.jsonl"]


def test_a_run_without_crops_gets_no_data_set(tmp_path):
    run = small_run.make_run(tmp_path / "out", crops=False)
    assert write_metadata(run) == 0
    assert not run.dataset.exists()


def test_the_card_says_how_it_was_made_and_what_it_must_not_be_taken_for(tmp_path):
    run = small_run.make_run(tmp_path / "out", [["One."]])
    card = (run.dataset / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\npretty_name:")
    assert "1 photo of one person each" in card
    for said in ("text2face 0.1.0", '"starter"', "yunet", "agegender, photo", "phrasebook", "imagefolder"):
        assert said in card
    for warning in ("estimates", "No consent is implied", "licences apply", "err more often on some groups"):
        assert warning in card
    assert "{{" not in card
    assert "\n\n\n" not in card
    assert "t2f export" not in card


def test_the_data_set_opens_as_an_imagefolder(tmp_path):
    run = small_run.make_run(tmp_path / "out", [["Zoë.", "B 🙂."], ["C."], ["D.", "E.", "F."]])
    opened = small_run.load_dataset(tmp_path / "cache", "imagefolder", data_dir=str(run.dataset))
    assert set(opened.column_names) == {"image", "text", "photo_id"}
    assert [row["text"] for row in opened] == [["Zoë.", "B 🙂."], ["C."], ["D.", "E.", "F."]]
    assert [row["image"].size for row in opened] == [(96, 96)] * 3
