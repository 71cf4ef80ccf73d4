import numpy as np
import pytest
from PIL import Image, ImageDraw
from text2face_core import Face, Photo, Plugins, Portrait
from text2face_core.language import Vocabulary

import t2f_eye_colour
from t2f_eye_colour import EyeColourOptions
from t2f_eye_colour._irises import EyeColour

BROWN, BLUE, GREEN, GRAY = (104, 64, 44), (84, 112, 150), (110, 122, 84), (146, 146, 136)
SKIN, WHITE, BLACK = (214, 170, 148), (216, 200, 190), (20, 16, 16)
EYES = ((170, 200), (330, 200))


def portrait(*irises, open_eyes=True, gaze=0, look="RGB", shrink=1):
    """A drawn face with irises of the given colours, 30 pixels wide."""
    image = Image.new("RGB", (500, 500), SKIN)
    draw = ImageDraw.Draw(image)
    for (x, y), colour in zip(EYES, irises, strict=True):
        if open_eyes:
            draw.ellipse((x - 40, y - 17, x + 40, y + 17), WHITE)
            draw.ellipse((x + gaze - 15, y - 15, x + gaze + 15, y + 15), colour)
            draw.ellipse((x + gaze - 6, y - 6, x + gaze + 6, y + 6), BLACK)
            draw.ellipse((x + gaze + 4, y - 10, x + gaze + 9, y - 5), (255, 255, 255))  # a lamp
        else:
            draw.arc((x - 40, y - 10, x + 40, y + 20), 10, 170, BLACK, 3)
    image = image.convert(look).convert("RGB").resize((500 // shrink, 500 // shrink), Image.Resampling.BOX)
    landmarks = np.array([*EYES, (250, 296), (181, 375), (319, 375)], np.float32) / shrink
    face = Face(np.array([80, 60, 420, 460], np.float32) / shrink, landmarks, score=1.0)
    return Portrait(Photo("0" * 16, "drawn", np.asarray(image)), face)


def read(drawn, **options):
    (findings,) = EyeColour(EyeColourOptions(**options)).extract([drawn])
    return [(finding.name, finding.value) for finding in findings]


@pytest.mark.parametrize(
    ("colour", "name"), [(BROWN, "brown"), ((30, 20, 16), "brown"), (BLUE, "blue"), (GREEN, "green"), (GRAY, "gray")]
)
@pytest.mark.parametrize("gaze", [0, -12, 12])
def test_the_colour_of_the_irises_is_named_wherever_they_look(colour, name, gaze):
    assert read(portrait(colour, colour, gaze=gaze)) == [("eye_colour", name)]


@pytest.mark.parametrize(
    "drawn",
    [
        portrait(BROWN, BLUE),  # one of each: which should a caption say?
        portrait(BLUE, BLUE, open_eyes=False),
        portrait(BLUE, BLUE, look="L"),  # a black-and-white photo
        portrait(BLUE, BLUE, shrink=5),  # irises of 6 pixels
        portrait((128, 124, 112), (128, 124, 112)),  # neither gray nor green nor brown
    ],
    ids=["odd eyes", "closed", "black and white", "too small", "between colours"],
)
def test_nothing_is_said_where_it_would_be_a_guess(drawn):
    assert read(drawn) == []


def test_small_irises_can_be_allowed():
    assert read(portrait(BLUE, BLUE, shrink=5), min_iris=5) == [("eye_colour", "blue")]


def test_a_face_at_the_edge_of_its_photo_is_no_error():
    drawn = portrait(BLUE, BLUE)
    cut = Portrait(Photo("0" * 16, "cut", np.ascontiguousarray(drawn.photo.pixels[190:, 160:])), drawn.face)
    cut.face.landmarks[:] -= (160, 190)
    assert read(cut) in ([], [("eye_colour", "blue")])


def test_there_is_one_result_for_each_portrait_in_order():
    batch = [portrait(BROWN, BROWN), portrait(BROWN, BLUE), portrait(BLUE, BLUE)]
    results = EyeColour(EyeColourOptions()).extract(batch)
    assert [[finding.value for finding in findings] for findings in results] == [["brown"], [], ["blue"]]


def test_captions_have_words_for_every_colour():
    plugins = Plugins([])
    plugins.register("eye_colour", t2f_eye_colour)
    vocabulary = Vocabulary.load(plugins.vocabularies(["eye_colour"]))
    for colour in ("brown", "blue", "green", "gray"):
        assert vocabulary.words("eye_colour", colour).phrases[0].text == f"{colour} eyes"
