"""References to stored images: where the bytes of an image are, and how they are decoded."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from ..images import DEFAULT_LIMITS, Framing, cut_frame, decode_image
from ..records import Face, Pixels
from ..utils import read_regular

SQUARE = Framing()


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A file or a part of a file that holds an encoded image; read only when asked.

    size: bytes from `offset` on; None for the whole file. face: the face in the photo's pixels, which is framed as
    `framing` says; None for an image that is taken as it is.
    """

    path: str
    offset: int = 0
    size: int | None = None
    face: Face | None = None
    framing: Framing = SQUARE

    def content(self) -> bytes:
        """The encoded image. Raises BadPhoto if it cannot be read or is larger than a photo may be."""
        return read_regular(self.path, DEFAULT_LIMITS.max_bytes, self.offset, self.size)

    def pixels(self, content: bytes) -> Pixels:
        """(H, W, 3) uint8 RGB, upright. Raises BadPhoto if the content is not an image."""
        pixels = decode_image(content)
        if self.face is None:
            return pixels
        return cut_frame(pixels, self.framing.frame(pixels.shape[1], pixels.shape[0], self.face))

    def digest(self, content: bytes) -> bytes:
        """16 bytes that identify the pixels: of the content, and of the crop's position in it."""
        where = repr(self._place()).encode() if self.face else b""
        return hashlib.blake2b(content, digest_size=16, person=hashlib.blake2b(where, digest_size=16).digest()).digest()

    def stamp(self) -> bytes:
        """16 bytes that change when the file is replaced or touched; does not read the file."""
        try:
            status = os.stat(self.path)  # noqa: PTH116  called for each of a million images
            state = (status.st_size, status.st_mtime_ns)
        except (OSError, ValueError):
            state = (-1, -1)
        identity = (self.path, self.offset, self.size, *self._place(), *state)
        return hashlib.blake2b(repr(identity).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _place(self) -> tuple[object, ...]:
        """What the crop depends on; empty if there is none."""
        return (self.face.box.tolist(), self.face.landmarks.tolist(), self.framing) if self.face else ()
