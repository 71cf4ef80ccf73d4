"""The detector itself: a pass over every photo, and a second, framed pass if the first is not reliable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from text2face_core import Detector, Face
from text2face_core.models import BATCH, Free, network

from ._candidates import BOX, POINTS, SCORE, Found, candidates, priors
from ._looks import Look

if TYPE_CHECKING:
    from text2face_core import Runtime
    from text2face_core.records import Pixels

    from . import RetinaFaceOptions
    from ._network import RetinaFaceNet

FRAMED_SIDE = 256
"""Pixels of the photo's longer side in a framed look; as much as the second largest prior, for a face that fills it."""

LARGE = 0.6
"""Share of the photo's longer side that a face has from which it is looked at with room around it.

From there on the landmarks of a plain look are 1.6 times as far off, or more (MobileNet-0.25's, of a photo and of its
mirror image), and of crops closer than the face it makes two faces or more, in up to four cases of five.
"""


class RetinaFace(Detector):
    """Detects in every photo once, at a moderate size; again, framed, if that finds no face, or a large face.

    Photos of equal canvas go through the network together on a GPU, at most `batch` of them; on a CPU one at a time, as
    batches are slower there, so that results are the same in any batch. On a GPU they are so but for last bits: places
    are rounded to 1/100 pixel, scores to 0.0001.
    """

    def __init__(
        self, net: RetinaFaceNet, options: RetinaFaceOptions, runtime: Runtime, batch: int | None = None
    ) -> None:
        cv2.setNumThreads(1)  # a photo is resized in less time than threads need to start
        self._options = options
        self._batch = batch or (1 if runtime.device == "cpu" else 16)
        self._network = network(
            net,
            [(BATCH, 3, Free(128), Free(192))],
            runtime,
            key=f"retinaface.{options.backbone} 1",
            outputs=("boxes", "scores", "landmarks"),
            batch=self._batch,
        )

    def detect(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """The faces on each image, best first; boxes and landmarks in that image's pixels."""
        found = self._find(images, [Look.at(image, self._options.longest_side) for image in images])
        if self._options.frame:
            doubtful = [number for number, image in enumerate(images) if _is_doubtful(found[number], image)]
            again = [images[number] for number in doubtful]
            framed = self._find(again, [Look.at(image, FRAMED_SIDE, framed=True) for image in again])
            for number, rows in zip(doubtful, framed, strict=True):
                found[number] = _merge(rows, found[number])
        return [[_face(row) for row in rows] for rows in found]

    def _find(self, images: Sequence[Pixels], looks: Sequence[Look]) -> list[Found]:
        """Faces found by a single pass over each image, in the image's pixels."""
        found: dict[int, Found] = {}
        for numbers in self._batches(looks):
            shown = np.stack([looks[number].show(images[number], self._options.order) for number in numbers])
            prior = priors(*looks[numbers[0]].canvas)
            for number, boxes, scores, landmarks in zip(numbers, *self._network(shown), strict=True):
                rows = candidates(
                    prior,
                    boxes,
                    scores,
                    landmarks,
                    score=self._options.score,
                    iou=self._options.iou,
                    top_k=self._options.top_k,
                )
                rows[:, :SCORE] = looks[number].to_photo(rows[:, :SCORE].reshape(-1, 7, 2)).reshape(-1, SCORE)
                found[number] = rows
        return [found[number] for number in range(len(images))]

    def _batches(self, looks: Sequence[Look]) -> Iterator[list[int]]:
        """Numbers of looks that can go through the network together."""
        alike: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for number, look in enumerate(looks):
            alike[look.canvas].append(number)
        for numbers in alike.values():
            for start in range(0, len(numbers), self._batch):
                yield numbers[start : start + self._batch]


def _is_doubtful(found: Found, image: Pixels) -> bool:
    """Whether no face was found, or a face so large that a framed pass places it better, or shows it to be a part."""
    sizes = (found[:, 2:4] - found[:, 0:2]).max(axis=1, initial=0)
    return not len(found) or bool(sizes.max() > LARGE * max(image.shape[:2]))


def _merge(framed: Found, plain: Found) -> Found:
    """The framed pass's faces, and those of the plain pass that are more than parts of these; best first."""
    low = np.maximum(plain[:, None, 0:2], framed[None, :, 0:2])
    high = np.minimum(plain[:, None, 2:4], framed[None, :, 2:4])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    apart = (shared < (plain[:, None, 2:4] - plain[:, None, 0:2]).prod(axis=2) / 2).all(axis=1)
    both = np.concatenate([framed, plain[apart]])
    return both[np.argsort(-both[:, SCORE], kind="stable")]


def _face(row: Found) -> Face:
    places = row[:SCORE].round(2)
    return Face(places[BOX].copy(), places[POINTS].reshape(5, 2).copy(), round(float(row[SCORE]), 4))
