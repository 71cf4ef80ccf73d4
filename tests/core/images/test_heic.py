"""HEIC, the photos of iPhones, through pillow-heif."""

import sys

import numpy as np
import pytest
from PIL import Image
from support.image_files import SCENE

from text2face_core.errors import BadPhoto
from text2face_core.images import DEFAULT_LIMITS, decode_image, open_decoder

BROKEN = b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(99)


def heic(tmp_path, image, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    image.save(tmp_path / "photo.heic", quality=95, chroma=444, **options)
    return tmp_path / "photo.heic"


def test_a_heic_gives_the_pixels_that_were_saved(tmp_path):
    path = heic(tmp_path, Image.fromarray(SCENE))
    for pixels in (decode_image(path), decode_image(path.read_bytes())):
        assert pixels.shape == SCENE.shape
        assert np.abs(pixels.astype(int) - SCENE).mean() < 4


def test_it_is_turned_upright_once(tmp_path):
    sideways, exif = Image.fromarray(SCENE).rotate(90, expand=True), Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    pixels = decode_image(heic(tmp_path, sideways, exif=exif.tobytes()))
    assert pixels.shape == SCENE.shape
    assert np.abs(pixels.astype(int) - SCENE).mean() < 4


def test_a_heic_that_ends_early_is_refused(tmp_path):
    content = heic(tmp_path, Image.fromarray(SCENE)).read_bytes()
    for end in (len(content) // 2, len(content) - 9):
        with pytest.raises(BadPhoto, match=r"^(truncated image|unreadable: )"):
            decode_image(content[:end])


def test_a_decoder_process_reads_it_too(tmp_path):
    path = heic(tmp_path, Image.fromarray(SCENE))
    decoder = open_decoder(DEFAULT_LIMITS, 1)
    try:
        np.testing.assert_array_equal(decoder.decode(path), decode_image(path))
    finally:
        decoder.close()


def test_a_broken_heic_is_refused():
    pytest.importorskip("pillow_heif")
    with pytest.raises(BadPhoto, match=r"^unreadable: "):
        decode_image(BROKEN)


def test_without_the_package_the_reason_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(BadPhoto, match=r"HEIC needs pillow-heif: .*heic.*convert it"):
        decode_image(BROKEN)
