"""Hostile files: small photos of many kinds and mutations of them, bombs, and mutations of text2face's own files."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageCms, features

from support import small_run
from support.image_files import SCENE, encoded, png
from text2face_core import Recipe
from text2face_core.dataset import open_dataset
from text2face_core.run import RunDirectory, find_suspects, read_analysis, read_captions
from text2face_core.run.corrections import read_corrections
from text2face_core.run.tables import read_photos
from text2face_core.sources import list_photos

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Numbers at which sizes and offsets overflow."""


def photos() -> dict[str, bytes]:
    """A whole file of each kind, by name."""
    image = Image.fromarray(SCENE)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "x" * 300
    more = {"save_all": True, "append_images": [image.rotate(9), image.rotate(20)]}
    found = {
        "jpeg": encoded(image, "JPEG", exif=exif.tobytes(), icc_profile=profile),
        "jpeg progressive": encoded(image, "JPEG", progressive=True),
        "jpeg cmyk": encoded(image.convert("CMYK"), "JPEG"),
        "png": encoded(image, "PNG", icc_profile=profile, exif=exif.tobytes()),
        "png 16 bits": png(64, 48, 16, 2, b"".join(b"\0" + bytes(6 * 64) for _ in range(48))),
        "png palette": encoded(image.convert("P"), "PNG", transparency=3),
        "png animated": encoded(image, "PNG", **more),
        "gif": encoded(image.convert("P"), "GIF", comment=b"hi" * 200),
        "tiff": encoded(image, "TIFF", icc_profile=profile),
        "tiff float": encoded(image.convert("F"), "TIFF"),
        "bmp": encoded(image, "BMP"),
        "ico": encoded(image.convert("RGBA"), "ICO", sizes=[(32, 32), (48, 48)]),
        "ppm": encoded(image, "PPM"),
        "tga": encoded(image, "TGA", compression="tga_rle"),
        "jpeg multi": encoded(image, "MPO", **more),
    }
    found |= {f"tiff {name}": encoded(image, "TIFF", compression=name) for name in ("tiff_lzw", "jpeg", "packbits")}
    for name, needs in (("WEBP", "webp"), ("AVIF", "avif"), ("JPEG2000", "jpg_2000")):
        if features.check(needs):
            found[name.lower()] = encoded(image, name)
    if features.check("webp"):
        found["webp animated"] = encoded(image, "WEBP", **more)
    return found


def bombs() -> dict[str, bytes]:
    """Small files that ask for much memory or time, by name."""
    found = {}
    for side in (5_000, 10_900, 30_000, 65_000, 2**31 - 1):
        found[f"png {side}"] = png(side, side, 8, 2, b"")
        found[f"png 16 bits {side}"] = png(side, side, 16, 6, b"")
        found[f"gif {side}"] = _with_size(encoded(Image.new("P", (16, 16)), "GIF"), 6, "<HH", side)
        found[f"bmp {side}"] = _with_size(encoded(Image.new("RGB", (16, 16)), "BMP"), 18, "<ii", side)
        found[f"jpeg {side}"] = _with_jpeg_size(encoded(Image.new("RGB", (16, 16)), "JPEG"), side)
    progressive = encoded(Image.new("RGB", (2000, 2000)), "JPEG", progressive=True)
    scan = progressive.rindex(b"\xff\xda")
    for times in (50, 500, 5_000):
        found[f"jpeg {times} scans"] = progressive[:scan] + progressive[scan:-2] * times + b"\xff\xd9"
        found[f"jpeg {times} kB of filling"] = progressive[:2] + b"\xff" * 1000 * times + progressive[2:]
        found[f"jpeg {times} comments"] = progressive[:2] + b"\xff\xfe\xff\xff" + bytes(65533) + progressive[2:]
        text = zlib.compress(bytes(times * 20_000))
        chunk = b"zTXtk\0\0" + text
        body = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        whole = encoded(Image.fromarray(SCENE), "PNG")
        found[f"png {times} texts"] = whole[:33] + body * 3 + whole[33:]
        frames = [Image.new("P", (1000, 1000), number % 250) for number in range(3)]
        found[f"gif frames {times}"] = encoded(
            frames[0], "GIF", save_all=True, append_images=frames * (times // 500 + 1)
        )
    return found


def _with_size(content: bytes, place: int, form: str, side: int) -> bytes:
    most = 0xFFFF if form.endswith("H") else 0x7FFFFFFF
    packed = struct.pack(form, min(side, most), min(side, most))
    return content[:place] + packed + content[place + len(packed) :]


def _with_jpeg_size(content: bytes, side: int) -> bytes:
    place = content.index(b"\xff\xc0") + 5
    return content[:place] + struct.pack(">HH", min(side, 65_500), min(side, 65_500)) + content[place + 4 :]


def mutate(content: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Flip bits, cut, repeat, move and overwrite parts, let headers lie, splice two files; one to five of these."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3, 5))):
        if len(data) < 8:
            break
        chance.choice(_MUTATIONS)(data, others, chance)
    return bytes(data[: 2 * len(content) + 200_000])


def _flip(data: bytearray, _: list[bytes], chance: random.Random) -> None:
    for _ in range(chance.choice((1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _truncate(data: bytearray, _: list[bytes], chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]


def _drop(data: bytearray, _: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.randrange(1, 64)]


def _repeat(data: bytearray, _: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data))
    data[at:at] = data[at : at + chance.randrange(1, 512)] * chance.choice((1, 2, 50))


def _lie(data: bytearray, _: list[bytes], chance: random.Random) -> None:
    form = chance.choice(("<I", ">I", "<H", ">H"))
    most = len(data) - 4 if chance.random() < 0.3 else min(len(data) - 4, 200)
    struct.pack_into(
        form, data, chance.randrange(max(1, most)), chance.choice(NUMBERS) & (2 ** (8 * struct.calcsize(form)) - 1)
    )


def _blank(data: bytearray, _: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data))
    end = min(len(data), at + chance.randrange(1, 4096))
    data[at:end] = bytes([chance.choice((0, 255))]) * (end - at)


def _append(data: bytearray, _: list[bytes], chance: random.Random) -> None:
    data += chance.randbytes(chance.randrange(1, 2000))


def _swap(data: bytearray, _: list[bytes], chance: random.Random) -> None:
    one, other, size = chance.randrange(len(data)), chance.randrange(len(data)), chance.randrange(1, 300)
    data[one : one + size] = data[other : other + size]


def _splice(data: bytearray, others: list[bytes], chance: random.Random) -> None:
    other = chance.choice(others)
    data[chance.randrange(len(data)) :] = other[chance.randrange(len(other)) :]


_MUTATIONS: tuple[Callable[[bytearray, list[bytes], random.Random], None], ...] = (
    *(_flip, _truncate, _drop, _repeat, _lie, _lie, _blank, _append, _swap, _splice),
)


class OwnFiles:
    """Files that text2face reads, and what reads each: of a run, a recipe, lists of photos and of captions."""

    def __init__(self, folder: Path) -> None:
        run = small_run.make_run(folder / "run")
        run.replace_corrections(run.corrections())
        recipe, listed, captioned = folder / "recipe.toml", folder / "list.txt", folder / "set" / "metadata.jsonl"
        recipe.write_text(
            'name = "mine"\nextractors = ["photo"]\n[captions]\nper_photo = 2\n[plugins.yunet]\nscore = 0.8\n'
        )
        listed.write_text("set/0.png\nset/1.png\n")
        captioned.parent.mkdir()
        for number in (0, 1):
            (captioned.parent / f"{number}.png").write_bytes(encoded(Image.fromarray(SCENE), "PNG"))
        captioned.write_text('{"file_name": "0.png", "text": "A man."}\n{"file_name": "1.png", "text": ["A", "B"]}\n')
        suspects = run.path / "analysis" / "_00000.suspects"
        suspects.write_text('{"key": "1f", "photos": {"0000000000000000": [1, "SIGSEGV"]}}')
        self.readers: dict[Path, Callable[[], object]] = {
            run.settings_path: lambda: RunDirectory(run.path).settings,
            run.photos_path: lambda: read_photos(run.photos_path),
            run.analysis_path(0): lambda: read_analysis(run.analysis_path(0)),
            run.captions_path(0): lambda: read_captions(run.captions_path(0)),
            run.metadata_path: run.corrections,
            run.corrections_path: lambda: read_corrections(run.corrections_path),
            recipe: lambda: Recipe.load(recipe),
            listed: lambda: list_photos(listed, warn=lambda _: None),
            captioned: lambda: open_dataset(captioned.parent)[0],
            suspects: lambda: find_suspects(run.analysis_path(0), "1f"),
        }
        self.whole = {path: path.read_bytes() for path in self.readers if path.is_file()}
