"""Findings that a photo, or another finding, makes doubtful are withheld."""

import numpy as np
import pytest

from text2face_core import Face, Finding
from text2face_core.images.evidence import CROWN, PARTS, shown_share, supported

SIDE = 400
# Eyes 80 pixels apart, so that the crown is 128 above them, the mouth 85 and the chin 140 below.
LANDMARKS = np.array([[160, 180], [240, 180], [200, 230], [165, 265], [235, 265]], np.float32)


def face(dx: float = 0, dy: float = 0, degrees: float = 0) -> Face:
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = (LANDMARKS - 200) @ matrix.T + 200 + [dx, dy]
    return Face(np.array([0, 0, 1, 1], np.float32), landmarks.astype(np.float32), 0.9)


def left(findings, where=None):
    return [one.name for one in supported(findings, where or face(), SIDE, SIDE)]


EVERY = [Finding(name, True, 0.95) for name in PARTS if name not in {"eyeglasses", "sunglasses", "wearing_hat"}]


def test_a_photo_that_shows_the_whole_head_supports_every_finding():
    assert left(EVERY) == [one.name for one in EVERY]


@pytest.mark.parametrize(
    ("cut_off", "names"),
    [
        # Photos that end on the forehead, between mouth and nose, beside the eyes.
        ({"dy": -110}, {"wearing_hat", "bald", "receding_hairline"}),
        ({"dy": -140}, {"wearing_hat", "bald", "receding_hairline", "bangs"}),
        ({"dy": 140}, {"smiling", "emotion", "mouth_openness", "teeth_visible", "mustache", "no_beard"}),
        ({"dy": 110}, {"no_beard", "goatee", "double_chin", "wearing_necklace"}),
        ({"dx": -170}, {"eyeglasses", "arched_eyebrows", "emotion"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [True, False])
def test_a_finding_needs_its_part_of_the_face_inside_the_photo(cut_off, names, value):
    for name in names:
        assert left([Finding(name, value, 0.99)]) == [name]
        assert left([Finding(name, value, 0.99)], face(**cut_off)) == []
    kept = [Finding("age", 30, 0.9), Finding("gender", "male", 0.9), Finding("eye_colour", "green", 0.9)]
    assert left(kept, face(**cut_off)) == ["age", "gender", "eye_colour"]


@pytest.mark.parametrize("degrees", [-40, 40])
def test_parts_turn_with_the_face(degrees):
    assert shown_share(CROWN, face(degrees=degrees), SIDE, SIDE) == 1
    # At the photo's upper edge, the crown of an upright face is cut off; of one that is bent, it may not be.
    assert shown_share(CROWN, face(dy=-100, degrees=0), SIDE, SIDE) < shown_share(
        CROWN, face(dy=-100, degrees=degrees), SIDE, SIDE
    )


HAT = Finding("wearing_hat", True, 0.6, "attributes")
NO_HAT = Finding("wearing_hat", False, 0.99, "attributes")
PERHAPS_NO_HAT = Finding("wearing_hat", False, 0.6, "attributes")
BALD = [Finding("bald", True, 0.97, "parser"), Finding("hair_length", "bald", 0.97, "parser")]


@pytest.mark.parametrize(
    ("cause", "findings", "names"),
    [
        (HAT, BALD, []),  # the parser has no class for hats
        (PERHAPS_NO_HAT, BALD, []),
        (NO_HAT, BALD, ["bald", "hair_length"]),
        (HAT, [Finding("hair_length", "short", 0.9)], []),
        (HAT, [Finding("hair_length", "long", 0.9)], ["hair_length"]),
        (HAT, [Finding("black_hair", True, 0.9), Finding("bald", False, 0.9)], ["black_hair", "bald"]),
        (HAT, [Finding("bangs", True, 0.9), Finding("receding_hairline", False, 0.9)], []),
        (Finding("eyeglasses", True, 0.9), [Finding("eye_openness", "closed", 0.9)], []),
        (Finding("sunglasses", True, 0.9), [Finding("eye_openness", "partly_open", 0.9)], []),
        (Finding("eyeglasses", True, 0.9), [Finding("eye_openness", "fully_open", 0.9)], ["eye_openness"]),
        (Finding("eyeglasses", False, 0.9), [Finding("eye_openness", "closed", 0.9)], ["eye_openness"]),
    ],
)
def test_what_another_finding_makes_doubtful_is_withheld(cause, findings, names):
    for order in ([cause, *findings], [*findings, cause]):
        assert [name for name in left(order) if name != cause.name] == names


def test_a_hat_that_is_itself_not_supported_makes_nothing_doubtful():
    assert left([HAT, Finding("hair_length", "short", 0.9)], face(dy=-110)) == ["hair_length"]
