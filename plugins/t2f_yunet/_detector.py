"""The detector itself: which sizes a photo is looked at in, and how what is found comes back to photo pixels."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from text2face_core import Detector, Face

if TYPE_CHECKING:
    from pathlib import Path

    from text2face_core.records import Pixels

    from . import YuNetOptions

SMALL = 32
"""Pixels that the net sees of the largest face, below which a closer look is worth its time: landmarks get coarse."""

MISSED = 40
"""Pixels that the net saw of a face it missed, at most: a closer look that finds a larger one is mistaken."""

LARGE, POOR = 400, 0.85
"""Pixels that the net sees of a face, and score: a face larger than the one and poorer than the other overfills it.

Large faces that fit score more, and a framed look would only blur their landmarks.
"""

FRAMED_SIDE = 160
FRAME = 80
"""Pixels. A face that fills the photo, or is cut by its edges, is found once it has room around it."""

Found = npt.NDArray[np.float32]
"""(N, 15) float32 as OpenCV gives them: x, y, width, height, five points x y, score."""


class YuNet(Detector):
    """Looks once at a moderate size; again, framed or closer, where that finds nothing, or only large or small faces.

    The first look takes in faces from about a fortieth of the photo's longer side to nearly all of it. A framed look
    finds faces that fill the photo or are cut by its edges, and measures them better. Closer looks find the small ones,
    such as 40 pixels in a photo of 4,000: a face is found from about 16 pixels of the closest look. A photo without
    faces costs most, as it is looked at in every way. Results do not depend on threads or batches.
    """

    upright_score = 0.92
    """Of 1,492 faces in photos turned by a quarter, two or three, 1 reached it; of 650 upright faces, 85 % did."""

    def __init__(self, weights: Path, options: YuNetOptions, threads: int = 1) -> None:
        # OpenCV shares one pool of threads among all its calls in a process. Photos side by side, one thread each,
        # use cores as well as that does, and keep to the number of threads that were granted.
        cv2.setNumThreads(1)
        self._options = options
        self._threads = max(1, threads)
        # A net cannot be used by two threads at once: whoever looks takes one out and puts it back.
        self._nets: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self._threads):
            self._nets.put(_net(weights, options))
        self._workers = ThreadPoolExecutor(self._threads, "yunet") if self._threads > 1 else None

    def detect(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """The faces on each image, best first; boxes and landmarks in that image's pixels."""
        if self._workers is None or len(images) == 1:
            return [self._detect(image) for image in images]
        return list(self._workers.map(self._detect, images))

    def _detect(self, image: Pixels) -> list[Face]:
        net = self._nets.get()
        try:
            found = self._search(net, image)
        finally:
            self._nets.put(net)
        found = found[np.argsort(-found[:, 14], kind="stable")]
        if len(found):
            sizes = found[:, 2:4].max(axis=1)
            found = found[sizes >= self._options.bystander * sizes.max()]
        return [
            Face(np.concatenate([row[:2], row[:2] + row[2:4]]), row[4:14].reshape(5, 2).copy(), float(row[14]))
            for row in found
        ]

    def _search(self, net: Any, image: Pixels) -> Found:
        native = max(image.shape[:2])
        side = min(self._options.longest_side, native)
        found = _look(net, image, side / native)
        if not len(found) or ((found[:, 2:4].max(axis=1) * side / native > LARGE) & (found[:, 14] < POOR)).any():
            found = _merge(_look(net, image, FRAMED_SIDE / native, FRAME), found)
        closest = min(self._options.closest_side, native)
        while side < closest and not (len(found) and found[:, 2:4].max() * side / native >= SMALL):
            seen = side / native
            side = min(2 * side, closest)
            closer = _look(net, image, side / native)
            closer = closer[closer[:, 2:4].max(axis=1) * seen < MISSED]
            found = closer if len(closer) else found
        return found


def _net(weights: Path, options: YuNetOptions) -> Any:
    # OpenCV 5 warns on every load that its new engine has no targets to choose from; nothing here chooses one.
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        return cv2.FaceDetectorYN.create(str(weights), "", (320, 320), options.score, options.iou, options.top_k)
    finally:
        cv2.utils.logging.setLogLevel(level)


def _look(net: Any, image: Pixels, zoom: float, frame: int = 0) -> Found:
    """What the net finds on the photo at `zoom` times its size, `frame` pixels of its mean colour around it."""
    shown = cv2.cvtColor(_resize(image, zoom), cv2.COLOR_RGB2BGR)
    # Sides are whole pixels, so that the zoom is not quite the same along both.
    zooms = np.array([shown.shape[1] / image.shape[1], shown.shape[0] / image.shape[0]], np.float32)
    if frame:
        mean = cv2.mean(shown)[:3]
        shown = cv2.copyMakeBorder(shown, frame, frame, frame, frame, cv2.BORDER_CONSTANT, value=mean)
    net.setInputSize((shown.shape[1], shown.shape[0]))
    _, rows = net.detect(shown)
    found = np.zeros((0, 15), np.float32) if rows is None else np.array(rows, np.float32)
    found[:, 0:2] = (found[:, 0:2] - frame) / zooms
    found[:, 2:4] /= zooms
    # Points count from the centre of the first pixel, boxes from its edge.
    points = found[:, 4:14].reshape(-1, 5, 2)
    found[:, 4:14] = ((points - frame + 0.5) / zooms - 0.5).reshape(-1, 10)
    return found


def _merge(framed: Found, found: Found) -> Found:
    """The framed pass's faces, and those of the plain pass that are more than parts of these."""
    if not len(framed) or (len(found) and framed[:, 14].max() < found[:, 14].max()):
        return found
    low = np.maximum(found[:, None, :2], framed[None, :, :2])
    high = np.minimum(found[:, None, :2] + found[:, None, 2:4], framed[None, :, :2] + framed[None, :, 2:4])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    apart = (shared < found[:, None, 2:4].prod(axis=2) / 2).all(axis=1)
    return np.concatenate([framed, found[apart]])


def _resize(image: Pixels, zoom: float) -> Pixels:
    """The photo at `zoom` times its size; first halved as often as it can be, for speed."""
    width, height = (max(1, round(side * zoom)) for side in (image.shape[1], image.shape[0]))
    while image.shape[1] >= 2 * width and image.shape[0] >= 2 * height:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
