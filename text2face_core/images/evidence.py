"""Which findings a photo can support, whatever model they come from.

Two rules. A finding needs its part of the face inside the photo: a photo that ends at the forehead says nothing about
hats. And findings that another finding makes doubtful are withheld: a parser without a class for hats sees a bald head,
and a parser without a class for dark glasses sees closed eyes.

Positions are as in `regions`: (across, down) from the middle between the eyes, in inter-ocular distances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..records import Face, Finding
from .regions import MOUTH_BELOW_EYES

SHOWN = 0.75
"""Share of a part that must lie inside the photo."""
POSSIBLE_HAT = 0.8
"""Score below which "no hat" still leaves a hat possible."""


@dataclass(frozen=True, slots=True)
class FaceArea:
    """A rectangle on the face, in inter-ocular distances from the middle between the eyes."""

    left: float
    top: float
    right: float
    bottom: float


CROWN = FaceArea(-0.5, -1.6, 0.5, -0.6)
FOREHEAD = FaceArea(-0.45, -0.9, 0.45, -0.34)
EYES = FaceArea(-0.85, -0.3, 0.85, 0.3)
MOUTH = FaceArea(-0.45, 0.85, 0.45, 1.3)
CHIN = FaceArea(-0.4, 1.2, 0.4, 1.7)
NECK = FaceArea(-0.4, 1.8, 0.4, 2.3)

PARTS: Mapping[str, tuple[FaceArea, ...]] = {
    **dict.fromkeys(("wearing_hat", "bald", "receding_hairline"), (CROWN,)),
    "bangs": (FOREHEAD,),
    **dict.fromkeys(("eyeglasses", "sunglasses", "eye_openness", "narrow_eyes", "bags_under_eyes"), (EYES,)),
    **dict.fromkeys(("arched_eyebrows", "bushy_eyebrows"), (EYES,)),
    **dict.fromkeys(("smiling", "mouth_openness", "mouth_slightly_open", "teeth_visible", "tongue_visible"), (MOUTH,)),
    **dict.fromkeys(("big_lips", "wearing_lipstick", "mustache"), (MOUTH,)),
    "emotion": (EYES, MOUTH),
    **dict.fromkeys(("no_beard", "goatee", "five_o_clock_shadow", "double_chin"), (CHIN,)),
    **dict.fromkeys(("wearing_necklace", "wearing_necktie"), (NECK,)),
}
"""The part of the face that shows each finding. Findings that are not listed need no particular part."""


def supported(findings: Sequence[Finding], face: Face, width: int, height: int) -> tuple[Finding, ...]:
    """Withhold the findings that the photo cannot support.

    Args:
        findings: All findings of a photo, from any components.
        face: The face; its landmarks are (5, 2) float32 in photo pixels.
        width: Of the photo, in pixels.
        height: Of the photo, in pixels.

    Returns:
        The findings that are left, in order.

    Example:
        >>> face = Face(np.zeros(4), np.array([[40, 50], [60, 50], [50, 60], [42, 71], [58, 71]], np.float32), 1.0)
        >>> hat = Finding("wearing_hat", True, 0.9)
        >>> supported([hat], face, 100, 100), supported([hat, Finding("bald", True, 0.9)], face, 100, 100)[1:]
        ((Finding(name='wearing_hat', value=True, score=0.9, source='', detail=None),), ())
    """
    needed = {part for one in findings for part in PARTS.get(one.name, ())}
    shown = {part: shown_share(part, face, width, height) >= SHOWN for part in needed}
    seen = [one for one in findings if all(shown[part] for part in PARTS.get(one.name, ()))]
    doubts = [doubtful for cause, doubtful in DOUBTS if any(map(cause, seen))]
    return tuple(one for one in seen if not any(doubtful(one) for doubtful in doubts))


def shown_share(part: FaceArea, face: Face, width: int, height: int) -> float:
    """Share, 0 to 1, of a part of the face that lies inside the photo, sampled on 20 x 20 points."""
    left, right, _, *mouth = face.landmarks.astype(np.float64)
    middle, along = (left + right) / 2, right - left
    length = float(np.hypot(*along))
    down_to_mouth = float(np.hypot(*((mouth[0] + mouth[1]) / 2 - middle)))
    unit = max(length, down_to_mouth / MOUTH_BELOW_EYES)
    x_axis = along / length if length > 0 else np.array([1.0, 0.0])
    y_axis = np.array([-x_axis[1], x_axis[0]])
    across, down = np.meshgrid(np.linspace(part.left, part.right, 20), np.linspace(part.top, part.bottom, 20))
    x, y = (middle[n] + unit * (across * x_axis[n] + down * y_axis[n]) for n in (0, 1))
    return float(((x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)).mean())


def _possible_hat(finding: Finding) -> bool:
    return finding.name == "wearing_hat" and (finding.value is True or finding.score < POSSIBLE_HAT)


def _hidden_by_hat(finding: Finding) -> bool:
    """Whether a possible hat makes the finding doubtful: baldness, bangs and a receding hairline."""
    bald = finding.name == "bald" and finding.value is True
    return bald or finding.name in {"bangs", "receding_hairline"} or _is(finding, "hair_length", "bald")


def _hat(finding: Finding) -> bool:
    return finding.name == "wearing_hat" and finding.value is True


def _shortened_by_hat(finding: Finding) -> bool:
    return finding.name == "hair_length" and finding.value != "long"


def _glasses(finding: Finding) -> bool:
    return finding.name in {"eyeglasses", "sunglasses"} and finding.value is True


def _closed_by_glasses(finding: Finding) -> bool:
    return finding.name == "narrow_eyes" or (finding.name == "eye_openness" and finding.value != "fully_open")


def _is(finding: Finding, name: str, value: str) -> bool:
    return finding.name == name and finding.value == value


DOUBTS: tuple[tuple[Callable[[Finding], bool], Callable[[Finding], bool]], ...] = (
    (_possible_hat, _hidden_by_hat),
    (_hat, _shortened_by_hat),
    (_glasses, _closed_by_glasses),
)
"""Findings that make others doubtful, each with the findings it makes doubtful."""
