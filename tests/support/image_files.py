"""Photo files of every kind, made by hand where Pillow cannot write what it reads."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 48, 64


def scene() -> np.ndarray:
    """Smooth, colourful, and different in every corner, so that no mirror or turn of it looks like it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, np.where((x < 32) & (y < 24), 220, 40)], -1).astype(np.uint8)


SCENE = scene()
GREY = np.asarray(Image.fromarray(SCENE).convert("L"))
PALETTE = Image.fromarray(SCENE).quantize(64)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, samples: bytes, *extra: bytes) -> bytes:
    """A PNG written by hand: Pillow cannot write all that it reads. `samples`: the rows, each with its filter byte."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *extra, chunk(b"IDAT", zlib.compress(samples)), chunk(b"IEND", b"")])


def rows(array: np.ndarray) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in array)


def rgb_tiff_of_16_bits(array: np.ndarray, order: str) -> bytes:
    short, long = 3, 4
    tags = [(256, short, 1, WIDTH), (257, short, 1, HEIGHT), (258, short, 3, 8), (259, short, 1, 1), (262, short, 1, 2)]
    tags += [(273, long, 1, 14), (277, short, 1, 3), (278, short, 1, HEIGHT), (279, long, 1, array.nbytes)]
    pixels = array.astype(f"{order}u2").tobytes()
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I3H", 14 + len(pixels), 16, 16, 16) + pixels
    out += struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in tags:
        packed = struct.pack(f"{order}H2x" if kind == short and count == 1 else f"{order}I", value)
        out += struct.pack(f"{order}HHI", tag, kind, count) + packed
    return out + bytes(4)


def rgb_profile(red: tuple, green: tuple, blue: tuple) -> bytes:
    """An ICC profile with these primaries (XYZ under D50) and the curve of sRGB."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + fixed(*values)

    curve = b"para\0\0\0\0\0\3\0\0" + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    tags = {b"wtpt": xyz(0.9642, 1, 0.8249), b"rXYZ": xyz(*red), b"gXYZ": xyz(*green), b"bXYZ": xyz(*blue)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s12x4s", start + len(body), b"\0" * 4, 0x04200000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return head.ljust(68, b"\0") + fixed(0.9642, 1, 0.8249) + bytes(48) + table + body


DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))


def huge_gif() -> bytes:
    return encoded(PALETTE, "GIF").replace(struct.pack("<HH", WIDTH, HEIGHT), b"\xff\xff\xff\xff", 1)


def huge_tiff() -> bytes:
    stream = BytesIO()
    tags = {256: 60000, 257: 60000, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 60000, 279: 9}
    stream.write(b"II*\0" + struct.pack("<IH", 8, len(tags)))
    for tag, value in tags.items():
        stream.write(struct.pack("<HHII", tag, 4, 1, value))
    return stream.getvalue() + bytes(4)


def text_bomb() -> bytes:
    chunks = [chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 1))]
    return png(WIDTH, HEIGHT, 8, 2, rows(SCENE.reshape(HEIGHT, -1)), *chunks)


def tiff_that_warns() -> bytes:
    """Its artist's name is said to lie behind the end of the file."""
    content = encoded(Image.fromarray(SCENE), "TIFF", tiffinfo={315: "somebody with a long name"})
    return content.replace(struct.pack("<HHI", 315, 2, 26), struct.pack("<HHI", 315, 2, 10**6))


def apng_that_warns() -> bytes:
    return png(WIDTH, HEIGHT, 8, 2, rows(SCENE.reshape(HEIGHT, -1)), chunk(b"acTL", bytes(8)))
