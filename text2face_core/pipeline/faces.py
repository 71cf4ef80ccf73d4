"""Accept a single face of a photo, or give the reason for none: number, size, completeness, and rotation."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DegenerateFace
from ..images import BoxCrop
from ..records import Face, Photo, Pixels, Portrait
from .stage import Failure, Stage

if TYPE_CHECKING:
    from ..sections import FaceRule

TURNED = 0.01
"""How much higher the score of a face must be once it is turned, to say that the photo is not upright.

Measured with YuNet on the twelve example photos in all four orientations: of upright photos, the best turned score is
at least 0.02 below the upright one; of turned photos it is at least 0.04 above.
"""
TILTED = 60.0
"""Degrees between the face's own vertical and the photo's, above which a face is not upright."""

LOOK = BoxCrop(2.0, 224, border=(127, 127, 127))
"""What the detector sees of a face in other orientations: small, since it costs four detections."""

PARTS = ("image-left eye", "image-right eye", "nose", "image-left mouth corner", "image-right mouth corner")


class FaceSelection:
    """The rules of a recipe's [faces], applied to what a detector found.

    Args:
        rule: The recipe's section.
        detector: Looks at faces again, in other orientations.
        upright_score: Score from which a face is not looked at again; see `Detector`.
    """

    def __init__(
        self, rule: FaceRule, detector: Stage[Pixels, tuple[Face, ...]], upright_score: float = math.inf
    ) -> None:
        self._rule = rule
        self._detector = detector
        self._upright_score = upright_score

    def choose(self, photo: Photo, faces: Sequence[Face]) -> Face | str:
        """The face to use, or the reason why there is none."""
        if not faces:
            return "no face"
        if len(faces) > 1 and self._rule.choose == "only":
            return f'{len(faces)} faces (to use one of them, set faces.choose to "largest" or "central")'
        if self._rule.choose == "central":
            middle = np.array([photo.width, photo.height]) / 2
            return min(faces, key=lambda face: float(np.hypot(*((face.box[:2] + face.box[2:]) / 2 - middle))))
        return max(faces, key=lambda face: face.size)

    def refuse(self, photo: Photo, face: Face) -> str:
        """Why this face cannot be used; empty if it can."""
        width, height = float(face.box[2] - face.box[0]), float(face.box[3] - face.box[1])
        least = self._rule.min_size
        if min(width, height) < least:
            return f"face too small: {width:.0f} x {height:.0f} pixels (faces.min_size is {least:.0f} on both sides)"
        if not self._rule.whole:
            return ""
        ends = np.array([photo.width, photo.height]) - 0.5
        inside = np.asarray((face.landmarks >= -0.5) & (face.landmarks <= ends))
        outside = [PARTS[number] for number in np.flatnonzero(~np.asarray(inside.all(axis=1)))]
        return f"face cut off: the photo does not show the {' and the '.join(outside)}" if outside else ""

    def refuse_turned(self, portraits: Sequence[Portrait]) -> list[str]:
        """Why each portrait is not upright; empty if it is.

        Many detectors find a face that lies on its side or head as if it were upright, with landmarks that mean
        nothing, but are surer of it once it is turned.
        """
        if not self._rule.upright:
            return [""] * len(portraits)
        degrees = [_tilt(portrait.face) for portrait in portraits]
        asked = [
            number
            for number, tilt in enumerate(degrees)
            if abs(tilt) <= TILTED and portraits[number].face.score < self._upright_score
        ]
        for number, turn in zip(asked, self._turns([portraits[number] for number in asked]), strict=True):
            degrees[number] = 90.0 * turn
        return [
            f"face is not upright: turned by about {round(abs(tilt) / 90) * 90 or 90} degrees" if tilt else ""
            for tilt in (tilt if abs(tilt) > TILTED else 0.0 for tilt in degrees)
        ]

    def _turns(self, portraits: Sequence[Portrait]) -> list[int]:
        """Of each portrait, the number of quarter turns after which its face is found best."""
        turns = [0] * len(portraits)
        squares: dict[int, Pixels] = {}
        for number, portrait in enumerate(portraits):
            with contextlib.suppress(DegenerateFace):
                squares[number] = portrait.crop(LOOK)
        upright = dict(zip(squares, self._scores(squares.values()), strict=True))
        doubtful = [number for number, score in upright.items() if score < self._upright_score]
        others = self._scores(np.rot90(squares[number], turn) for number in doubtful for turn in (1, 2, 3))
        for place, number in enumerate(doubtful):
            scores = [upright[number], *others[3 * place : 3 * place + 3]]
            best = int(np.argmax(scores))
            if not np.isnan(scores).any() and scores[best] > scores[0] + TURNED:
                turns[number] = best
        return turns

    def _scores(self, squares: Iterable[Pixels]) -> list[float]:
        """The score of the best face of each square: 0.0 without a face, NaN if the detector failed."""
        found = self._detector([np.ascontiguousarray(square) for square in squares])
        return [
            math.nan if isinstance(faces, Failure) else max((face.score for face in faces), default=0.0)
            for faces in found
        ]


def _tilt(face: Face) -> float:
    """Degrees from the photo's vertical to the face's, from the middle between the eyes to that of the mouth."""
    across, down = face.landmarks[3:].mean(axis=0) - face.landmarks[:2].mean(axis=0)
    return float(np.degrees(np.arctan2(-across, down)))
