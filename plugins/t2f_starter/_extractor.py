"""From the network's outputs to findings."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from text2face_core import Extractor, Finding
from text2face_core.images import ParsedFace, Region, Thresholds, derive

from ._network import Network

if TYPE_CHECKING:
    from text2face_core import Portrait

    from . import StarterOptions

HERE = Path(__file__).parent
WEIGHTS = HERE / "starter.onnx"
CALIBRATION = HERE / "calibration.toml"

Figures = dict[str, float]

EVERYTHING = Thresholds(said_from=0)
"""Scores are only meaningful after calibration, so no finding is dropped before it."""
HAPPY, NEUTRAL = 0.5, 0.25
"""Smile from which a face looks happy, and below which it may look neutral."""
SHUT = 0.3
"""Largest openness of the mouth on a face that looks neutral: a person who speaks or sings does not."""
SQUINT, WIDE = 0.58, 0.975
"""Eyes that squint more, or are less surely open (less than about five pixels high), are not called fully open; eyes
that squint less are not called partly open, since narrow eyes are not."""
SPECK = 0.1
"""Patches of hair below this share of the largest are another person's hair, or shade on the neck: not counted."""
COLLAR = 0.7
"""Under a hat, patches of hair that begin further below the eyes are not counted: they are often a dark collar."""
MUCH_HAIR = 1.0
"""Least area of hair, in squared inter-ocular distances, whose colour is reported under a hat: less may be shade."""
BLEACHED, SHINY = 85.0, 50.0
"""Lightness of the brightest fifth of hair from which gray may be bleached by light, and brown may be dark blond."""
FULL = {"medium": (1.25, 0.5), "long": (1.85, 0.9)}
"""How far down hair of a length reaches, and how wide it is there: less may be a strand, a shadow, a bob's end."""
BAND = 0.2
"""The height over which that width is measured. All three in inter-ocular distances."""
PALE = 15.0
"""Chroma of hair below which blond may be white."""
DIM = 80.0
"""Lightness that a fiftieth of the crop exceeds, below which skin may be darkened by dim light."""
OPEN = 0.95
"""Least openness of a mouth that is reported as open: shining lips look like a slit."""
LIGHT = "monk_03"
"""The darkest skin tone that is still reported in dim light."""
COLOURS = ("black_hair", "blond_hair", "brown_hair", "gray_hair", "red_hair")
TIED_BACK = 0.4
"""Largest `female` figure at which short-looking hair is reported as short: women's hair is more often tied back."""
DARK_LENSES = (0.6, 0.8)
"""Shares of the skin's lightness: lenses are sunglasses if half, or three quarters, of their pixels are darker."""


class Starter(Extractor):
    """Findings from region masks and figures, if both agree and the score is high enough.

    Figures are rounded to four digits, far above the last bits in which sums may differ between batch sizes.
    """

    def __init__(self, options: StarterOptions, threads: int = 1) -> None:
        self._options = options
        self._network = Network(WEIGHTS, threads)
        self._scales = tomllib.loads(CALIBRATION.read_text(encoding="utf-8"))

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Find what each portrait shows. Raises DegenerateFace for unusable landmarks."""
        seen = self._network(portraits)
        return [self._findings(*row) for row in zip(portraits, seen, strict=True)]

    def parse(self, portraits: Sequence[Portrait]) -> list[tuple[ParsedFace, Figures]]:
        """Masks and calibrated figures of each portrait, for inspection."""
        seen = self._network(portraits)
        return [self._parsed(*row) for row in zip(portraits, seen, strict=True)]

    def _findings(self, portrait: Portrait, row: tuple[np.ndarray, Figures]) -> list[Finding]:
        face, figures = self._parsed(portrait, row)
        masked = derive(face, EVERYTHING)
        unseen = _unseen(face, masked) | self._covered(face, figures)
        derived = [self._honest(f) for f in masked if f.name not in unseen and _agrees(f, figures)]
        shown = [*_worn(face, figures), *_smile(figures), *derived]
        return [finding for finding in shown if finding.score >= self._options.certainty]

    def _covered(self, face: ParsedFace, figures: Figures) -> set[str]:
        """Names of findings about hair that are withheld because cloth may cover it or look like it."""
        hat = figures["wearing_hat"]
        if max(hat, 1 - hat) < self._options.certainty:
            return {*COLOURS, "hair_length"}
        little = hat > 0.5 and face.area(face.mask(Region.HAIR)) < MUCH_HAIR
        return set(COLOURS) if little else set()

    def _honest(self, finding: Finding) -> Finding:
        """The finding with a calibrated score: on what share of faces the teacher's mask gives the same value.

        The rule's own score is the upper limit: a colour that both masks call brown may still be close to black.
        """
        return replace(finding, score=round(min(finding.score, self._calibrated(finding.name, finding.score)), 3))

    def _parsed(self, portrait: Portrait, row: tuple[np.ndarray, Figures]) -> tuple[ParsedFace, Figures]:
        regions, raw = row
        figures = {name: round(self._calibrated(name, figure), 4) for name, figure in raw.items()}
        return _without_specks(ParsedFace.of(portrait, self._network.crop, regions)), figures

    def _calibrated(self, name: str, figure: float) -> float:
        scale = self._scales.get(name)
        if scale is None:
            return figure
        figure = min(max(figure, 1e-3), 1 - 1e-3)
        logit = math.log(figure / (1 - figure))
        return 1 / (1 + math.exp(-(scale["slope"] * logit + scale["offset"])))


def _without_specks(face: ParsedFace) -> ParsedFace:
    """The face without small patches of hair that are barely connected to it."""
    import cv2

    _, patches, stats, _ = cv2.connectedComponentsWithStats(face.mask(Region.HAIR).astype(np.uint8))
    sizes = stats[:, cv2.CC_STAT_AREA]
    worn = face.area(face.mask(Region.HAT)) > EVERYTHING.hat
    kept = [
        bool(sizes[n] >= SPECK * sizes[1:].max()) and not (worn and face.down[patches == n].min() > COLLAR)
        for n in range(1, len(sizes))
    ]
    lost = ~np.array([True, *kept])
    return replace(face, regions=np.where(lost[patches], np.uint8(Region.BACKGROUND), face.regions))


def _unseen(face: ParsedFace, masked: Sequence[Finding]) -> set[str]:
    """Names of findings that the masks show, but that light or a bald head makes doubtful."""
    said = {finding.name: finding.value for finding in masked}
    unseen: set[str] = set()
    begins, least = FULL.get(str(said.get("hair_length")), (0.0, 0.0))
    if _width(face, begins) < least:
        unseen.add("hair_length")
    if said.get("bald"):
        unseen.update(COLOURS)  # the little that looks like hair is often a beard or a shadow
    hair, light = face.colours(face.mask(Region.HAIR)), face.colours(face.inside)[:, 0]
    brightest = float(np.percentile(hair[:, 0], 80)) if len(hair) else 0.0
    if brightest > BLEACHED:
        unseen.add("gray_hair")
    if brightest > SHINY:
        unseen.add("brown_hair")
    if len(hair) and np.hypot(*np.median(hair[:, 1:], axis=0)) < PALE:
        unseen.add("blond_hair")
    if len(light) and np.percentile(light, 98) < DIM and str(said.get("skin_tone")) > LIGHT:
        unseen.add("skin_tone")
    return unseen


def _width(face: ParsedFace, down: float) -> float:
    """Width of the hair in the band that begins `down` below the eyes, if the photo shows it."""
    band = (face.down >= down) & (face.down < down + BAND)
    ends = float(face.down[face.inside].max(initial=0.0))
    return face.area(face.mask(Region.HAIR) & band) / max(min(BAND, ends - down), BAND / 4)


def _present(name: str, probability: float) -> Finding:
    return Finding(name, probability >= 0.5, round(max(probability, 1 - probability), 3))


def _worn(face: ParsedFace, figures: Figures) -> Iterator[Finding]:
    if not _sunglasses(face):
        yield _present("eyeglasses", figures["eyeglasses"])
    yield _present("wearing_hat", figures["wearing_hat"])


def _sunglasses(face: ParsedFace) -> bool:
    lenses, skin = face.mask(Region.GLASSES), face.colours(face.mask(Region.SKIN))
    if face.area(lenses) < 0.2 or not len(skin):
        return False
    limits = np.array(DARK_LENSES) * float(np.median(skin[:, 0]))
    return bool((np.percentile(face.colours(lenses)[:, 0], (50, 75)) < limits).any())


def _smile(figures: Figures) -> Iterator[Finding]:
    smile = figures["smile"]
    yield _present("smiling", smile)
    if smile > HAPPY:
        yield Finding("emotion", "happiness", round(smile, 3))
    elif smile < NEUTRAL and figures["jaw_open"] < 0.2 and figures["mouth_open"] < SHUT:
        yield Finding("emotion", "neutral", round(1 - smile, 3))


def _agrees(finding: Finding, figures: Figures) -> bool:
    """Whether the figures agree with the masks."""
    match finding.name:
        case "mouth_openness":
            return figures["mouth_open"] < 0.5 if finding.value == "closed" else figures["mouth_open"] >= OPEN
        case "mouth_slightly_open" | "teeth_visible":
            return finding.value is False or figures["mouth_open"] >= OPEN
        case "eye_openness":
            screwed_up = figures["squint"] > SQUINT
            agrees = {
                "closed": figures["eyes_closed"] > 0.5,
                "partly_open": screwed_up and figures["eyes_closed"] <= 0.5,
                "fully_open": not screwed_up and finding.score >= WIDE and figures["eyes_closed"] <= 0.5,
            }
            return figures["eyeglasses"] < 0.5 and agrees[str(finding.value)]
        case "hair_length":
            return finding.value != "short" or figures["female"] < TIED_BACK
        case "bald" | "bangs":
            return figures["wearing_hat"] < 0.5
        case _:
            return True
