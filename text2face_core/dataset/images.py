"""References to stored images: where the bytes of an image are, and how they are decoded."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

import numpy as np

from ..images import DEFAULT_LIMITS, dataset_square, decode_image
from ..records import Face, Pixels
from ..utils import read_regular


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A file or a part of a file that holds an encoded image; read only when asked.

    size: bytes from `offset` on; None for the whole file. box: the face, x0 y0 x1 y1 in the photo's pixels, around
    which a square of `scale` boxes is cropped; None for the whole photo.
    """

    path: str
    offset: int = 0
    size: int | None = None
    box: tuple[float, float, float, float] | None = None
    scale: float = 2.0

    def content(self) -> bytes:
        """The encoded image. Raises BadPhoto if it cannot be read or is larger than a photo may be."""
        return read_regular(self.path, DEFAULT_LIMITS.max_bytes, self.offset, self.size)

    def pixels(self, content: bytes) -> Pixels:
        """(H, W, 3) uint8 RGB, upright. Raises BadPhoto if the content is not an image."""
        pixels = decode_image(content)
        if self.box is None:
            return pixels
        face = Face(np.array(self.box, np.float32), np.zeros((5, 2), np.float32), 1.0)
        x0, y0, x1, y1 = dataset_square(pixels.shape[1], pixels.shape[0], face, self.scale)
        return pixels[y0:y1, x0:x1]

    def digest(self, content: bytes) -> bytes:
        """16 bytes that identify the pixels: of the content, and of the crop's position in it."""
        where = b"" if self.box is None else repr((self.box, self.scale)).encode()
        return hashlib.blake2b(content, digest_size=16, person=hashlib.blake2b(where, digest_size=16).digest()).digest()

    def stamp(self) -> bytes:
        """16 bytes that change when the file is replaced or touched; does not read the file."""
        try:
            status = os.stat(self.path)  # noqa: PTH116  called for each of a million images
            state = (status.st_size, status.st_mtime_ns)
        except (OSError, ValueError):
            state = (-1, -1)
        identity = (self.path, self.offset, self.size, self.box, self.scale, *state)
        return hashlib.blake2b(repr(identity).encode("utf-8", "surrogatepass"), digest_size=16).digest()
