"""Detector for photos of any content: returns each photo whole, as if it were one face."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from text2face_core import hookimpl
from text2face_core.contracts import Component, Detector, Options, Runtime
from text2face_core.records import Face, Pixels

# Where a face that fills the photo would have its eyes, nose and mouth corners, in units of its sides. No face
# is there: they only keep code that asks for landmarks from failing.
LANDMARKS = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.57], [0.38, 0.72], [0.62, 0.72]], np.float32)


class NoneOptions(Options):
    """No options."""


class WholePhoto(Detector):
    """One "face" for each photo: all of it, with a score of 1 and landmarks that mean nothing."""

    def detect(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """The photo's own edges as the box."""
        return [[self._whole(image)] for image in images]

    @staticmethod
    def _whole(image: Pixels) -> Face:
        height, width = image.shape[:2]
        size = np.array([width, height], np.float32)
        return Face(np.concatenate([np.zeros(2, np.float32), size]), LANDMARKS * size, 1.0)


def build(options: NoneOptions, runtime: Runtime) -> WholePhoto:  # noqa: ARG001  every build takes both
    """The detector; it loads nothing."""
    return WholePhoto()


@hookimpl
def t2f_detectors() -> Iterable[Component[NoneOptions, Detector]]:
    """Declare the detector."""
    yield Component(
        "none",
        build,
        NoneOptions,
        summary="returns every photo whole, whatever it shows; for captions of scenes (recap), not for face models",
    )
