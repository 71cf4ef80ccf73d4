"""RAW files, JPEG XL and PNG gamma: a preview is never taken for a photo, and each refusal names its format."""

import struct

import numpy as np
import pytest
from PIL import Image
from support.image_files import GREY, SCENE, chunk, encoded, png, rows

from text2face_core.errors import BadPhoto
from text2face_core.images import decode_image

HEIGHT, WIDTH = SCENE.shape[:2]


def tiff(order: str, *tags: tuple[int, int, int]) -> bytes:
    """An uncompressed RGB TIFF with these tags (number, type, value) besides the usual ones."""
    usual = [(256, 3, WIDTH), (257, 3, HEIGHT), (258, 3, 8), (259, 3, 1), (262, 3, 2), (273, 4, 8), (277, 3, 3)]
    every = sorted([*usual, (278, 3, HEIGHT), (279, 4, SCENE.nbytes), *tags])
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + SCENE.nbytes) + SCENE.tobytes()
    out += struct.pack(f"{order}H", len(every))
    for tag, kind, value in every:
        packed = struct.pack(f"{order}H2x" if kind == 3 else f"{order}I", value)
        out += struct.pack(f"{order}HHI", tag, kind, 1) + packed
    return out + bytes(4)


RAW = {
    "DNG": tiff("<", (0xC612, 4, 0x00000401), (254, 4, 1)),
    "DNG of Motorola order": tiff(">", (0xC612, 4, 0x01040000)),
    "NEF": tiff(">", (254, 4, 1), (330, 4, 8)),
    "ARW": tiff("<", (254, 4, 1), (330, 4, 8)),
    "CR2": b"II*\0\x10\0\0\0CR\2\0" + tiff("<")[12:],
    "CR3": b"\0\0\0\x18ftypcrx " + bytes(200),
    "RAF": b"FUJIFILMCCD-RAW 0201" + bytes(200),
    "ORF": b"IIRO\x08\0\0\0" + bytes(200),
    "RW2": b"IIU\0\x18\0\0\0" + bytes(200),
}


@pytest.mark.parametrize("kind", RAW)
def test_raw_files_are_refused_by_their_name_and_no_preview_is_taken_for_them(kind):
    with pytest.raises(BadPhoto, match=r"^unreadable: .*RAW"):
        decode_image(RAW[kind])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tags", [(), ((254, 4, 0),), ((254, 4, 1),), ((330, 4, 8),)])
def test_ordinary_tiff_files_are_read(order, tags):
    np.testing.assert_array_equal(decode_image(tiff(order, *tags)), SCENE)


@pytest.mark.parametrize("content", [b"\xff\x0a" + bytes(100), b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100)])
def test_jpeg_xl_is_refused_by_its_name_in_both_forms(content):
    with pytest.raises(BadPhoto, match=r"^unreadable: JPEG XL"):
        decode_image(content)


def with_gamma(gamma: float, *others: bytes, grey: bool = False) -> bytes:
    array, colour = (GREY, 0) if grey else (SCENE.reshape(HEIGHT, -1), 2)
    gama = chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    return png(WIDTH, HEIGHT, 8, colour, rows(array), *others, gama)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("gamma", [1.0, 0.55556, 0.8])
def test_the_gamma_of_a_png_is_honoured(gamma, grey):
    linear = (SCENE if not grey else np.repeat(GREY[..., None], 3, 2)) / 255.0
    linear = linear ** (1 / gamma)
    wanted = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.abs(decode_image(with_gamma(gamma, grey=grey)) - wanted).max() <= 0.51


@pytest.mark.parametrize(
    "content",
    [
        with_gamma(0.45455),
        with_gamma(1.0, chunk(b"sRGB", b"\0")),  # overrides gAMA
        with_gamma(0.0),  # says nothing
        with_gamma(20.0),
        encoded(Image.fromarray(SCENE), "PNG"),
    ],
)
def test_a_gamma_that_says_nothing_new_changes_nothing(content):
    np.testing.assert_array_equal(decode_image(content), SCENE)
