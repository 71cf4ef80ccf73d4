"""Beards, absences, and the sharper and vaguer words for one thing."""

import pytest

from text2face_core.language.fidelity import check_caption
from text2face_core.language.vocabulary import Vocabulary
from text2face_core.records import Bag, BagItem

VOCABULARY = Vocabulary.load()
BEARD = Bag((BagItem("gender", "male", "man", "F1"), BagItem("no_beard", False, "a beard", "F2")))
BARE = Bag((
    BagItem("gender", "female", "woman", "F1"), BagItem("eyeglasses", False, "without glasses", "F2"),
    BagItem("bangs", True, "bangs", "F2"), BagItem("heavy_makeup", False, "without heavy makeup", "F2"),
))  # fmt: skip
WIDE = Bag(
    (BagItem("mouth_openness", "fully_open", "a wide open mouth", "F2"), BagItem("smiling", True, "smiling", "F2"))
)
SLIGHT = Bag((
    BagItem("mouth_openness", "slightly_open", "a slightly open mouth", "F2"),
    BagItem("smiling", True, "smiling", "F2"),
))  # fmt: skip


@pytest.mark.parametrize(
    ("text", "missed", "invented"),
    [
        ("A man with a full beard.", (), ()),
        ("A bearded man.", (), ()),
        ("A man whose beard is long and grey.", (), ()),
        ("A man with facial hair.", (), ()),
        ("A man.", ("no_beard",), ()),
        ("A clean-shaven man.", ("no_beard",), ("no_beard",)),
        ("A man without a beard.", ("no_beard",), ("no_beard",)),
        ("A man with stubble.", ("no_beard",), ("five_o_clock_shadow",)),
        ("A bearded man with a goatee and a moustache.", (), ("goatee", "mustache")),
    ],
)
def test_a_beard_of_the_bag_may_be_said_and_must_be(text, missed, invented):
    fidelity = check_caption(text, BEARD, VOCABULARY)
    assert (fidelity.missed, fidelity.invented) == (missed, invented)


def test_a_beard_that_the_bag_lacks_is_an_invention():
    shaven = Bag((BagItem("no_beard", True, "clean-shaven", "F2"),))
    assert check_caption("A person with a full beard.", shaven, VOCABULARY).invented == ("no_beard",)
    assert check_caption("A person with a full beard.", Bag(()), VOCABULARY).invented == ("other",)


@pytest.mark.parametrize(
    ("text", "missed", "invented"),
    [
        ("A woman without glasses, with bangs and no makeup.", (), ()),
        ("A woman with bangs, wearing no glasses or makeup.", (), ()),
        ("A woman with bangs.", ("eyeglasses", "heavy_makeup"), ()),
        ("A woman with glasses and bangs, without makeup.", ("eyeglasses",), ("eyeglasses",)),
        ("A woman with heavy makeup, bangs, no glasses.", ("heavy_makeup",), ("heavy_makeup",)),
    ],
)
def test_an_absence_of_the_bag_is_mentioned_by_a_negation(text, missed, invented):
    fidelity = check_caption(text, BARE, VOCABULARY)
    assert (fidelity.missed, fidelity.invented) == (missed, invented)


def test_an_absence_that_the_bag_does_not_hold_is_no_invention():
    bag = Bag((BagItem("gender", "female", "woman", "F1"),))
    assert check_caption("A woman without glasses, without a hat and without heavy makeup.", bag, VOCABULARY).clean


@pytest.mark.parametrize(
    "text",
    [
        "A wide-open laughing mouth.",
        "A laughing mouth, wide-open.",
        "A wide-open, laughing mouth.",
        "Laughing, the mouth wide open.",
    ],
)
def test_a_wide_open_mouth_is_not_a_slightly_open_one(text):
    assert check_caption(text, WIDE, VOCABULARY).clean
    fidelity = check_caption(text, SLIGHT, VOCABULARY)
    assert (fidelity.missed, fidelity.invented) == (("mouth_openness",), ("mouth_openness",))
