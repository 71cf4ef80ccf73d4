import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, features
from support.image_files import (
    HEIGHT,
    PALETTE,
    SCENE,
    WIDTH,
    apng_that_warns,
    encoded,
    huge_gif,
    huge_tiff,
    png,
    text_bomb,
    tiff_that_warns,
)
from support.permissions import unprivileged

from text2face_core.errors import BadPhoto
from text2face_core.images.decode import DEFAULT_LIMITS, DecodeLimits, decode_image

GROUPS = ("empty file", "not an image", "truncated image", "too large: ", "too small: ", "unreadable: ")


def outcome(data: Path | bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> np.ndarray | str:
    """The pixels, or the reason why there are none."""
    try:
        return decode_image(data, limits)
    except BadPhoto as refusal:
        return str(refusal)


BY = "\N{MULTIPLICATION SIGN}"
USELESS = {
    "empty": (b"", "empty file"),
    "one byte": (b"x", "not an image"),
    "text": (b"Dear diary, today I took a photo.\n" * 99, "not an image"),
    "zeros": (bytes(5000), "not an image"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not an image"),  # would start Ghostscript
    "JPEG without pixels": (encoded(Image.fromarray(SCENE), "JPEG").split(b"\xff\xda")[0], "truncated image"),
    "PNG signature": (b"\x89PNG\r\n\x1a\n", "truncated image"),
    "large": (png(30000, 30000, 8, 2, b""), f"too large: 30000 {BY} 30000 pixels (the limit is 120 megapixels)"),
    "small": (png(5, 300, 8, 0, bytes(6 * 300)), f"too small: 5 {BY} 300 pixels (the shorter side must have 16)"),
}


@pytest.mark.parametrize(("content", "reason"), USELESS.values(), ids=USELESS)
def test_what_cannot_be_used_is_refused_with_a_plain_reason(tmp_path, content, reason):
    path = tmp_path / "renamed.jpg"
    path.write_bytes(content)
    assert outcome(path) == outcome(content) == reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("bad\nheader in <BytesIO object at 0x7f00deadbeef>"), "unreadable: bad header in <BytesIO object>"),
        (KeyError(5), "unreadable: KeyError 5"),
        (EOFError(), "truncated image"),
        (MemoryError(), "too large: not enough memory to decode it"),
        (RecursionError("much " * 99), "unreadable: " + ("much " * 24).rstrip()),
        (
            Image.DecompressionBombError("Image size (9 pixels) exceeds 8, so"),
            "too large: Image size (9 pixels) exceeds 8",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_reader_raises_becomes_one_short_line(monkeypatch, error, reason):
    def read(stream, name):
        raise error

    monkeypatch.setitem(Image.OPEN, "A PLUGIN OF PILLOW", (read, lambda prefix: prefix.startswith(b"odd")))
    assert outcome(b"odd enough to be refused by all others") == reason


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert outcome(tmp_path) == "unreadable: it is a folder"
    assert outcome(tmp_path / "pipe.jpg") == "unreadable: not a file"
    assert outcome(tmp_path / "missing.jpg") == "unreadable: no such file or directory"
    assert outcome(tmp_path / ("n" * 300)) == "unreadable: file name too long"


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="no such file here")
def test_a_file_of_the_system_that_never_ends_is_not_waited_for():
    assert outcome(Path("/proc/kmsg")) in {"empty file", "unreadable: permission denied"}


@pytest.mark.skipif(os.name == "nt", reason="permissions of Unix")
def test_a_link_that_may_not_be_read_is_refused():
    with unprivileged() as folder:
        (folder / "secret.jpg").symlink_to(folder / "secret" / "photo.jpg")
        assert outcome(folder / "secret.jpg") == "unreadable: permission denied"


def test_limits_count_from_the_first_beyond():
    content = encoded(Image.fromarray(SCENE), "PNG")
    at_limit = DecodeLimits(max_pixels=HEIGHT * WIDTH, max_bytes=len(content), min_side=HEIGHT)
    assert decode_image(content, at_limit).shape == SCENE.shape
    assert outcome(content, DecodeLimits(max_pixels=HEIGHT * WIDTH - 1)).startswith(f"too large: 64 {BY} 48 pixels")
    assert outcome(content, DecodeLimits(max_bytes=len(content) - 1)).startswith("too large: ")
    assert outcome(content, DecodeLimits(min_side=HEIGHT + 1)).startswith(f"too small: 64 {BY} 48 pixels")


def test_a_file_over_the_limit_is_not_even_read(tmp_path):
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.truncate(10**12)
    assert outcome(path) == "too large: 1000000 MB (the limit is 512 MB)"


PEAK = """
import resource, sys
from pathlib import Path
from text2face_core.images import decode_image
from text2face_core.errors import BadPhoto

for name in sys.argv[1:]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        decode_image(Path(name))
    except BadPhoto as refusal:
        print(str(refusal).split(":")[0], (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_bombs_are_refused_without_unpacking_them(tmp_path):
    bombs = [png(30000, 30000, 1, 0, bytes(10**6)), huge_gif(), huge_tiff(), text_bomb()]
    names = [str(tmp_path / f"{number}.jpg") for number in range(len(bombs))]
    for name, content in zip(names, bombs, strict=True):
        Path(name).write_bytes(content)
    # a process of its own, because the peak of this one may be high already
    done = subprocess.run([sys.executable, "-c", PEAK, *names], capture_output=True, text=True, check=True)
    refusals = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    assert [group for group, _ in refusals] == ["too large", "too large", "too large", "unreadable"]
    assert all(int(mebibytes) < 60 for _, mebibytes in refusals)


KINDS = {
    "jpeg": encoded(Image.fromarray(SCENE), "JPEG"),
    "progressive": encoded(Image.fromarray(SCENE), "JPEG", progressive=True),
    "png": encoded(Image.fromarray(SCENE), "PNG"),
    "webp": encoded(Image.fromarray(SCENE), "WEBP"),
    "tiff": encoded(Image.fromarray(SCENE), "TIFF", compression="tiff_lzw"),
    "bmp": encoded(Image.fromarray(SCENE), "BMP"),
    "gif": encoded(PALETTE, "GIF"),
    "jpeg2000": encoded(Image.fromarray(SCENE), "JPEG2000"),
} | ({"avif": encoded(Image.fromarray(SCENE), "AVIF")} if features.check("avif") else {})


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(part=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused_or_whole(kind, part):
    content = KINDS[kind]
    cut = content[: int(part * len(content))]
    result = outcome(cut)
    if isinstance(result, np.ndarray):  # what was cut is the end mark or padding
        assert np.array_equal(result, decode_image(content))
    elif len(cut) > 16 and kind not in {"jpeg2000", "avif"}:  # their libraries do not always tell cut from broken
        assert result == "truncated image"
    else:
        assert result.startswith(GROUPS)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8))
def test_no_damage_provokes_anything_but_pixels_or_a_reason(kind, changes):
    content = bytearray(KINDS[kind])
    for part, value in changes:
        content[int(part * len(content))] = value
    first, second = (outcome(bytes(content), DecodeLimits(max_pixels=10**7)) for _ in range(2))
    if isinstance(first, str):
        assert first == second
        assert first.startswith(GROUPS)
        assert "0x" not in first
        assert len(first) < 140
    else:
        assert first.shape[2:] == (3,)
        assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("content", "warning"),
    [(tiff_that_warns(), "Tag offset|Tag data|Truncated"), (apng_that_warns(), "Invalid APNG")],
    ids=["TIFF", "APNG"],
)
def test_what_pillow_warns_of_is_neither_shown_nor_an_error(content, warning):
    with pytest.warns(UserWarning, match=warning), Image.open(BytesIO(content)):
        pass  # otherwise this would test nothing
    for action in ("error", "always"):
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter(action)
            assert np.array_equal(decode_image(content), SCENE)
        assert not shown


def test_warnings_stay_quiet_in_threads():
    content = tiff_that_warns()
    with ThreadPoolExecutor(4) as pool:
        for pixels in pool.map(decode_image, [content] * 40):
            assert np.array_equal(pixels, SCENE)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "GIF"])
def test_the_limit_is_ours_and_not_pillows(kind, monkeypatch):
    content = encoded(Image.fromarray(SCENE), kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # Pillow would warn from here to twice as much
    assert decode_image(content).shape == SCENE.shape


def test_who_makes_pillows_bomb_warning_an_error_is_heeded(monkeypatch):
    content = encoded(Image.fromarray(SCENE), "TIFF")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    with pytest.raises(BadPhoto, match=r"^too large: "):
        decode_image(content)
