"""insightface's detector class on a session of ours, one photo at a time, as it takes no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from insightface.model_zoo.scrfd import SCRFD

from text2face_core import Detector, Face
from text2face_core.errors import ArtifactError
from text2face_core.models import session

if TYPE_CHECKING:
    from pathlib import Path

    from text2face_core import Runtime
    from text2face_core.records import Pixels

    from . import InsightFaceOptions

PROVIDERS = {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}


class InsightFace(Detector):
    """Detects once, with the photo's longer side at a fixed length; again at a small length if that finds nothing.

    The package's own default is to look in both ways always. Places are rounded to 1/100 pixel, scores to 0.0001.
    """

    def __init__(self, weights: Path, options: InsightFaceOptions, runtime: Runtime) -> None:
        self._options = options
        self._model = _model(weights, runtime)
        if not self._model.use_kps:
            raise ArtifactError(
                f"{weights} gives boxes, but no landmarks, without which faces cannot be aligned: take a detector "
                'whose name has "kps", or one of the packs buffalo or antelope'
            )
        self._model.prepare(0, nms_thresh=options.iou, det_thresh=options.score)

    def detect(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """The faces on each image, best first; boxes and landmarks in that image's pixels."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Pixels) -> list[Face]:
        bgr = np.ascontiguousarray(image[..., ::-1])
        faces = self._look(bgr, self._options.longest_side)
        if not faces and self._options.close_side:
            faces = self._look(bgr, self._options.close_side)
        return faces

    def _look(self, bgr: Pixels, side: int) -> list[Face]:
        # Banners and slivers come out at no height at all, which the package does not expect.
        if min(bgr.shape[:2]) * side < max(bgr.shape[:2]):
            return []
        boxes, landmarks = self._model.detect(bgr, input_size=(side, side))
        return [
            Face(
                box[:4].astype(np.float32).round(2),
                points.astype(np.float32).round(2),
                round(float(box[4]), 4),
            )
            for box, points in zip(boxes, landmarks, strict=True)
        ]


def _model(weights: Path, runtime: Runtime) -> Any:
    """insightface's SCRFD, which reads its RetinaFace files as well, on the runtime's device and threads."""
    try:
        loaded = _session(weights, runtime)
    except Exception as error:  # onnxruntime's own exceptions have no common base
        reason = " ".join(str(error).split())[:300]
        raise ArtifactError(f"{weights} cannot be loaded by onnxruntime: {reason}") from error
    outputs = len(loaded.get_outputs())
    if outputs not in {6, 9, 10, 15}:
        raise ArtifactError(
            f"{weights} is not a detector of insightface: those have 6, 9, 10 or 15 outputs, not {outputs}"
        )
    return SCRFD(session=loaded)


def _session(weights: Path, runtime: Runtime) -> Any:
    kind, _, number = runtime.device.partition(":")
    provider = PROVIDERS.get(kind, "")
    if provider not in onnxruntime.get_available_providers():
        return session(weights, runtime.threads)
    chosen = (provider, {"device_id": number}) if number else provider
    return onnxruntime.InferenceSession(str(weights), providers=[chosen, "CPUExecutionProvider"])
