"""Crops of accepted portraits, the images of a run's data set."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from ..contracts import Options
from ..errors import RunError
from ..images import Framing, Shape, cut_frame
from ..utils import explain, temporary_path

if TYPE_CHECKING:
    from ..records import Portrait


class DatasetSettings(Options):
    """The images that a model is trained on.

    A square of twice the face's box shows the whole head with hair and hat, and the shoulders. The crops of FFHQ are
    1.3 to 1.5 boxes wide and cut off high hair; at 3 boxes most of the image is clothing and background, which
    captions of faces say nothing about.
    """

    enabled: bool = Field(True, description="cut a crop of each accepted photo into dataset/")
    crop: Shape = Field(
        "square",
        description="square: around the face, padded past the photo's edges; free: the part of the square that the "
        "photo holds, of any aspect ratio; whole: the whole photo",
    )
    size: int = Field(
        768, ge=16, le=65_000, description="longest side of a crop, in pixels; smaller crops are left as they are"
    )
    scale: float = Field(2.0, ge=1, description="side of the square, in longer sides of the face's box")
    smallest: int = Field(0, ge=0, description="photos are rejected if a side of the crop has fewer pixels")
    duplicates: Literal["keep", "exact", "near"] = Field(
        "keep",
        description="photos left out of data sets and exports; exact: files with the same content, near: also photos "
        "that look the same, such as smaller or recompressed copies; the first of each stays",
    )
    quality: int = Field(95, ge=1, le=100, description="JPEG quality")

    @property
    def framing(self) -> Framing:
        """How much of a photo a crop shows."""
        return Framing(self.crop, self.scale)

    def analysis_rules(self) -> dict[str, Any]:
        """What the analysis depends on; options of later releases count only if they are set."""
        later = {name: getattr(self, name) for name in ("crop", "smallest")}
        unset = {name for name, value in later.items() if value == type(self).model_fields[name].default}
        return self.model_dump(mode="json", exclude={"duplicates", *unset})


def save_crop(portrait: Portrait, path: Path, settings: DatasetSettings) -> None:
    """Write the portrait's crop as a JPEG (RGB, no chroma subsampling).

    It is cut from the full photo, see `Framing`, and never enlarged. Only pixels go into the file: no
    EXIF, so neither place nor time nor camera. Equal pixels give equal bytes. The file is complete or absent, but not
    synced, which is slow for many small files. Raises RunError if it cannot be written.
    """
    import cv2
    import numpy as np
    from PIL import Image

    photo = portrait.photo
    crop = cut_frame(photo.pixels, settings.framing.frame(photo.width, photo.height, portrait.face))
    height, width = crop.shape[:2]
    if max(height, width) > settings.size:
        # An area average costs a quarter of a Lanczos filter, which took as long as finding the face.
        shrink = settings.size / max(height, width)
        shape = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        crop = np.asarray(cv2.resize(crop, shape, interpolation=cv2.INTER_AREA), np.uint8)
    image = Image.fromarray(crop)
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
