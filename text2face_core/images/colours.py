"""The colour of hair and skin, from the CIELAB colours of their pixels.

Light confounds both: a photo taken at sunset, in blue shade or in black and white says little. There is no finding if
the skin has no natural hue, is nearly black or nearly white, or is lit very unevenly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..records import Finding

Colours = npt.NDArray[np.float32]
"""(N, 3) float32 CIELAB."""

TONES = ((55, 1), (45, 2), (32, 3), (22, 4), (5, 5), (-12, 6), (-35, 7), (-58, 8), (-80, 9))
"""The individual typology angle from which skin has a Monk tone, in degrees; below the last it is monk_10.

The angle atan((L - 50) / b) orders skin by lightness with light and camera half divided out (Chardon et al. 1991). The
darkest tones begin about half-way between the angles of the scale's own swatches; of the others, whose swatches are
paler than skin is in photos, it is our judgement by eye.
"""
BETWEEN = (-14.0, 16.0)
"""Degrees. Tanned skin in dim light and light brown skin in fair light both lie here: the score is halved."""


def skin_tone(skin: Colours, brightest: float, *, shaded: bool = False) -> Iterator[Finding]:
    """A `skin_tone` finding, if the light allows it.

    skin: its pixels without edges. brightest: lightness that a fiftieth of the crop exceeds; if this is low too, skin
    may be dark only for lack of light. shaded: a hat may shade the skin.
    """
    natural = natural_light(skin) * _ramp(brightest, 55, 75)
    if natural < 0.5:
        return
    angle = typology_angle(skin)
    if shaded and angle < BETWEEN[1]:
        return
    tone = next((tone for least, tone in TONES if angle >= least), 10)
    edge = min(abs(angle - least) for least, _ in TONES)
    score = natural * (0.7 + 0.3 * min(edge / 5, 1.0)) * (0.5 if BETWEEN[0] < angle < BETWEEN[1] else 1.0)
    yield Finding("skin_tone", f"monk_{tone:02}", round(score, 3), detail={"typology_angle": round(angle, 1)})


def typology_angle(skin: Colours) -> float:
    """Individual typology angle in degrees of the median colour; 90 is white, below -30 dark.

    >>> round(typology_angle(np.array([[70.0, 10.0, 20.0]], np.float32)))
    45
    """
    light, _, yellow = (float(value) for value in np.median(skin, axis=0))
    return math.degrees(math.atan2(light - 50, max(yellow, 1.0)))


def coloured_light(skin: Colours) -> float:
    """0 to 1: whether skin has a hue that skin can have. 0 for few pixels, black-and-white photos, coloured light."""
    if len(skin) < 100:
        return 0.0
    _, red, yellow = (float(value) for value in np.median(skin, axis=0))
    chroma, hue = math.hypot(red, yellow), math.degrees(math.atan2(yellow, red))
    return min(_ramp(chroma, 6, 10), _ramp(hue, 15, 30), _ramp(-hue, -88, -76))


def natural_light(skin: Colours) -> float:
    """0 to 1: whether skin looks as skin does in fair and even light."""
    coloured = coloured_light(skin)
    if not coloured:
        return 0.0
    light, red, yellow = (float(value) for value in np.median(skin, axis=0))
    low, high = (float(value) for value in np.percentile(skin[:, 0], (20, 80)))
    return min(
        coloured,
        _ramp(math.degrees(math.atan2(yellow, red)), 34, 44),
        _ramp(light, 18, 28),
        _ramp(-light, -93, -86),
        _ramp(-(high - low), -42, -26),
    )


def hair_colour(hair: Colours, skin: Colours) -> Iterator[Finding]:
    """A finding black_hair, brown_hair, blond_hair, gray_hair or red_hair, if the colour is clear.

    hair: its pixels without edges, at least 150. skin: its pixels, which show the colour of the light.
    """
    coloured = coloured_light(skin)
    if len(hair) < 150 or not coloured:
        return
    scores = colour_scores(hair)
    name = max(scores, key=scores.__getitem__)
    colour = np.median(hair, axis=0)
    # A shaved head of dark skin is easily mistaken for hair.
    apart = _ramp(float(np.linalg.norm(colour - np.median(skin, axis=0))), 8, 16) if colour[0] < 40 else 1.0
    yield Finding(name, True, round(scores[name] * apart * min(1.0, 0.5 + coloured), 3))


def colour_scores(hair: Colours) -> dict[str, float]:
    """0 to 1 for each hair colour; they sum to at most 1, and to less if hair has none of these colours clearly.

    >>> scores = colour_scores(np.array([[30.0, 10.0, 16.0]], np.float32))
    >>> max(scores, key=scores.get)
    'brown_hair'
    """
    light, red, yellow = (float(value) for value in np.median(hair, axis=0))
    chroma, hue = math.hypot(red, yellow), math.degrees(math.atan2(yellow, red))
    warm = _ramp(hue, 20, 34)
    reddish = warm * _ramp(chroma, 22, 32) * _ramp(-hue, -58, -48) * _ramp(light, 18, 28)
    blond = _ramp(light, 42, 52) * _ramp(chroma + 0.15 * (light - 50), 11, 15) * _ramp(hue, 50, 62) * (1 - reddish)
    # Hair that is lighter than brown and barely coloured is turning gray.
    brown = warm * _ramp(chroma - 0.35 * max(0.0, light - 24), 6, 10) * _ramp(-light, -56, -46) * _ramp(light, 8, 16)
    scores = {
        "red_hair": reddish,
        "black_hair": _ramp(-light, -26, -18) * _ramp(0.3 * light - chroma, -6.5, -4),
        "gray_hair": _ramp(-chroma, -11, -7) * _ramp(light, 40, 50),
        "blond_hair": blond,
        "brown_hair": brown * max(0.0, 1 - reddish - blond),
    }
    total = max(1.0, sum(scores.values()))
    return {name: score / total for name, score in scores.items()}


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, even in between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))
