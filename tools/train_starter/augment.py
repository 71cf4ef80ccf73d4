"""From a wide aligned face to what the network trains on: posed, coloured, blurred, cropped and covered at random."""

import cv2
import numpy as np
import numpy.typing as npt
from t2f_starter.signature import SIDE as CROP

from text2face_core.images import Region
from text2face_core.records import Pixels

from .cache import OUTSIDE, SHOWN, SIDE

Regions = npt.NDArray[np.uint8]
Random = np.random.Generator


def plain(image: Pixels, regions: Regions) -> tuple[Pixels, Regions]:
    """The network's crop as it is, for checks: (CROP, CROP, 3) and (CROP, CROP)."""
    return _warp(image, regions, 0.0, 1.0, np.zeros(2), flip=False)


def augment(image: Pixels, regions: Regions, other: Pixels, random: Random) -> tuple[Pixels, Regions]:
    """One face of a batch. image, other: (SIDE, SIDE, 3) uint8 RGB, `other` lends a patch that covers something."""
    image, regions = _warp(
        image,
        regions,
        random.normal(0, 6),
        np.exp(random.normal(0, 0.07)),
        random.normal(0, 0.025 * CROP, 2),
        flip=random.random() < 0.5,
    )
    image = image.astype(np.float32)
    if random.random() < 0.12:
        _cover(image, regions, other, random)
    image = _colour(image, random)
    image = _spoil(image, random)
    outside = regions == OUTSIDE
    if random.random() < 0.3:
        outside |= _photo_ends(random)
    # In use, what lies outside the photo is black; more often there is a photo, so the network must not count on edges.
    image[outside] = _texture(other, random)[outside] if random.random() < 0.4 else 0
    regions[outside] = OUTSIDE
    return np.clip(image, 0, 255).astype(np.uint8), regions


def _warp(
    image: Pixels, regions: Regions, degrees: float, zoom: float, shift: npt.NDArray[np.float64], *, flip: bool
) -> tuple[Pixels, Regions]:
    scale = CROP / SHOWN * zoom
    turn = scale * np.exp(1j * np.radians(degrees))
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]]) @ np.diag([-1.0 if flip else 1.0, 1.0])
    middle = np.full(2, CROP / 2 - 0.5)
    offset = middle + shift - linear @ np.full(2, SIDE / 2 - 0.5)
    matrix = np.hstack([linear, offset[:, None]])
    return (
        np.asarray(cv2.warpAffine(image, matrix, (CROP, CROP), flags=cv2.INTER_LINEAR), np.uint8),
        np.asarray(
            cv2.warpAffine(
                regions,
                matrix,
                (CROP, CROP),
                flags=cv2.INTER_NEAREST,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=OUTSIDE,
            ),
            np.uint8,
        ),
    )


def _cover(image: npt.NDArray[np.float32], regions: Regions, other: Pixels, random: Random) -> None:
    """A hand, a phone, a plant: something that is none of our regions hides a part."""
    mask = np.zeros((CROP, CROP), np.uint8)
    centre = tuple(int(v) for v in random.integers(0, CROP, 2))
    axes = tuple(int(v) for v in random.integers(6, 24, 2))
    cv2.ellipse(mask, centre, axes, float(random.uniform(0, 180)), 0, 360, 1, -1)
    image[mask == 1] = _texture(other, random)[mask == 1]
    regions[mask == 1] = Region.BACKGROUND


def _texture(other: Pixels, random: Random) -> npt.NDArray[np.float32]:
    """A part of another picture, or a uniform colour."""
    if random.random() < 0.5:
        return np.broadcast_to(random.uniform(0, 255, 3).astype(np.float32), (CROP, CROP, 3))
    x, y = random.integers(0, SIDE - CROP, 2)
    patch = other[y : y + CROP, x : x + CROP]
    return np.roll(patch, int(random.integers(CROP)), axis=0).astype(np.float32)


def _colour(image: npt.NDArray[np.float32], random: Random) -> npt.NDArray[np.float32]:
    """Light, contrast, tint; sometimes black and white."""
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    saturation = 0.0 if random.random() < 0.08 else np.exp(random.normal(0, 0.25))
    image = grey[..., None] + saturation * (image - grey[..., None])
    tint = np.exp(random.normal(0, 0.06, 3)) * np.exp(random.normal(0, 0.15))
    image = (image - grey.mean()) * np.exp(random.normal(0, 0.15)) + grey.mean()
    image = 255 * np.clip(image * tint / 255, 0, 1) ** np.exp(random.normal(0, 0.2))
    return np.asarray(image, np.float32)


def _spoil(image: npt.NDArray[np.float32], random: Random) -> npt.NDArray[np.float32]:
    """Blur, coarse pixels, noise, JPEG."""
    if random.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 1.6))
    if random.random() < 0.15:
        small = int(CROP * random.uniform(0.35, 0.9))
        image = cv2.resize(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), (CROP, CROP))
    if random.random() < 0.2:
        image = image + random.normal(0, random.uniform(1, 10), image.shape).astype(np.float32)
    if random.random() < 0.15:
        quality = int(random.integers(25, 90))
        _, code = cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = cv2.imdecode(code, cv2.IMREAD_COLOR).astype(np.float32)
    return np.asarray(image, np.float32)


def _photo_ends(random: Random) -> npt.NDArray[np.bool_]:
    """Where a tightly cut photo shows nothing: beyond a line near some of the four sides."""
    outside = np.zeros((CROP, CROP), bool)
    for turn in range(4):
        if random.random() < 0.5:
            np.rot90(outside, turn)[: int(random.uniform(0, 0.2) * CROP)] = True
    return outside
