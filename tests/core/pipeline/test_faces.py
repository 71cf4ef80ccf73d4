"""Which face of a photo is used, and which are refused: how many, how large, cut off, turned."""

import numpy as np
import pytest
from PIL import Image
from support import toys

from text2face_core import Detector, Face, Photo, Plugins, Portrait, Recipe, Runtime, caption_photos
from text2face_core.pipeline.faces import FaceSelection
from text2face_core.pipeline.stage import Clock, Stage
from text2face_core.plugins.checks import check_faces
from text2face_core.sections import FaceRule


def selection(detector: Detector, **rule) -> FaceSelection:
    return FaceSelection(FaceRule(**rule), Stage("toy", detector.detect, Clock(), check_faces))


def rows_of(tmp_path, toy_plugins, toy_recipe, faces, *settings):
    toys.draw_photo(tmp_path / "photos" / "photo.png", faces=faces)
    result = caption_photos(tmp_path / "photos", toy_recipe, available=toy_plugins, settings=settings)
    ((row, captions),) = result.rows
    return row, captions


TWO = [(10, 10, 50), (90, 70, 40)]  # the second one is smaller, and nearer to the middle


def test_a_photo_with_two_faces_is_rejected_and_its_reason_says_what_to_set(tmp_path, toy_plugins, toy_recipe):
    row, captions = rows_of(tmp_path, toy_plugins, toy_recipe, TWO)
    assert (row.status, row.face, captions) == ("rejected", None, ())
    assert row.reason.startswith("2 faces")
    assert "faces.choose" in row.reason
    assert "largest" in row.reason
    assert [face.size for face in row.faces] == [50, 40]


@pytest.mark.parametrize(("choice", "size"), [("largest", 50), ("central", 40)])
def test_one_of_several_faces_can_be_chosen(tmp_path, toy_plugins, toy_recipe, choice, size):
    row, captions = rows_of(tmp_path, toy_plugins, toy_recipe, TWO, f"faces.choose={choice}")
    assert (row.status, row.face.size, len(row.faces), len(captions)) == ("ok", size, 2, 4)


def test_faces_that_are_found_are_kept_in_the_table(tmp_path, toy_plugins, toy_recipe):
    toys.draw_photo(tmp_path / "photos" / "two.png", faces=TWO)
    out = tmp_path / "out"
    before = caption_photos(tmp_path / "photos", toy_recipe, available=toy_plugins, out=out).rows
    ((row, _),) = before
    assert [face.box.tolist() for face in row.faces] == [[10, 10, 60, 60], [90, 70, 130, 110]]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([20, 20, 120, 120], ""),
        ([20, 20, 119, 140], "face too small: 99 x 120 pixels"),  # both sides, not the longer one
        ([20, 20, 140, 119], "face too small: 120 x 99 pixels"),
        ([20, 20, 60, 60], "face too small: 40 x 40 pixels"),
    ],
)
def test_the_least_size_is_of_both_sides(box, reason):
    photo = Photo("", "", np.zeros((200, 200, 3), np.uint8))
    face = Face(np.array(box, np.float32), np.full((5, 2), 50, np.float32), 1)
    assert selection(toys.SquareDetector(), min_size=100).refuse(photo, face).startswith(reason)
    assert bool(reason) == bool(selection(toys.SquareDetector(), min_size=100).refuse(photo, face))


@pytest.mark.parametrize(
    ("shift", "missing"),
    [
        ((0, 0), []),
        ((-35, 0), ["image-left eye", "image-left mouth corner"]),
        ((135, 0), ["image-right eye", "image-right mouth corner"]),
        ((0, -45), ["image-left eye", "image-right eye"]),
        ((0, 125), ["image-left mouth corner", "image-right mouth corner"]),
        ((0, 145), ["nose", "image-left mouth corner", "image-right mouth corner"]),
        ((-200, 0), ["image-left eye", "image-right eye", "nose", "image-left mouth corner"]),
    ],
)
def test_a_face_whose_landmarks_lie_outside_of_the_photo_is_refused(shift, missing):
    landmarks = np.array([[30, 40], [70, 40], [50, 60], [32, 80], [68, 80]], np.float32) + np.float32(shift)
    photo = Photo("", "", np.zeros((200, 200, 3), np.uint8))
    face = Face(np.array([0, 0, 100, 100], np.float32), landmarks, 1)
    refusal = selection(toys.SquareDetector()).refuse(photo, face)
    assert all(part in refusal for part in missing)
    assert bool(refusal) == bool(missing)
    assert selection(toys.SquareDetector(), whole=False).refuse(photo, face) == ""


@pytest.fixture(scope="session")
def yunet(starter_models) -> Detector:
    plugins = Plugins.load(builtin_only=True)
    registered = plugins.component("yunet", "detector")
    return plugins.build(registered, registered.component.options(), Runtime(starter_models))


@pytest.mark.models
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_photos_on_their_side_or_head_are_rejected(yunet, example_photos, turn):
    portraits = []
    for path in sorted(example_photos.glob("*.jpg"))[::2]:
        pixels = np.ascontiguousarray(np.rot90(np.asarray(Image.open(path).convert("RGB")), turn))
        if faces := yunet.detect([pixels])[0]:  # of some that are turned, none is found
            portraits.append(Portrait(Photo(path.stem, "", pixels), faces[0]))
    assert len(portraits) >= 2
    refusals = selection(yunet).refuse_turned(portraits)
    assert [("not upright" in refusal) for refusal in refusals] == [turn != 0] * len(portraits)
    assert selection(yunet, upright=False).refuse_turned(portraits) == [""] * len(portraits)


@pytest.mark.parametrize(("score", "looks"), [(0.91, 4), (0.92, 0)])
def test_a_face_with_a_score_that_only_upright_faces_reach_is_not_looked_at_again(score, looks):
    seen = []

    class Counting(toys.SquareDetector):
        def detect(self, images):
            seen.extend(images)
            return super().detect(images)

    pixels = np.full((90, 90, 3), 90, np.uint8)
    box, points = np.array([20, 20, 70, 70], np.float32), [(35, 40), (55, 40), (45, 50), (38, 60), (52, 60)]
    portrait = Portrait(Photo("one", "", pixels), Face(box, np.array(points, np.float32), score))
    chosen = FaceSelection(FaceRule(), Stage("toy", Counting().detect, Clock(), check_faces), upright_score=0.92)
    assert chosen.refuse_turned([portrait]) == [""]
    assert len(seen) == looks


@pytest.mark.parametrize(
    ("degrees", "upright"), [(0, True), (40, True), (-40, True), (85, False), (-95, False), (180, False)]
)
def test_landmarks_that_lie_on_their_side_are_enough_to_reject(degrees, upright):
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = np.array([[-20, -20], [20, -20], [0, 0], [-15, 20], [15, 20]]) @ matrix.T + 100
    face = Face(np.array([60, 60, 140, 140], np.float32), landmarks.astype(np.float32), 1)
    (refusal,) = selection(toys.SquareDetector()).refuse_turned(
        [Portrait(Photo("", "", np.zeros((200, 200, 3), np.uint8)), face)]
    )
    assert (refusal == "") == upright


@pytest.mark.models
def test_the_starter_recipe_turns_away_what_it_cannot_judge(tmp_path, starter_models, example_photos):
    folder = tmp_path / "photos"
    folder.mkdir()
    image = Image.open(example_photos / "portrait-04.jpg").convert("RGB")
    small = image.size[0] // 12, image.size[1] // 12
    altered = {
        "good": image,
        "upside down": image.rotate(180),
        "pixelated": image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST),
    }
    for name, one in altered.items():
        one.save(folder / f"{name}.jpg", quality=92)
    result = caption_photos(folder, "starter", models=starter_models, available=Plugins.load(builtin_only=True))
    reasons = {row.uri.rsplit("/", 1)[-1].removesuffix(".jpg"): row.reason for row, _ in result}
    assert reasons["good"] == ""
    assert "not upright" in reasons["upside down"]
    assert "pixelated" in reasons["pixelated"]


def test_filters_can_be_switched_off(tmp_path, toy_plugins, toy_recipe):
    right = [(150, 40, 60)]
    row, _ = rows_of(tmp_path, toy_plugins, toy_recipe, right)
    assert row.reason == "the face is on the right"
    row, _ = rows_of(tmp_path, toy_plugins, toy_recipe, right, "filters=[]")
    assert row.status == "ok"


def test_options_of_filters_that_are_switched_off_go_with_them():
    plugins = Plugins.load(builtin_only=True)
    recipe = Recipe.load("paper").with_settings(["filters=[]", "clip.mouth.teeth=0.5"])
    assert recipe.filters == ()
    assert "clip.real" not in recipe.plugins
    assert recipe.with_settings(['extractors=["photo"]']).resolve(plugins).of("extractor")[0].registered.name == "photo"
