"""The boxes that a card draws: of every face of a photo, also of one that was rejected for having several."""

import numpy as np
import pytest

from text2face_core import AnalysisRow, CaptionRow, Face
from text2face_core.language import Vocabulary
from text2face_core.report.cards import card
from text2face_core.report.thumbnails import Thumbnail, window_of


def face(x: float, y: float, side: float) -> Face:
    marks = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    return Face(np.array([x, y, x + side, y + side], np.float32), marks * side + np.float32([x, y]), 0.9)


FACES = (face(10, 10, 50), face(120, 60, 40))


@pytest.mark.parametrize(
    ("found", "chosen", "boxes", "points"),
    [
        (FACES, None, 2, 0),
        (FACES, FACES[0], 2, 5),
        ((), FACES[0], 1, 5),
    ],
)
def test_a_card_draws_the_boxes_of_all_faces(found, chosen, boxes, points):
    status = "ok" if chosen else "rejected"
    row = AnalysisRow("0" * 16, "/photos/two.jpg", 0, status, "2 faces", 200, 120, chosen, (), found)
    shown = card(row, CaptionRow(row.photo_id), Thumbnail("data:,", window_of(row)), Vocabulary.load()).marks
    assert (len(shown.boxes), len(shown.points)) == (boxes, points)


def test_boxes_are_in_the_coordinates_of_the_whole_photo():
    row = AnalysisRow("0" * 16, "/photos/two.jpg", 0, "rejected", "2 faces", 200, 120, None, (), FACES)
    shown = card(row, CaptionRow(row.photo_id), Thumbnail("data:,", window_of(row)), Vocabulary.load()).marks
    assert shown.boxes == ((5, 5, 25, 25), (60, 30, 20, 20))
    assert shown.height == 60


def test_a_photo_without_faces_has_no_marks():
    row = AnalysisRow("0" * 16, "/photos/none.jpg", 0, "rejected", "no face", 200, 120)
    assert card(row, CaptionRow(row.photo_id), Thumbnail("data:,", window_of(row)), Vocabulary.load()).marks is None
