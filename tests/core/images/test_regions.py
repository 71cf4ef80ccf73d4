"""What region masks say, on drawn masks whose answers are known."""

import numpy as np
import pytest

from text2face_core.images.regions import ParsedFace, Region, Threshold, derive

UNIT = 40  # inter-ocular distance of the drawn face, in pixels
SIDE = 200
EYES = 90  # row of the eyes
SKIN, BROWN, BLACK = (224, 178, 150), (96, 60, 36), (22, 18, 18)
LIP, TOOTH, THROAT = (190, 90, 95), (235, 232, 225), (60, 20, 22)


class Drawn:
    """A face drawn in units of its inter-ocular distance, at any scale."""

    def __init__(self, zoom: float = 1.0) -> None:
        self.unit = UNIT * zoom
        self.side = round(SIDE * zoom)
        y, x = np.mgrid[: self.side, : self.side]
        self.across, self.down = (x - self.side / 2) / self.unit, (y - EYES * zoom) / self.unit
        self.regions = np.zeros((self.side, self.side), np.uint8)
        self.pixels = np.full((self.side, self.side, 3), 245, np.uint8)
        self.inside = np.ones((self.side, self.side), bool)
        self.ellipse(Region.SKIN, 0, 0.1, 1.1, 1.75, SKIN)
        self.mouth(0.0)
        for x0 in (-0.5, 0.5):
            self.ellipse(Region.EYES, x0, 0, 0.22, 0.08, (90, 70, 60))

    def paint(self, region, where, colour):
        self.regions[where] = region
        self.pixels[where] = colour
        return self

    def ellipse(self, region, x, y, width, height, colour):
        return self.paint(region, ((self.across - x) / width) ** 2 + ((self.down - y) / height) ** 2 < 1, colour)

    def box(self, region, left, top, right, bottom, colour):
        inside = (self.across > left) & (self.across < right) & (self.down > top) & (self.down < bottom)
        return self.paint(region, inside, colour)

    def mouth(self, height, inner=THROAT):
        self.ellipse(Region.LIPS, 0, 1.07, 0.4, 0.12 + height / 2, LIP)
        return self.ellipse(Region.MOUTH, 0, 1.07, 0.3, height / 2, inner) if height else self

    def hair(self, down_to, colour=BROWN, thickness=0.6):
        cap = ((self.across / 1.1) ** 2 + ((self.down - 0.1) / 1.75) ** 2 < 1) & (self.down < -1.65 + thickness)
        self.paint(Region.HAIR, cap, colour)
        for left in (-1.5, 1.0):
            self.box(Region.HAIR, left, -1.0, left + 0.5, down_to, colour)
        return self

    def face(self):
        z = self.unit / UNIT
        points = np.array([[80, 90], [120, 90], [100, 114], [84, 132.6], [116, 132.6]]) * z
        return ParsedFace(self.pixels, self.regions, points.astype(np.float32), self.inside)

    def said(self):
        return {finding.name: finding.value for finding in derive(self.face())}


@pytest.mark.parametrize(("down_to", "length"), [(0.2, "short"), (0.8, "short"), (1.6, "medium"), (2.4, "long")])
@pytest.mark.parametrize("zoom", [0.6, 1.0, 2.5])
def test_hair_length_is_how_far_down_hair_reaches_at_any_resolution(down_to, length, zoom):
    assert Drawn(zoom).hair(down_to).said()["hair_length"] == length


def test_a_photo_that_ends_where_hair_does_says_nothing_of_its_length():
    drawn = Drawn().hair(1.0)
    drawn.inside = drawn.down < 0.9
    assert "hair_length" not in drawn.said()


def test_a_tilted_head_has_hair_of_the_same_length():
    drawn = Drawn().hair(1.6)
    turned = Drawn()
    turned.regions, turned.pixels = np.rot90(drawn.regions), np.rot90(drawn.pixels)
    points = drawn.face().landmarks
    turned_points = np.stack([points[:, 1], SIDE - 1 - points[:, 0]], 1)
    face = ParsedFace(turned.pixels, turned.regions, turned_points, turned.inside)
    assert {f.name: f.value for f in derive(face)}["hair_length"] == "medium"


def test_a_bare_crown_is_bald_and_has_no_length_of_hair():
    said = Drawn().said()
    assert said["bald"] is True
    assert "hair_length" not in said


def test_a_crown_under_a_hat_or_outside_the_photo_is_not_called_bald():
    hat = Drawn().box(Region.HAT, -1.2, -2.2, 1.2, -0.7, (20, 60, 20))
    cut = Drawn()
    cut.inside = cut.down > -0.9
    assert "bald" not in hat.said()
    assert "bald" not in cut.said()


def test_short_hair_is_not_said_of_hair_that_a_hat_covers():
    drawn = Drawn().hair(0.2).box(Region.HAT, -1.2, -2.2, 1.2, -0.9, (20, 60, 20))
    assert "hair_length" not in drawn.said()


@pytest.mark.parametrize(("fringe", "bangs"), [(0.6, False), (0.85, False), (1.3, True)])
def test_bangs_are_hair_on_the_forehead(fringe, bangs):
    assert Drawn().hair(0.8, thickness=fringe).said()["bangs"] is bangs


@pytest.mark.parametrize(
    ("height", "openness"),
    [(0.0, "closed"), (0.12, "slightly_open"), (0.5, "fully_open")],
)
def test_the_mouth_is_as_open_as_its_interior_is_high(height, openness):
    said = Drawn().mouth(height).said()
    assert said["mouth_openness"] == openness
    assert said["mouth_slightly_open"] is (height > 0)


def test_a_mouth_that_is_hidden_is_not_spoken_of():
    drawn = Drawn().box(Region.BACKGROUND, -1, 0.6, 1, 1.8, (30, 90, 160))
    assert not {"mouth_openness", "mouth_slightly_open", "teeth_visible"} & drawn.said().keys()


@pytest.mark.parametrize(("inner", "seen"), [(TOOTH, True), (THROAT, False)])
def test_teeth_are_what_is_bright_and_pale_inside_the_mouth(inner, seen):
    assert Drawn().mouth(0.2, inner).said()["teeth_visible"] is seen


@pytest.mark.parametrize(("height", "openness"), [(0.01, "closed"), (0.04, "partly_open"), (0.09, "fully_open")])
def test_eyes_are_as_open_as_their_masks_are_high(height, openness):
    drawn = Drawn(2.0).box(Region.SKIN, -0.9, -0.2, 0.9, 0.2, SKIN)
    for x in (-0.5, 0.5):
        drawn.ellipse(Region.EYES, x, 0, 0.22, height, (90, 70, 60))
    assert drawn.said()["eye_openness"] == openness


def test_eyes_behind_glasses_are_not_spoken_of():
    drawn = Drawn().box(Region.GLASSES, -0.8, -0.2, 0.8, 0.2, (60, 60, 60))
    assert "eye_openness" not in drawn.said()


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        (BLACK, "black_hair"),
        (BROWN, "brown_hair"),
        ((214, 184, 128), "blond_hair"),
        ((170, 168, 166), "gray_hair"),
        ((168, 78, 42), "red_hair"),
    ],
)
def test_hair_has_one_colour(colour, name):
    said = Drawn().hair(1.6, colour).said()
    assert {key for key in said if key.endswith("_hair")} == {name}


def test_black_and_white_photos_say_neither_hair_colour_nor_skin_tone():
    drawn = Drawn().hair(1.6)
    drawn.pixels = np.repeat(drawn.pixels.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    said = drawn.said()
    assert "skin_tone" not in said
    assert not [name for name in said if name.endswith("_hair")]


@pytest.mark.parametrize(
    ("skin", "tones"),
    [
        ((240, 205, 185), {"monk_01", "monk_02"}),
        ((196, 150, 118), {"monk_03", "monk_04", "monk_05"}),
        ((96, 65, 52), {"monk_08"}),
    ],
)
def test_skin_tone_follows_the_lightness_of_skin(skin, tones):
    drawn = Drawn().hair(0.8, BLACK)
    drawn.pixels[drawn.regions == Region.SKIN] = skin
    assert drawn.said()["skin_tone"] in tones


def test_skin_that_is_dark_for_want_of_light_has_no_tone():
    drawn = Drawn().hair(0.8, BLACK)
    drawn.pixels //= 3
    assert "skin_tone" not in drawn.said()


def test_what_is_said_has_at_least_the_score_asked_for():
    scores = [finding.score for finding in derive(Drawn().hair(1.25).face())]
    assert min(scores) >= 0.7
    assert max(scores) <= 1.0


def test_a_limit_is_unsure_at_its_threshold_and_sure_far_from_it():
    limit = Threshold(0.5, 0.1)
    assert limit.above(0.5) == 0.5
    assert limit.above(5.0) > 0.999
    assert limit.below(5.0) < 0.001
    assert limit.above(1e9) <= 1.0


def test_dark_skin_that_was_taken_for_hair_has_no_hair_colour():
    drawn = Drawn().hair(0.8, (74, 46, 30))
    drawn.pixels[drawn.regions == Region.SKIN] = (78, 48, 34)
    assert not [name for name in drawn.said() if name.endswith("_hair")]


def test_tones_that_dim_light_and_light_brown_skin_share_are_not_said():
    drawn = Drawn().hair(0.8, BLACK)
    drawn.pixels[drawn.regions == Region.SKIN] = (150, 108, 82)
    assert "skin_tone" not in drawn.said()
