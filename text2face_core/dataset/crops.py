"""Square crops of accepted portraits, the images of a run's data set."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from ..contracts import Options
from ..errors import RunError
from ..images import dataset_square
from ..utils import explain, temporary_path

if TYPE_CHECKING:
    from ..records import Portrait


class DatasetSettings(Options):
    """The images that a model is trained on.

    A square of twice the face's box shows the whole head with hair and hat, and the shoulders. The crops of FFHQ are
    1.3 to 1.5 boxes wide and cut off high hair; at 3 boxes most of the image is clothing and background, which
    captions of faces say nothing about.
    """

    enabled: bool = Field(True, description="cut a square crop of each accepted photo into dataset/")
    size: int = Field(
        768, ge=16, le=65_000, description="longest side of a crop, in pixels; smaller crops are left as they are"
    )
    scale: float = Field(2.0, ge=1, description="side of the square, in longer sides of the face's box")
    quality: int = Field(95, ge=1, le=100, description="JPEG quality")


def save_crop(portrait: Portrait, path: Path, settings: DatasetSettings) -> None:
    """Write the portrait's square crop as a JPEG (RGB, no chroma subsampling).

    It is cut from the full photo, see `dataset_square`, and never enlarged. Only pixels go into the file: no
    EXIF, so neither place nor time nor camera. Equal pixels give equal bytes. The file is complete or absent, but not
    synced, which is slow for many small files. Raises RunError if it cannot be written.
    """
    import cv2
    import numpy as np
    from PIL import Image

    photo = portrait.photo
    x0, y0, x1, y1 = dataset_square(photo.width, photo.height, portrait.face, settings.scale)
    square = photo.pixels[y0:y1, x0:x1]
    if max(square.shape[:2]) > settings.size:
        # An area average costs a quarter of a Lanczos filter, which took as long as finding the face.
        shape = (settings.size, settings.size)
        square = np.asarray(cv2.resize(square, shape, interpolation=cv2.INTER_AREA), np.uint8)
    image = Image.fromarray(square)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=settings.quality, subsampling="4:4:4")
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(jpeg.getbuffer())
        temporary.replace(path)
    except OSError as error:
        raise RunError(explain(error, path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def has_content(path: Path) -> bool:
    """Whether `path` is a file that is not empty; a power cut may leave an empty file."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
