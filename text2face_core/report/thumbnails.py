"""Small pictures of a run's photos, as data: addresses that a page can hold in itself."""

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
from ..images import decode_image
from ..records import AnalysisRow
from ..run import RunDirectory

SIDE = 224
"""Longer side of a thumbnail, in pixels."""

FACES_WIDE = 3.0
"""A photo with a face is cut to a square of at most this many faces, so that the face can be seen."""

Window = tuple[int, int, int, int]
"""x0 y0 x1 y1 in photo pixels, as in a slice."""


Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture of a photo.

    uri: `data:image/jpeg;base64,…`. window: what it shows of the photo; None where it shows the data set's crop
    instead, because the photo itself is no longer where it was.
    """

    uri: str
    window: Window | None


def make_thumbnails(run: RunDirectory, rows: Iterable[AnalysisRow], threads: int = 2) -> Iterator[Thumbnail | None]:
    """One for each row, in order; None where there is no picture to be had."""
    with ThreadPoolExecutor(threads, "thumbnails") as pool:
        yield from pool.map(lambda row: thumbnail(run, row), rows)


def thumbnail(run: RunDirectory, row: AnalysisRow) -> Thumbnail | None:
    """A picture of the row's photo; of its crop in the data set where the photo is gone; else None."""
    if not row.width or not row.height:  # it could not be decoded then, and is not tried again
        return None
    window = window_of(row)
    try:
        shrink = SIDE / max(window[2] - window[0], window[3] - window[1])
        image = _small(sources.open(row.uri), math.ceil(min(row.width, row.height) * shrink))
        if abs(image.width / image.height - row.width / row.height) < 0.02:  # else it is another photo by now
            return Thumbnail(_jpeg(image, _scaled(window, image.width / row.width, image.height / row.height)), window)
    except (BadPhoto, SourceError, OSError, ValueError):
        pass
    try:
        crop = _small(run.image_path(row).read_bytes(), SIDE)
        return Thumbnail(_jpeg(crop, (0, 0, crop.width, crop.height)), None)
    except (BadPhoto, OSError, ValueError):
        return None


def window_of(row: AnalysisRow) -> Window:
    """What a thumbnail shows: a square around the face, inside the photo; all of the photo where there is no face."""
    if row.face is None:
        return 0, 0, row.width, row.height
    side = min(row.width, row.height, max(SIDE, math.ceil(FACES_WIDE * row.face.size)))
    x0, y0, x1, y1 = (float(edge) for edge in row.face.box)
    left = round(min(max((x0 + x1 - side) / 2, 0), row.width - side))
    top = round(min(max((y0 + y1 - side) / 2, 0), row.height - side))
    return left, top, left + side, top + side


def _small(content: bytes, least: int) -> Image.Image:
    """The photo, upright, in sRGB, its shorter side at least `least` pixels where it has as many."""
    return Image.fromarray(decode_image(_reduced(content, least)))


def _reduced(data: bytes, least: int) -> bytes:
    """A JPEG at a half, a quarter or an eighth of its size, which takes a fraction of its decoding; else as it was.

    It stays a file, so that `decode` alone knows about orientation and colours.
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


def _scaled(window: Window, across: float, down: float) -> Box:
    x0, y0, x1, y1 = window
    return x0 * across, y0 * down, x1 * across, y1 * down


def _jpeg(image: Image.Image, box: Box) -> str:
    """The box of the image, its longer side SIDE pixels at most."""
    box = box[0], box[1], min(box[2], image.width), min(box[3], image.height)
    width, height = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    jpeg = BytesIO()
    image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0).save(
        jpeg, "JPEG", quality=76, optimize=True
    )
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode()
