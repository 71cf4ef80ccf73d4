"""Bands, caps, hoods and veils drawn on faces: kinds of headgear that the generator makes too few of.

What is drawn is crude, but lies where such things lie and has their colours, folds and patterns, so that a plain scarf
is not taken for hair.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from t2f_starter.signature import POINTS
from text2face_core.records import Pixels
from text2face_core.regions import Region

from .cache import OUTSIDE, PRESENCE, SHOWN, SIDE
from .transplant import HAT, Face, Mask, Random, joined

_EYES = (np.array(POINTS[:2]) - 0.5) * SHOWN + SIDE / 2 - 0.5
SPAN = float(_EYES[1, 0] - _EYES[0, 0])
"""Between the eyes, in pixels of the wide crop; every length below is given in it."""
CENTRE = _EYES.mean(0)
ACROSS, DOWN = (np.mgrid[:SIDE, :SIDE][::-1] - CENTRE[:, None, None]) / SPAN
"""Of each pixel, how far right of and below the middle between the eyes it lies."""

Colours = npt.NDArray[np.float32]


def draw_headgear(face: Face, other: Pixels, random: Random) -> Face:
    """The face with one of `KINDS`; `other` lends a pattern now and then."""
    kind = random.choice(np.array(list(KINDS), object), p=np.array(list(KINDS.values())))
    head = np.isin(face.regions, (Region.SKIN, Region.HAIR))
    worn = kind(_turned(random), head, random) & (face.regions != OUTSIDE)
    worn &= ~np.isin(face.regions, (Region.EYES, Region.NOSE, Region.LIPS, Region.MOUTH, Region.GLASSES))
    if np.count_nonzero(worn) / SPAN**2 < PRESENCE["wearing_hat"][2]:
        return face
    figures = face.figures.copy()
    figures[HAT] = 1
    regions = np.where(worn, np.uint8(Region.HAT), face.regions)
    return Face(joined(face.image, _cloth(other, random), worn), regions, figures)


Places = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def _turned(random: Random) -> Places:
    """ACROSS and DOWN for a thing that sits a little askew."""
    turn = np.radians(random.normal(0, 7))
    return ACROSS * np.cos(turn) + DOWN * np.sin(turn), DOWN * np.cos(turn) - ACROSS * np.sin(turn)


def _band(places: Places, head: Mask, random: Random) -> Mask:
    """Around the forehead or over the hair, as a bandana."""
    across, down = places
    bent = down - random.uniform(-0.1, 0.25) * across**2
    lower = -random.uniform(0.5, 1.2)
    return np.asarray(head & (bent < lower) & (bent > lower - random.uniform(0.25, 0.9)))


def _cap(places: Places, head: Mask, random: Random) -> Mask:
    """Everything of the head above a brim, and a crown that is wider or higher: caps, berets, turbans."""
    across, down = places
    brim = -random.uniform(0.4, 1.1)
    bent = down - random.uniform(-0.1, 0.2) * across**2
    width, height = random.uniform(1.1, 1.7), random.uniform(0.6, 1.4)
    crown = ((across - random.normal(0, 0.25)) / width) ** 2 + ((bent - brim) / height) ** 2 < 1
    return np.asarray((head | crown) & (bent < brim))


def _hood(places: Places, head: Mask, random: Random) -> Mask:
    """A ring around the face: hoods, scarves, veils; below it goes on to the shoulders, or ends."""
    across, down = places
    low = down - 0.35
    width, height = random.uniform(0.9, 1.35), random.uniform(1.25, 1.8)
    face = (across / width) ** 2 + (low / height) ** 2 < 1
    more = random.uniform(0.3, 1.3)
    around = (across / (width + more)) ** 2 + (low / (height + more)) ** 2 < 1
    if random.random() < 0.6:
        around |= (np.abs(across) < width + more) & (low > 0)
    else:
        around &= low < random.uniform(0.3, 1.5)
    if random.random() < 0.7:
        around |= head & ~face  # all the hair is under it
    return np.asarray(around & ~face & ~(head & (low > 0) & (np.abs(across) < 0.7)))


def _patch(places: Places, _: Mask, random: Random) -> Mask:
    """A small hat or a large flower on one side of the head."""
    across, down = places
    x, y = random.uniform(-1.2, 1.2), -random.uniform(1.1, 1.9)
    width, height = random.uniform(0.4, 1.0), random.uniform(0.3, 0.7)
    turn = random.uniform(-0.8, 0.8)
    right, below = across - x, down - y
    right, below = right * np.cos(turn) + below * np.sin(turn), below * np.cos(turn) - right * np.sin(turn)
    return np.asarray((right / width) ** 2 + (below / height) ** 2 < 1)


KINDS: dict[Callable[[Places, Mask, Random], Mask], float] = {_band: 0.2, _cap: 0.35, _hood: 0.35, _patch: 0.1}
"""What is drawn how often."""


def _cloth(other: Pixels, random: Random) -> Colours:
    """(SIDE, SIDE, 3): one colour, dark ones most often, or a pattern; with folds, grain and shade."""
    if random.random() < 0.3:
        size = int(random.integers(SIDE // 6, SIDE // 2))
        x, y = random.integers(SIDE // 4, SIDE - SIDE // 4 - size // 2, size=2)
        cloth = cv2.resize(other[y : y + size, x : x + size], (SIDE, SIDE)).astype(np.float32)
    else:
        dark = random.random() < 0.4
        colour = random.uniform(5, 60, 3) if dark else random.uniform(20, 255, 3)
        grey = colour.mean()
        cloth = np.broadcast_to(grey + random.uniform(0, 1) * (colour - grey), (SIDE, SIDE, 3)).astype(np.float32)
    folds = _waves(random, (int(random.integers(3, 9)), int(random.integers(6, 30))))
    light = np.exp(random.uniform(0.05, 0.3) * folds + random.normal(0, 0.25) * ACROSS.astype(np.float32))
    grain = random.normal(0, random.uniform(0, 8), (SIDE, SIDE, 1)).astype(np.float32)
    return np.asarray(np.clip(cloth * light[..., None] + grain, 0, 255), np.float32)


def _waves(random: Random, cells: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Soft bumps, so many down and across, or turned by a quarter."""
    bumps = cv2.resize(random.normal(0, 1, cells).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(bumps.T if random.random() < 0.5 else bumps, np.float32)
