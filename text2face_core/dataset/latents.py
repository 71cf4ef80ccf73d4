"""Latents: the vector from which a renderer made a synthetic portrait, in the image's own metadata."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..utils import parse_json, replacing

if TYPE_CHECKING:
    from ..records import Pixels

Latent = npt.NDArray[np.float32]

LONGEST = 16_384
"""Numbers in a latent."""
OWN = "text2face"
"""The text chunk of PNG files that holds our JSON; JPEG files have it as their comment."""


def write_portrait(path: Path, pixels: Pixels, latent: Latent, record: Mapping[str, Any], quality: int = 92) -> None:
    """Write (H, W, 3) uint8 RGB as JPEG, atomically; its latent, in float16, and `record` are JSON in the comment."""
    from PIL import Image

    packed = base64.b64encode(np.asarray(latent, "<f2").tobytes()).decode()
    comment = json.dumps({OWN: {**record, "latent": packed}})
    content = BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality, comment=comment)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())


def read_portrait_record(path: Path) -> dict[str, Any]:
    """What `write_portrait` wrote beside the pixels; empty if the file is another image, or incomplete."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            comment = image.info.get("comment", b"")
            if image.format != "JPEG" or not isinstance(comment, bytes) or OWN.encode() not in comment[:40]:
                return {}
            found: Any = parse_json(comment.decode("utf-8"))[OWN]
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):  # PIL raises SyntaxError for a broken PNG
        return {}
    return found if isinstance(found, dict) else {}


def read_latent(path: Path) -> Latent | None:
    """The latent in an image file, (D,) float32; None if it holds none."""
    packed = read_portrait_record(path).get("latent")
    if not isinstance(packed, str) or len(packed) > 3 * LONGEST:
        return None
    try:
        found = np.frombuffer(base64.b64decode(packed, validate=True), "<f2").astype(np.float32)
    except (binascii.Error, ValueError):
        return None
    return found if len(found) and np.isfinite(found).all() else None
