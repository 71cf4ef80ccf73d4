"""Thumbnails of a run's photos, as data: URIs that a page can embed."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from .. import sources
from ..errors import BadPhoto, SourceError
from ..images import DEFAULT_LIMITS, decode_image
from ..records import AnalysisRow
from ..run import RunDirectory
from ..utils import read_regular

SIDE = 224
"""Longer side of a thumbnail, in pixels."""

FACES_WIDE = 3.0
"""A photo with a face is cut to a square of at most this many faces, so that the face can be seen."""

Window = tuple[int, int, int, int]
"""x0 y0 x1 y1 in photo pixels, as in a slice."""


PixelBox = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail of a photo.

    Attributes:
        uri: `data:image/jpeg;base64,…`.
        window: The part of the photo that it shows; None if it shows the data set's crop instead, because the photo
            is no longer available.
    """

    uri: str
    window: Window | None


def make_thumbnails(run: RunDirectory, rows: Iterable[AnalysisRow], threads: int = 2) -> Iterator[Thumbnail | None]:
    """Make a thumbnail per row, in order; None if the row has no image."""
    pool = ThreadPoolExecutor(threads, "thumbnails")
    try:
        yield from pool.map(lambda row: thumbnail(run, row), rows)
    finally:  # an interruption waits for no thumbnail
        pool.shutdown(wait=False, cancel_futures=True)


def thumbnail(run: RunDirectory, row: AnalysisRow) -> Thumbnail | None:
    """Make a thumbnail of the row's photo, or of its crop in the data set if the photo is gone; else None."""
    if not row.width or not row.height:  # it could not be decoded, and is not tried again
        return None
    window = window_of(row)
    try:
        shrink = SIDE / max(window[2] - window[0], window[3] - window[1])
        image = _small(sources.open(row.uri), math.ceil(min(row.width, row.height) * shrink))
        if abs(image.width / image.height - row.width / row.height) < 0.02:  # else another photo by now
            return Thumbnail(_jpeg(image, _scaled(window, image.width / row.width, image.height / row.height)), window)
    except (BadPhoto, SourceError, OSError, ValueError):
        pass
    try:
        crop = _small(read_regular(run.image_path(row), DEFAULT_LIMITS.max_bytes), SIDE)
        return Thumbnail(_jpeg(crop, (0, 0, crop.width, crop.height)), None)
    except (BadPhoto, OSError, ValueError):
        return None


def window_of(row: AnalysisRow) -> Window:
    """Return what a thumbnail shows: a square around the face, inside the photo, or all of a photo without a face."""
    if row.face is None:
        return 0, 0, row.width, row.height
    side = min(row.width, row.height, max(SIDE, math.ceil(FACES_WIDE * row.face.size)))
    x0, y0, x1, y1 = (float(edge) for edge in row.face.box)
    left = round(min(max((x0 + x1 - side) / 2, 0), row.width - side))
    top = round(min(max((y0 + y1 - side) / 2, 0), row.height - side))
    return left, top, left + side, top + side


def _small(content: bytes, least: int) -> Image.Image:
    """Decode the photo, upright, in sRGB, reduced to a shorter side of at least `least` pixels if it is larger."""
    return Image.fromarray(decode_image(_reduced(content, least)))


def _reduced(data: bytes, least: int) -> bytes:
    """Reduce a JPEG to a half, a quarter or an eighth of its size, which is quick; return anything else unchanged.

    The result is a file again, so that only `decode` handles orientation and colours.
    """
    if not data.startswith(b"\xff\xd8"):
        return data
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        image = JpegImageFile(BytesIO(data))
        whole = image.size
        image.draft(None, (least, least))
        if image.size == whole:
            return data
        small = BytesIO()
        image.save(small, "JPEG", quality=92, exif=image.getexif(), icc_profile=image.info.get("icc_profile"))
    except Exception:  # noqa: BLE001 - `decode` says what is wrong with it
        return data
    return small.getvalue()


def _scaled(window: Window, across: float, down: float) -> PixelBox:
    x0, y0, x1, y1 = window
    return x0 * across, y0 * down, x1 * across, y1 * down


def _jpeg(image: Image.Image, box: PixelBox) -> str:
    """Encode the box of the image, with a longer side of at most SIDE pixels."""
    box = box[0], box[1], min(box[2], image.width), min(box[3], image.height)
    width, height = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    jpeg = BytesIO()
    image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0).save(
        jpeg, "JPEG", quality=76, optimize=True
    )
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode()
