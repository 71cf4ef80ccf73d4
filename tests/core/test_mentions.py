"""What a caption mentions, misses and invents: the first check, by words."""

import pytest

from text2face_core.language.mentions import mentions
from text2face_core.language.vocabulary import Vocabulary
from text2face_core.records import Bag, BagItem

EYES = {"level": "F2", "role": "has", "values": {"brown": {"phrases": ["brown eyes"]}}}
VOCABULARY = Vocabulary.load([{"findings": {"eye_colour": EYES}}])


def item(name, value=True, phrase=None):
    finding = VOCABULARY.findings[name]
    return BagItem(name, value, phrase or VOCABULARY.words(name, value).phrases[0].text, finding.level)


BAG = Bag((
    item("age", 34.2, "34 years old"), item("gender", "female", "woman"), item("ethnicity", "white"),
    item("brown_hair"), item("wearing_hat"),
    item("emotion", "fear", "partly afraid"), item("emotion", "surprise", "partly surprised"),
))  # fmt: skip


def test_a_caption_that_says_it_all_misses_and_invents_nothing():
    text = "A white woman, 34 years old, with brown hair and a hat. She looks partly afraid and partly surprised."
    assert mentions(text, BAG, VOCABULARY) == mentions(text.upper(), BAG, VOCABULARY)
    found = mentions(text, BAG, VOCABULARY)
    assert found.mentioned == BAG.names
    assert found.missed == found.invented == ()


def test_names_come_in_the_order_of_the_bag_and_two_emotions_are_two_entries():
    found = mentions("Surprised, she has brown hair.", BAG, VOCABULARY)
    assert found.mentioned == ("gender", "brown_hair", "emotion")
    assert found.missed == ("age", "ethnicity", "wearing_hat", "emotion")


@pytest.mark.parametrize(
    ("text", "held", "mentioned"),
    [
        ("a 34-year-old", item("age", 34.2, "34 years old"), True),
        ("a 34 year old", item("age", 34.2, "34 years old"), True),
        ("aged 36", item("age", 34.2, "34 years old"), True),
        ("a 38-year-old", item("age", 34.2, "34 years old"), False),
        ("a 29-to-39-year-old", item("age", 34.2, "29 to 39 years old"), True),
        ("29 - 39 years old", item("age", 34.2, "29 to 39 years old"), True),
        ("a 34-year-old", item("age", 34.2, "adult"), True),
        ("a 60-year-old", item("age", 34.2, "adult"), False),
        ("an adult man", item("age", 34.2, "34 years old"), True),
        ("a teenage girl", item("age", 15.0, "teenager"), True),
        ("a young adult", item("age", 40.0, "adult"), False),
        ("black hair", item("ethnicity", "black"), False),  # the longer words win
        ("a Black person with black hair", item("ethnicity", "black"), True),
        ("a black-and-white photo", item("monochrome"), True),
        ("a black and white photo", item("ethnicity", "white"), False),
        ("a white-haired person", item("ethnicity", "white"), False),
        ("brown eyes", item("brown_hair"), False),
        ("brown eyes", item("eye_colour", "brown"), True),
        ("hair of brown", item("brown_hair"), False),  # by words alone: the full check does better
        ("brown. Hair", item("brown_hair"), False),
        ("Caucasian", item("ethnicity", "white", "white"), True),
        ("bags under her eyes", item("bags_under_eyes"), True),
        ("a 5 o\u2019clock shadow", item("five_o_clock_shadow"), True),
        ("a man", item("gender", "female", "woman"), False),
        ("a female child", item("gender", "female", "girl"), True),
        ("smiles", item("emotion", "happiness"), True),
        ("parted lips", item("mouth_openness", "slightly_open"), True),
        ("parted lips", item("mouth_slightly_open"), True),
        ("a hatter", item("wearing_hat"), False),
        ("without a hat", item("wearing_hat"), False),
        ("not wearing a hat", item("wearing_hat"), False),
        ("no beard, and a hat", item("wearing_hat"), True),
        ("no glasses, a hat", item("wearing_hat"), True),
        ("no beard", item("no_beard", True, "clean-shaven"), True),
        ("a straw boater", item("wearing_hat", True, "a straw boater"), True),  # a phrase that is not in the vocabulary
    ],
)
def test_one_item_is_mentioned_or_not(text, held, mentioned):
    found = mentions(text, Bag((held,)), VOCABULARY)
    assert found.mentioned == ((held.name,) if mentioned else ())
    assert found.missed == (() if mentioned else (held.name,))


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("A white woman with brown eyes", ("eye_colour",)),
        ("A white woman with brown hair and glasses, smiling", ("eyeglasses", "smiling")),
        ("A man", ("gender",)),
        ("A 70-year-old woman", ("age",)),
        ("An elderly woman", ("age",)),
        ("A woman without glasses, with no beard", ("no_beard",)),  # no beard is a finding
        ("A woman, not smiling", ()),
        ("A woman without a hat", ("wearing_hat",)),  # denying what the bag holds contradicts it
        ("black hair and brown hair", ("black_hair",)),
        ("glasses, eyeglasses and spectacles", ("eyeglasses",)),
        ("A blurry photo", ("blurry",)),
        ("", ()),
        ("\u4e00\u4e2a\u5973\u4eba", ()),
    ],
)
def test_what_the_bag_does_not_hold_is_invented(text, invented):
    assert mentions(text, BAG, VOCABULARY).invented == invented


def test_either_name_of_one_characteristic_counts_for_the_other():
    assert mentions("a man", Bag((item("male"),)), VOCABULARY).invented == ()
    assert mentions("bald", Bag((item("hair_length", "bald"),)), VOCABULARY).mentioned == ("hair_length",)
    assert mentions("bald", Bag(()), VOCABULARY).invented == ("bald",)


def test_an_empty_bag_mentions_nothing():
    found = mentions("A photo of a person.", Bag(()), VOCABULARY)
    assert found.mentioned == found.missed == found.invented == ()
