"""Findings from region masks of a face, for any face parser: hair, baldness, bangs, mouth, teeth, eyes, skin tone.

Lengths are in units of the inter-ocular distance (for faces in profile: an estimate of what it would be from the
front), areas in its square, so that neither crop nor resolution matters. A position on the face is (across, down): 0, 0
is between the eyes, `down` points to the mouth. On an average frontal face, the mouth lies at 1.07 down, the chin at
1.75, the hairline at -0.95 and the top of the head at -1.7.

Each threshold has a softness: the score of a finding is a logistic function of the distance from the threshold in units
of it. Colours are CIELAB (D65), lightness 0 to 100.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..records import Crop, Finding, Pixels, Portrait

Mask = npt.NDArray[np.bool_]
Plane = npt.NDArray[np.float32]

MOUTH_BELOW_EYES = 1.065
"""On an average frontal face, in inter-ocular distances."""


class Region(IntEnum):
    """Region of the face that a pixel shows. Ears, neck and eyebrows count as skin; clothes as background."""

    BACKGROUND = 0
    SKIN = 1
    HAIR = 2
    HAT = 3
    GLASSES = 4
    EYES = 5
    NOSE = 6
    LIPS = 7
    MOUTH = 8


@dataclass(frozen=True, slots=True)
class Threshold:
    """A soft threshold.

    Attributes:
        at: Where the probability is 0.5.
        soft: Scale of the logistic function, in the measure's own units.

    Example:
        >>> limit = Threshold(1.0, 0.1)
        >>> limit.above(1.0), round(limit.above(1.2), 2)
        (0.5, 0.88)
    """

    at: float
    soft: float

    def above(self, measure: float) -> float:
        """Probability, 0 to 1, that the measure lies above the threshold."""
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, (measure - self.at) / self.soft))))

    def below(self, measure: float) -> float:
        """Probability, 0 to 1, that the measure lies below the threshold."""
        return 1 - self.above(measure)


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of all findings. Lengths in inter-ocular distances, areas in their squares."""

    medium_hair: Threshold = Threshold(1.25, 0.12)  # how far down hair reaches
    long_hair: Threshold = Threshold(1.9, 0.1)
    bald_crown: Threshold = Threshold(0.1, 0.03)  # mean thickness of hair above the forehead
    bald_area: Threshold = Threshold(0.7, 0.1)  # of all hair there is
    no_hair: float = 0.15  # area
    hat: float = 0.3  # area from which hair may be hidden
    bangs: Threshold = Threshold(0.45, 0.07)  # share of the forehead that hair covers
    open_mouth: Threshold = Threshold(0.012, 0.004)  # area of the mouth's interior
    wide_mouth: Threshold = Threshold(0.3, 0.04)  # its height where it is highest
    teeth: Threshold = Threshold(0.015, 0.004)  # area
    closed_eyes: Threshold = Threshold(0.05, 0.012)  # height of the eyes' openings
    narrow_eyes: Threshold = Threshold(0.1, 0.01)
    glasses: Threshold = Threshold(0.06, 0.015)  # area
    some_hat: Threshold = Threshold(0.2, 0.05)  # area of the hat
    said_from: float = 0.7  # findings with a lower score are left out


@dataclass(frozen=True, eq=False)
class ParsedFace:
    """A crop segmented into regions.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        regions: (H, W) integer, values of `Region`.
        landmarks: (5, 2) float in pixels of the crop, in the order of `Face.landmarks`.
        inside: (H, W) bool, which pixels of the crop lie inside the photo.
        columns: (W,) float, only for a crop that is warped along its axes (a tanh warp): the positions of its columns'
            centres without the warp. `landmarks` are then in the unwarped crop, and every length and area is measured
            in it.
        rows: (H,) float, likewise.
    """

    pixels: Pixels
    regions: npt.NDArray[np.integer]
    landmarks: npt.NDArray[np.floating]
    inside: Mask
    columns: npt.NDArray[np.floating] | None = None
    rows: npt.NDArray[np.floating] | None = None

    @classmethod
    def of(cls, portrait: Portrait, crop: Crop, regions: npt.NDArray[np.integer]) -> ParsedFace:
        """A parsed face from a portrait's crop and the regions that a network found on it.

        Args:
            portrait: The portrait.
            crop: The crop that the network saw; S is its size.
            regions: (S, S) integer, values of `Region`.

        Returns:
            The parsed face; its landmarks are in pixels of the crop.

        Raises:
            DegenerateFace: No transform fits the landmarks.
        """
        matrix = crop.matrix(portrait.face).astype(np.float64)
        inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
        across, down = np.arange(crop.size)[None], np.arange(crop.size)[:, None]
        x = inverse[0, 0] * across + inverse[0, 1] * down + inverse[0, 2]
        y = inverse[1, 0] * across + inverse[1, 1] * down + inverse[1, 2]
        inside = (x > -0.5) & (x < portrait.photo.width - 0.5) & (y > -0.5) & (y < portrait.photo.height - 0.5)
        landmarks = portrait.face.landmarks @ matrix[:, :2].T + matrix[:, 2]
        return cls(portrait.crop(crop), regions, landmarks, np.asarray(inside))

    @cached_property
    def unit(self) -> float:
        """Inter-ocular distance in pixels; for a face in profile, estimated from its height."""
        left, right, _, *mouth = self.landmarks.astype(float)
        height = np.linalg.norm((mouth[0] + mouth[1]) / 2 - (left + right) / 2)
        return max(float(np.linalg.norm(right - left)), float(height) / MOUTH_BELOW_EYES, 1.0)

    @cached_property
    def _places(self) -> tuple[Plane, Plane]:
        left, right = self.landmarks[:2].astype(float)
        middle, along = (left + right) / 2, right - left
        length = float(np.linalg.norm(along))
        x_axis = along / length if length > 0 else np.array([1.0, 0.0])
        high, wide = (np.arange(length, dtype=np.float32) for length in self.regions.shape)
        rows = (high if self.rows is None else self.rows.astype(np.float32))[:, None] - np.float32(middle[1])
        columns = (wide if self.columns is None else self.columns.astype(np.float32))[None] - np.float32(middle[0])
        cos, sin = np.float32(x_axis[0] / self.unit), np.float32(x_axis[1] / self.unit)
        return cos * columns + sin * rows, cos * rows - sin * columns

    @cached_property
    def _extents(self) -> tuple[Plane, Plane]:
        """Heights (H,) and widths (W,) of the pixels: 1, unless the crop is warped along its axes."""
        high, wide = (np.ones(length, np.float32) for length in self.regions.shape)
        return (
            high if self.rows is None else np.gradient(self.rows).astype(np.float32),
            wide if self.columns is None else np.gradient(self.columns).astype(np.float32),
        )

    @property
    def across(self) -> Plane:
        """(H, W) float32: how far each pixel lies to the image-right of the middle between the eyes."""
        return self._places[0]

    @property
    def down(self) -> Plane:
        """(H, W) float32: how far each pixel lies below the eyes."""
        return self._places[1]

    @cached_property
    def lab(self) -> Plane:
        """(H, W, 3) float32 CIELAB of the pixels."""
        import cv2

        return np.asarray(cv2.cvtColor(self.pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)

    def mask(self, *regions: Region) -> Mask:
        """(H, W) bool: pixels of these regions that lie inside the photo."""
        found = self.regions == regions[0]
        for region in regions[1:]:
            found |= self.regions == region
        return np.asarray(found & self.inside)

    def colours(self, mask: Mask) -> Plane:
        """(N, 3) float32 CIELAB of a mask's pixels; a sample of about a thousand if there are more."""
        found = np.flatnonzero(mask)
        return np.asarray(self.lab.reshape(-1, 3)[found[:: max(1, len(found) // 1000)]])

    def area(self, mask: Mask) -> float:
        """Area of a mask, in squared units."""
        high, wide = self._extents
        return float(high @ (mask.astype(np.float32) @ wide)) / self.unit**2

    def areas(self, mask: Mask) -> Plane:
        """(N,) float32: area of each of a mask's pixels, in squared units."""
        high, wide = self._extents
        rows, columns = np.nonzero(mask)
        return high[rows] * wide[columns] / np.float32(self.unit**2)

    def box(self, left: float, top: float, right: float, bottom: float) -> Mask:
        """(H, W) bool: pixels between these positions on the face."""
        return np.asarray((self.across >= left) & (self.across <= right) & (self.down >= top) & (self.down <= bottom))

    def height(self, mask: Mask) -> float:
        """Height of the tallest column of a mask, in units."""
        return float((self._extents[0] @ mask.astype(np.float32)).max(initial=0)) / self.unit

    def erode(self, mask: Mask) -> Mask:
        """The mask without its edge, where colours mix; the mask itself if fewer than 20 pixels would be left."""
        import cv2

        kept = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        return np.asarray(kept if kept.sum() >= 20 else mask)


def derive(face: ParsedFace, limits: Thresholds = Thresholds()) -> list[Finding]:
    """Derive findings from the masks; findings that are uncertain, hidden or cut off are left out.

    Args:
        face: The parsed face.
        limits: Thresholds.

    Returns:
        Findings among hair_length, bald, bangs, black_hair, blond_hair, brown_hair, gray_hair, red_hair,
        mouth_openness, mouth_slightly_open, teeth_visible, eye_openness and skin_tone.
    """
    found = [*_hair(face, limits), *_mouth(face, limits), *_eyes(face, limits), *_colours(face, limits)]
    return [finding for finding in found if finding.score >= limits.said_from]


def worn(face: ParsedFace, limits: Thresholds = Thresholds()) -> list[Finding]:
    """Derive eyeglasses and wearing_hat, for parsers that have classes for them.

    Args:
        face: The parsed face.
        limits: Thresholds.

    Returns:
        Findings among eyeglasses and wearing_hat.
    """
    glasses = limits.glasses.above(face.area(face.mask(Region.GLASSES)))
    hat = limits.some_hat.above(face.area(face.mask(Region.HAT)))
    found = [_present("eyeglasses", glasses), _present("wearing_hat", hat)]
    return [finding for finding in found if finding.score >= limits.said_from]


def _finding(name: str, value: str | bool, score: float) -> Finding:
    return Finding(name, value, round(score, 3))


def _present(name: str, probability: float) -> Finding:
    return _finding(name, probability >= 0.5, max(probability, 1 - probability))


# --- hair ---


def _hair(face: ParsedFace, limits: Thresholds) -> Iterator[Finding]:
    hair, hat = face.mask(Region.HAIR), face.mask(Region.HAT)
    area = face.area(hair)
    covered = face.area(hat) > limits.hat
    bald = 0.0 if covered else _baldness(face, hair, area, limits)
    if not covered and _sees(face, face.box(-0.4, -1.7, 0.4, -0.6)):
        yield _present("bald", bald)
    if bald >= 0.5:
        return
    if area > limits.no_hair:
        yield from _length(face, hair, limits, covered=covered)
    forehead = face.box(-0.45, -0.72, 0.45, -0.34) & face.mask(Region.SKIN, Region.HAIR)
    if not covered and face.area(forehead) > 0.15:
        yield _present("bangs", limits.bangs.above(face.area(hair & forehead) / face.area(forehead)))


def _baldness(face: ParsedFace, hair: Mask, area: float, limits: Thresholds) -> float:
    """Probability, 0 to 1, that a strip above the forehead shows barely any hair, and there is little elsewhere."""
    crown = hair & face.box(-0.4, -2.2, 0.4, -0.3)
    return limits.bald_crown.below(face.area(crown) / 0.8) * limits.bald_area.below(area)


def _length(face: ParsedFace, hair: Mask, limits: Thresholds, *, covered: bool) -> Iterator[Finding]:
    """Hair length, by how far down hair reaches in rows with more than a few loose strands."""
    reach = _reach(face, hair)
    long, medium = limits.long_hair.above(reach), limits.medium_hair.above(reach)
    scores = {"long": long, "medium": medium * (1 - long), "short": 1 - medium}
    value = max(scores, key=scores.__getitem__)
    # A photo that ends above the hair's end, or a hat, hides the length of hair.
    ends = float(face.down[face.inside].max(initial=0.0))
    if value == "long" or (not covered and ends > reach + 0.15):
        yield _finding("hair_length", value, scores[value])


def _reach(face: ParsedFace, hair: Mask) -> float:
    """How far down hair reaches: the lowest row that shows an eighth of a unit of it."""
    bins = np.floor(face.down[hair] * 20).astype(int) + 100
    areas = np.bincount(np.clip(bins, 0, 299), face.areas(hair), minlength=300)
    rows = np.flatnonzero(areas > 0.125 / 20)
    return float(rows.max(initial=0) - 100) / 20


def _sees(face: ParsedFace, place: Mask) -> bool:
    """Whether the photo shows at least nine tenths of a place."""
    return bool(place.any() and face.area(place & face.inside) > 0.9 * face.area(place))


# --- mouth and eyes ---


def _mouth(face: ParsedFace, limits: Thresholds) -> Iterator[Finding]:
    if face.area(face.mask(Region.LIPS)) < 0.02:
        return  # hidden by a hand, a mask, a beard
    inner = face.mask(Region.MOUTH)
    opened = limits.open_mouth.above(face.area(inner))
    wide = limits.wide_mouth.above(face.height(inner))
    scores = {"closed": 1 - opened, "slightly_open": opened * (1 - wide), "fully_open": opened * wide}
    value = max(scores, key=scores.__getitem__)
    yield _finding("mouth_openness", value, scores[value])
    yield _present("mouth_slightly_open", opened)
    teeth = opened * limits.teeth.above(_teeth(face, inner))
    yield _present("teeth_visible", teeth)


def _teeth(face: ParsedFace, inner: Mask) -> float:
    """Area of the mouth's interior that is bright and barely coloured compared with this face's skin."""
    skin, inside = face.colours(face.mask(Region.SKIN, Region.NOSE)), face.lab[inner]
    if not len(skin) or not len(inside):
        return 0.0
    lightness, colour = float(np.median(skin[:, 0])), float(np.median(np.hypot(skin[:, 1], skin[:, 2])))
    pale = np.hypot(inside[:, 1], inside[:, 2]) < max(0.9 * colour, 8.0)
    return float(face.areas(inner)[pale & (inside[:, 0] > 0.75 * lightness)].sum())


def _eyes(face: ParsedFace, limits: Thresholds) -> Iterator[Finding]:
    if face.area(face.mask(Region.GLASSES)) > 0.05:
        return
    eyes = face.mask(Region.EYES)
    heights = [face.height(eyes & face.box(x - 0.45, -0.4, x + 0.45, 0.4)) for x in (-0.5, 0.5)]
    height = max(heights)
    seen = limits.closed_eyes.above(height)
    full = limits.narrow_eyes.above(height)
    scores = {"closed": 1 - seen, "partly_open": seen * (1 - full), "fully_open": seen * full}
    value = max(scores, key=scores.__getitem__)
    yield _finding("eye_openness", value, scores[value])


# --- colours ---


def _colours(face: ParsedFace, limits: Thresholds) -> Iterable[Finding]:
    from .colours import hair_colour, skin_tone

    skin = face.colours(face.erode(face.mask(Region.SKIN, Region.NOSE)))
    mask = face.mask(Region.HAIR)
    hair = face.colours(face.erode(mask)) if face.area(mask) > 0.3 else np.zeros((0, 3), np.float32)
    light = face.colours(face.inside)[:, 0]
    brightest = float(np.percentile(light, 98)) if light.size else 0.0
    shaded = face.area(face.mask(Region.HAT)) > limits.hat
    return [*hair_colour(hair, skin), *skin_tone(skin, brightest, shaded=shaded)]
