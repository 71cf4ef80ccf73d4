"""Photo files -> upright sRGB pixels, or a plain reason why not."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from ..errors import BadPhoto
from ..records import Pixels
from ..utils import install_command, read_regular
from .cicp import changes_nothing, read_cicp, to_srgb
from .kinds import foreign_kind, raw_kind
from .profiles import gamma_curve, profile_to_srgb


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Limits on a photo's size, and on the time and memory of decoding it.

    Attributes:
        max_pixels: Width times height.
        max_bytes: Size of the file.
        min_side: Shorter side, in pixels.
        max_seconds: CPU time to decode one photo; decoder processes only.
        max_memory: Bytes to decode one photo, its file included; decoder processes only.
    """

    max_pixels: int = 120_000_000
    max_bytes: int = 512_000_000
    min_side: int = 16
    max_seconds: float = 30.0
    max_memory: int = 1_000_000_000


DEFAULT_LIMITS = DecodeLimits()

STRIP_PIXELS = 4_000_000
"""Larger images are converted in strips of rows, so that no second copy of all pixels is made."""
MAX_SCANS = 200
"""Passes over a JPEG's pixels: progressive files have about ten; each costs as much time as a whole decoding."""
BLANK_PIXELS, BLANK_RATIO = 16_000_000, 4096
"""Pixels from which a file must have a byte for so many pixels: no camera or codec compresses a photo further."""
WHITE_12_BITS, DARK_12_BITS = 4095, 1023
"""The largest sample of 12 bits, and a value that the brightest sample of a 12-bit photo surely exceeds."""
_CODE_POINTS, _DEEP_COLOURS = "text2face.cicp", "text2face.deep"
"""Keys of `Image.info`: a PNG's colour code points; the file's content, if it has 16 bits per colour."""

# Tried in this order, then all others by name: Pillow's own order depends on which files were opened before.
_COMMON_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
# Formats that Pillow passes to other programs (Ghostscript, Windows), or only knows by name, without a decoder.
_REFUSED_FORMATS = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
# EXIF orientation -> what makes the stored pixels upright: CIPA DC-008, tag 0x0112.
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({
    *(Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90),
})  # fmt: skip
"""Columns become rows."""
_FROM_THE_END = frozenset({
    *(Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM),
    *(Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90),
})  # fmt: skip
"""The last row or column becomes the first row."""
# Error messages of Pillow and its libraries for a file that ends too early.
_CUT_OFF = re.compile(
    r"truncat|\beof\b|expected to read|not enough image data|incomplete checksum|cannot load this image", re.IGNORECASE
)


def decode_image(data: Path | bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> Pixels:
    """The photo as (H, W, 3) uint8 sRGB, C-contiguous, EXIF-upright, read-only.

    Only the first frame or page of a file is decoded; transparent pixels become white; samples of more than 8 bits are
    scaled; an embedded ICC profile, a PNG's cICP or gAMA is applied unless it is broken or changes nothing.

    Raises BadPhoto. The reason depends on the file's content alone and begins with "empty file", "not an image",
    "truncated image", "too large: …", "too small: …" or "unreadable: …". Sizes are judged by the header, before
    memory is spent on pixels. Safe in threads; JPEG decoding runs outside the interpreter lock. Decodes in this
    process, without limits of time and memory: `DecoderPool` has them.
    """
    image = open_image(data if isinstance(data, bytes) else read_regular(data, limits.max_bytes), limits)
    return join_strips(*load_strips(image))


def join_strips(height: int, width: int, strips: Iterator[Pixels]) -> Pixels:
    """The pixels of `load_strips` in one piece, read-only. Raises BadPhoto."""
    pixels: Pixels | None = None
    row = 0
    for strip in strips:
        if len(strip) == height:
            return strip
        pixels = np.empty((height, width, 3), np.uint8) if pixels is None else pixels
        pixels[row : row + len(strip)] = strip
        row += len(strip)
    assert pixels is not None  # noqa: S101  an image has rows
    pixels.flags.writeable = False
    return pixels


def open_image(content: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> Image.Image:
    """Open an image: its header is read and checked, its pixels are not decoded. Raises BadPhoto."""
    if not content:
        raise BadPhoto("empty file")
    _check_bytes(len(content), limits)
    _silence(UserWarning)
    _silence(Image.DecompressionBombWarning)
    image = _open(content)
    _check_size(image.size, limits)
    _check_effort(image, content)
    if image.format == "PNG":
        image.info[_CODE_POINTS] = read_cicp(content)
        image.info[_DEEP_COLOURS] = content if content[24:26] == b"\x10\x02" else None
    return image


def load_strips(image: Image.Image) -> tuple[int, int, Iterator[Pixels]]:
    """Decode an image from `open_image`: height and width when upright, and an iterator of strips of rows from the top.

    Strips are (rows, W, 3) uint8 sRGB, read-only; joined they are what `decode_image` returns. Raises BadPhoto, as does
    the iterator.
    """
    try:
        image.load()
        image = _rescued(image)
        # After loading: a PNG may carry its EXIF behind the pixels, and Pillow has turned a TIFF upright by then.
        turn = _UPRIGHT.get(_orientation(image))
        width, height = image.size[::-1] if turn in _SIDEWAYS else image.size
        return height, width, _strips(image, turn, max(1, STRIP_PIXELS // width), height)
    except Exception as error:  # on hostile bytes, decoders may raise anything
        raise BadPhoto(_reason(error)) from error


def _rescued(image: Image.Image) -> Image.Image:
    """A PNG of 12 bits in 16 bits per colour, of which Pillow keeps the upper 8, with the 8 that say something."""
    content = image.info.pop(_DEEP_COLOURS, None)
    if not content or not DARK_12_BITS >> 8 < np.asarray(image).max() <= WHITE_12_BITS >> 8:
        return image
    import cv2

    samples = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if samples is None or samples.dtype != np.uint16 or samples.shape != (image.height, image.width, 3):
        return image
    whole = Image.fromarray(_to_8_bit(samples[..., ::-1], WHITE_12_BITS))
    whole.info, whole.format = image.info, image.format
    return whole


def _strips(image: Image.Image, turn: Image.Transpose | None, rows: int, height: int) -> Iterator[Pixels]:
    try:
        convert = _converter(image, rows)
        for top in range(0, height, rows):
            strip = _rows(image, turn, top, min(top + rows, height))
            rgb = convert(strip)
            yield np.asarray(rgb if turn is None else rgb.transpose(turn))
    except Exception as error:
        raise BadPhoto(_reason(error)) from error


def _rows(image: Image.Image, turn: Image.Transpose | None, top: int, bottom: int) -> Image.Image:
    """The part of an image that becomes these rows once it is upright."""
    width, height = image.size
    length = width if turn in _SIDEWAYS else height
    if bottom - top == length:
        return image
    if turn in _FROM_THE_END:
        top, bottom = length - bottom, length - top
    return image.crop((top, 0, bottom, height) if turn in _SIDEWAYS else (0, top, width, bottom))


def _check_bytes(count: int, limits: DecodeLimits) -> None:
    if count > limits.max_bytes:
        raise BadPhoto(f"too large: {count / 1e6:.0f} MB (the limit is {limits.max_bytes / 1e6:g} MB)")


def _check_size(size: tuple[int, int], limits: DecodeLimits) -> None:
    width, height = size
    found = f"{width} \N{MULTIPLICATION SIGN} {height} pixels"
    if width * height > limits.max_pixels:
        raise BadPhoto(f"too large: {found} (the limit is {limits.max_pixels / 1e6:g} megapixels)")
    if min(size) < limits.min_side:
        raise BadPhoto(f"too small: {found} (the shorter side must have {limits.min_side})")


def _check_effort(image: Image.Image, content: bytes) -> None:
    """Refuse files that take disproportionate time or memory to decode, or that OpenJPEG would pad."""
    if image.format == "JPEG2000" and b"\xff\xd9" not in content:  # no end of the codestream
        raise BadPhoto("truncated image")
    if image.format in {"JPEG", "MPO"} and (scans := content.count(b"\xff\xda")) > MAX_SCANS:
        raise BadPhoto(f"unreadable: JPEG of {scans} scans (the limit is {MAX_SCANS})")
    width, height = image.size
    if width * height > max(BLANK_PIXELS, BLANK_RATIO * len(content)):
        raise BadPhoto(
            f"unreadable: {width} \N{MULTIPLICATION SIGN} {height} pixels in {len(content)} bytes cannot be a photo"
        )


def _open(content: bytes) -> Image.Image:
    """The image with its header read, but not its pixels.

    Pillow's own `Image.open` judges sizes by a global of the process, warns, and names object addresses in its errors.
    """
    if kind := raw_kind(content):
        # TIFF readers would return the small preview as the photo.
        raise BadPhoto(f"unreadable: {kind} (RAW) is not supported; develop it to JPEG, PNG or TIFF")
    failure: BadPhoto | None = None
    for name in _formats():
        factory, accept = Image.OPEN[name]
        stream = BytesIO(content)
        try:
            verdict = accept(content[:16].ljust(16, b"\0")) if accept else True
            if isinstance(verdict, str):  # this build of Pillow lacks the library for it
                failure = failure or BadPhoto(f"unreadable: {verdict}")
            elif verdict:
                # A phone's JPEG may hold further pictures; they are not looked for.
                image: Image.Image = JpegImageFile(stream) if name == "JPEG" else factory(stream, "")
                return image
        except MemoryError as error:
            raise BadPhoto(_reason(error)) from error
        except Exception as error:  # noqa: BLE001 - as in decode
            if accept:
                # The WebP and AVIF readers read the whole file first, so reaching its end means nothing.
                ended = _cut_off(content) if name in {"WEBP", "AVIF"} else stream.tell() >= len(content)
                failure = failure or BadPhoto("truncated image" if ended else _reason(error))
    if (kind := foreign_kind(content)) == "HEIC":
        return _open_heic(content)
    if kind:
        raise BadPhoto(f"unreadable: {kind} is not supported; convert it to JPEG or PNG")
    raise failure or BadPhoto("not an image")


def _open_heic(content: bytes) -> Image.Image:
    """The first picture of a HEIC file, through libheif, if it is installed."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise BadPhoto(
            f"unreadable: HEIC needs pillow-heif: {install_command('heic')}; or convert it to JPEG or PNG"
        ) from None
    try:
        heic: Image.Image = HeifImageFile(BytesIO(content))
    except Exception as error:
        raise BadPhoto("truncated image" if _cut_off(content) else _reason(error)) from error
    return heic


def _cut_off(content: bytes) -> bool:
    """Whether a file of RIFF chunks (WebP) or of ISO boxes (AVIF) is shorter than it says."""
    if content.startswith(b"RIFF"):
        return len(content) < 8 + int.from_bytes(content[4:8], "little")
    end = 0
    while end < len(content):
        size = int.from_bytes(content[end : end + 4], "big")
        if size == 1:
            size = int.from_bytes(content[end + 8 : end + 16], "big")
        if size < 8:  # 0 means "to the end"; less than its own header is broken, not short
            return False
        end += size
    return end > len(content)


def _formats() -> Iterator[str]:
    Image.init()
    yield from (name for name in _COMMON_FORMATS if name in Image.OPEN)
    others = Image.OPEN.keys() - _REFUSED_FORMATS - set(_COMMON_FORMATS)
    # Formats without a signature, such as Targa, are recognised by guessing: try the others first.
    yield from sorted(others, key=lambda name: (Image.OPEN[name][1] is None, name))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - broken EXIF, which says nothing about the pixels
        return 1


def _converter(image: Image.Image, rows: int) -> Callable[[Image.Image], Image.Image]:
    """A function that converts parts of a decoded image of any mode to sRGB."""
    white = _white(image, rows) if _is_deep(image.mode) else 0.0
    profile = image.info.get("icc_profile")
    points = image.info.get(_CODE_POINTS)
    curve = None if isinstance(profile, bytes) and profile else gamma_curve(image.info)

    def convert(part: Image.Image) -> Image.Image:
        if white:
            part = Image.fromarray(_to_8_bit(np.asarray(part), white))
        elif part.has_transparency_data:
            part = _over_white(part)
        elif part.mode not in {"RGB", "L", "CMYK"}:
            part = part.convert("RGB")
        if points is not None:
            rgb = part if part.mode == "RGB" else part.convert("RGB")
            return rgb if changes_nothing(points) else Image.fromarray(to_srgb(np.asarray(rgb), points))
        if isinstance(profile, bytes) and profile:
            transform = profile_to_srgb(profile, part.mode)
            if transform is not None:
                return transform.apply(part)
        elif curve is not None and part.mode in {"RGB", "L"}:
            part = part.point(curve * len(part.getbands()))
        return part if part.mode == "RGB" else part.convert("RGB")

    return convert


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # Pillow has no direct way from premultiplied grey
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _is_deep(mode: str) -> bool:
    return mode in {"I", "F"} or mode.startswith("I;16")


def _white(image: Image.Image, rows: int) -> float:
    """The sample value that becomes 255 in an image of more than 8 bits.

    PNG and PGM samples use all 16 bits by definition; but a PNG that is almost black counts as 12 bits. In other
    formats, cameras and scanners write 8 and 12 bits into 16, so the range is the smallest usual range that includes
    the brightest sample. Floats count as 0 to 1 (highlights up to 16 are clipped), otherwise they are treated likewise.
    Values beyond 16 bits are stretched.
    """
    peaks = []
    for top in range(0, image.height, rows):
        samples = np.asarray(_rows(image, None, top, min(top + rows, image.height)))
        peaks.append(float(_finite(samples).max()))
    peak = max(peaks)
    if samples.dtype.kind == "f":
        whites = {16.0: 1.0, 255.0: 255.0, 65535.0: 65535.0}
    elif image.format == "PNG" and DARK_12_BITS < peak <= WHITE_12_BITS:
        whites = {peak: WHITE_12_BITS}
    elif image.format != "TIFF":
        whites = {65535.0: 65535.0}
    else:
        whites = {255.0: 255.0, 4095.0: 4095.0, 65535.0: 65535.0}
    return next((white for limit, white in whites.items() if peak <= limit), peak)


def _to_8_bit(samples: npt.NDArray[Any], white: float) -> Pixels:
    """(H, W) samples of any number type -> (H, W) uint8, 0 to 255 for 0 to `white`."""
    scaled: Pixels = (np.clip(_finite(samples) / white, 0, 1) * 255 + 0.5).astype(np.uint8)
    return scaled


def _finite(samples: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.nan_to_num(samples.astype(np.float32), posinf=0, neginf=0)


def _reason(error: Exception) -> str:
    """The reason to record: a short line without addresses."""
    text = " ".join(re.sub(r" ?at 0x[0-9a-fA-F]+", "", str(error)).split())
    if isinstance(error, EOFError) or _CUT_OFF.search(text):
        return "truncated image"
    if isinstance(error, MemoryError):
        return "too large: not enough memory to decode it"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"too large: {text.split(',')[0]}"
    if " " not in text:
        text = f"{type(error).__name__} {text}".strip()
    return f"unreadable: {text[:120].rstrip()}"


def _silence(category: type[Warning]) -> None:
    """Keep Pillow from warning about a file's details, which is noise on a terminal and an exception under `-W error`.

    `warnings.catch_warnings` swaps a global of the process, so it is not thread-safe. Instead, a filter for Pillow's
    modules is put first, and put first again only if another filter was inserted before it. A caller's filter for the
    category of Pillow's decompression bombs takes precedence.
    """
    for action, message, filtered, module, _ in tuple(warnings.filters):
        matches = message is None and (module is None or re.match(module, "PIL.Image"))
        if matches and issubclass(category, filtered):
            if action == "ignore" or filtered is Image.DecompressionBombWarning:
                return
            break
    warnings.filterwarnings("ignore", category=category, module=r"PIL\.")
