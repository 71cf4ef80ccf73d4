"""Transplant hats and glasses between faces, so that few of them teach as much as many.

All faces of the cache are aligned, so a hat lands where the other face would wear it. Pictures and regions are
changed together, and the figures say what was put on.
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from t2f_starter.signature import FIGURES

from text2face_core.images import Region
from text2face_core.records import Pixels

from .cache import OUTSIDE, SIDE

Regions = npt.NDArray[np.uint8]
Figures = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Random = np.random.Generator

HAT, GLASSES = FIGURES.index("wearing_hat"), FIGURES.index("eyeglasses")
EYES = [FIGURES.index(name) for name in ("eyes_closed", "squint")]
LEAST_HAT, LEAST_GLASSES = 1200, 250
"""Pixels of the wide crop from which something is worth putting on."""
SOFT = 1.2
"""Width of the seam, in pixels."""


class Face(NamedTuple):
    """One face of the cache: (SIDE, SIDE, 3) uint8 RGB, (SIDE, SIDE) regions, (figures,) float32."""

    image: Pixels
    regions: Regions
    figures: Figures


def wears(regions: npt.NDArray[np.uint8], figures: Figures) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which of (N, SIDE, SIDE) regions lend a hat, and which glasses: indices.

    A hat must span the head, since half of one, or a neighbour's, would float in the air.
    """
    head = slice(SIDE // 3, SIDE - SIDE // 3)
    hats = [
        n
        for n in np.flatnonzero(figures[:, HAT] == 1)
        if np.sum(regions[n] == Region.HAT) > LEAST_HAT and (regions[n][:, head] == Region.HAT).any(0).mean() > 0.8
    ]
    glasses = [
        n for n in np.flatnonzero(figures[:, GLASSES] == 1) if np.sum(regions[n] == Region.GLASSES) > LEAST_GLASSES
    ]
    return np.array(hats, np.int64), np.array(glasses, np.int64)


def put_hat(face: Face, donor: Face, random: Random) -> Face:
    """The face under the donor's hat; with it come whatever stands above the brim and the hair that hangs from it."""
    image, regions = _jittered(donor, random)
    hat = regions == Region.HAT
    if not hat.any():
        return face
    image = _in_the_light_of(image, regions, face)
    if random.random() < 0.6:
        image = np.where(hat[..., None], _dyed(image, random), image)
    given = _above_the_brim(hat) & (regions != OUTSIDE)
    figures = face.figures.copy()
    figures[HAT] = 1
    return Face(_joined(face.image, image, given), np.where(given, regions, face.regions), figures)


def put_glasses(face: Face, donor: Face, random: Random) -> Face:
    """The face behind the donor's glasses, with the eyes that look through them."""
    image, regions = _jittered(donor, random)
    frame = (regions == Region.GLASSES).astype(np.uint8)
    if not frame.any():
        return face
    closed = cv2.morphologyEx(frame, cv2.MORPH_CLOSE, np.ones((11, 11), np.uint8))
    given = cv2.dilate(closed, np.ones((3, 3), np.uint8)) == 1
    given &= np.isin(regions, (Region.GLASSES, Region.EYES, Region.SKIN, Region.NOSE))
    given &= face.regions != Region.HAT
    image = _in_the_light_of(image, regions, face)
    figures = face.figures.copy()
    figures[GLASSES] = 1
    figures[EYES] = donor.figures[EYES]
    return Face(_joined(face.image, image, given), np.where(given, regions, face.regions), figures)


def _jittered(donor: Face, random: Random) -> tuple[npt.NDArray[np.float32], Regions]:
    """The donor mirrored, turned, scaled and shifted a little."""
    image, regions = donor.image, donor.regions
    if random.random() < 0.5:
        image, regions = image[:, ::-1], regions[:, ::-1]
    middle = (SIDE / 2, SIDE / 2)
    matrix = cv2.getRotationMatrix2D(middle, random.normal(0, 3), float(np.exp(random.normal(0.01, 0.04))))
    matrix[:, 2] += random.normal(0, 2.5, 2)
    size = (SIDE, SIDE)
    moved = cv2.warpAffine(
        np.ascontiguousarray(image), matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    labels = cv2.warpAffine(
        np.ascontiguousarray(regions), matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    return moved.astype(np.float32), np.asarray(labels, np.uint8)


def _in_the_light_of(image: npt.NDArray[np.float32], regions: Regions, face: Face) -> npt.NDArray[np.float32]:
    """The donor's picture, its skin brought near the other's in colour."""
    own, other = face.image[face.regions == Region.SKIN], image[regions == Region.SKIN]
    if len(own) < 200 or len(other) < 200:
        return image
    gain = np.clip((own.mean(0) + 8) / (other.mean(0) + 8), 0.6, 1.6)
    return np.asarray(np.clip(image * gain, 0, 255), np.float32)


def _dyed(image: npt.NDArray[np.float32], random: Random) -> npt.NDArray[np.float32]:
    """Another colour of the same cloth: light and dark are kept in their order, or turned around."""
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    if random.random() < 0.3:
        grey = 255 - grey
    colour = random.uniform(0.15, 1.3, 3) * np.exp(random.normal(0, 0.3))
    share = random.uniform(0.3, 1.0)
    return np.asarray(np.clip(share * grey[..., None] * colour + (1 - share) * image, 0, 255), np.float32)


def _above_the_brim(hat: Mask) -> Mask:
    """All that lies above the lowest pixel of a hat in its column; next to the hat, above the nearest column's."""
    rows, columns = np.arange(SIDE), np.arange(SIDE)
    worn = np.flatnonzero(hat.any(0))
    lowest = SIDE - 1 - hat[::-1, worn].argmax(0)
    nearest = np.abs(columns[:, None] - worn[None]).argmin(1)
    return np.asarray(rows[:, None] <= lowest[nearest][None])


def _joined(under: Pixels, over: npt.NDArray[np.float32], given: Mask) -> Pixels:
    share = cv2.GaussianBlur(given.astype(np.float32), (0, 0), SOFT)[..., None]
    return np.asarray(np.clip(under * (1 - share) + over * share + 0.5, 0, 255), np.uint8)
