"""The image for a model: the photo upright, no larger than necessary."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

from text2face_core.images import load_image

if TYPE_CHECKING:
    from PIL.Image import Image


def picture(uri: str, max_side: int) -> Image:
    """The photo at `uri`, RGB and upright, its longer side `max_side` pixels at most.

    Raises BadPhoto if it can no longer be read.
    """
    from PIL import Image

    image = Image.fromarray(load_image(uri))
    scale = max_side / max(image.size)
    if scale < 1:
        size = [max(1, round(side * scale)) for side in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    return image


def data_url(image: Image, quality: int) -> str:
    """The image as a data: URL of a JPEG; equal pixels give equal text."""
    content = BytesIO()
    image.save(content, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode("ascii")
