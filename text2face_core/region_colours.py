"""The colour of hair and skin, from the CIELAB colours of their pixels.

Light confounds both: a photo taken at sunset, in a blue shade or in black and white says little. Nothing is said where
the skin has no natural hue, is nearly black or nearly white, or is lit very unevenly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .records import Finding

Colours = npt.NDArray[np.float32]
"""(N, 3) float32 CIELAB."""

TONES = ((66, 1), (55, 2), (43, 3), (30, 4), (14, 5), (-4, 6), (-38, 7), (-67, 8), (-81, 9))
"""The individual typology angle from which skin has a Monk tone, in degrees; below the last it is monk_10.

The angle atan((L - 50) / b) orders skin by lightness with light and camera half divided out (Chardon et al. 1991). Its
classes (55, 41, 28, 10, -30) are widely used. The darker tones begin half-way between the angles of the scale's own
swatches; of the lighter ones, whose swatches are paler than skin is in photos, it is our judgement by eye.
"""


def skin_tone(skin: Colours, brightest: float) -> Iterator[Finding]:
    """A `skin_tone` finding where the light allows one.

    skin: its pixels, edges left out. brightest: lightness that a fiftieth of the crop exceeds. Where that is low as
    well, skin may be dark for want of light.
    """
    natural = natural_light(skin) * _ramp(brightest, 55, 75)
    if natural < 0.5:
        return
    angle = typology_angle(skin)
    tone = next((tone for least, tone in TONES if angle >= least), 10)
    edge = min((abs(angle - least) for least, _ in TONES), default=0.0)
    score = natural * (0.7 + 0.3 * min(edge / 5, 1.0))
    yield Finding("skin_tone", f"monk_{tone:02}", round(score, 3), detail={"typology_angle": round(angle, 1)})


def typology_angle(skin: Colours) -> float:
    """Individual typology angle in degrees of the better lit half of the pixels; 90 is white, below -30 dark.

    >>> round(typology_angle(np.array([[70.0, 10.0, 20.0]], np.float32)))
    45
    """
    lit = skin[skin[:, 0] >= np.median(skin[:, 0])]
    light, _, yellow = np.median(lit, axis=0)
    return math.degrees(math.atan2(float(light) - 50, max(float(yellow), 1.0)))


def natural_light(skin: Colours) -> float:
    """0 to 1: whether skin looks as skin does in fair light.

    0 for fewer than 100 pixels, and for black-and-white photos.
    """
    if len(skin) < 100:
        return 0.0
    light, red, yellow = (float(v) for v in np.median(skin, axis=0))
    chroma, hue = math.hypot(red, yellow), math.degrees(math.atan2(yellow, red))
    low, high = (float(v) for v in np.percentile(skin[:, 0], (20, 80)))
    return min(
        _ramp(chroma, 7, 12),
        _ramp(hue, 20, 35),
        _ramp(-hue, -85, -72),
        _ramp(light, 12, 22),
        _ramp(-light, -93, -86),
        _ramp(-(high - low), -34, -20),
    )


def hair_colour(hair: Colours, skin: Colours) -> Iterator[Finding]:
    """One of black_hair, brown_hair, blond_hair, gray_hair, red_hair as present, where it is clear.

    hair: its pixels, edges left out; at least 150 are wanted. skin: to tell the colour of the light.
    """
    natural = natural_light(skin)
    if len(hair) < 150 or natural < 0.3:
        return
    scores = colour_scores(hair, skin)
    name = max(scores, key=scores.__getitem__)
    yield Finding(name, True, round(scores[name] * min(1.0, 0.6 + natural / 2), 3))


def colour_scores(hair: Colours, skin: Colours) -> dict[str, float]:
    """0 to 1 for each hair colour; they sum to 1."""
    light, red, yellow = (float(v) for v in np.median(hair, axis=0))
    chroma, hue = math.hypot(red, yellow), math.degrees(math.atan2(yellow, red))
    exposure = 66 / max(float(np.median(skin[:, 0])), 45.0)
    light *= min(max(exposure, 0.8), 1.2)
    reddish = _ramp(chroma, 20, 30) * _ramp(-hue, -58, -48) * _ramp(light, 18, 28)
    black = _ramp(-(light + chroma), -34, -25)
    gray = _ramp(-chroma, -10, -6) * _ramp(light, 32, 44)
    blond = _ramp(light, 40, 52) * _ramp(chroma, 7, 11) * _ramp(hue, 50, 62)
    rest = max(0.0, 1 - reddish - black - gray - blond)
    total = reddish + black + gray + blond + rest
    return {
        "red_hair": reddish / total,
        "black_hair": black / total,
        "gray_hair": gray / total,
        "blond_hair": blond / total,
        "brown_hair": rest / total,
    }


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, even in between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))
