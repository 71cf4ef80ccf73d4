"""Reject faces on which models can only guess: pixelated, or blurred beyond recognition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from text2face_core import Filter, Portrait, Rejection

from ._measures import FACE, blockiness, detail, face_pixels

if TYPE_CHECKING:
    from . import SharpOptions

SMALLEST = 24
"""Pixels. In a smaller face, blocks and features are of one size."""


class SharpFaces(Filter):
    """Rejects pixelated and strongly blurred faces, by the pixels of the face alone.

    A photo that is only somewhat soft passes, and counts as blurry (see `PhotoProperties`).
    """

    def __init__(self, options: SharpOptions) -> None:
        self._options = options

    def judge(self, portraits: Sequence[Portrait]) -> list[Rejection | None]:
        """A rejection for each face without detail."""
        return [self._judge(portrait) for portrait in portraits]

    def _judge(self, portrait: Portrait) -> Rejection | None:
        pixels = face_pixels(portrait)
        if min(pixels.shape[:2]) >= SMALLEST and (blocks := blockiness(pixels)) > self._options.blocks:
            return Rejection(f"face is pixelated (blocks {blocks:.2f}, photo.sharp.blocks is {self._options.blocks:g})")
        found = detail(portrait.crop(FACE))
        if found < self._options.detail:
            return Rejection(
                f"face is too blurred (detail {found:.0f}, photo.sharp.detail is {self._options.detail:g})"
            )
        return None
