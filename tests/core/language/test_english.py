"""Articles, rows and sentences."""

import pytest

from text2face_core.language.english import as_sentences, series, with_article

NUMBERS = """
a 34-year-old woman | an 8-year-old girl | an 11-year-old boy | an 18-year-old | an 80-year-old | an 81-to-91-year-old |
a 1-year-old | a 7-to-17-year-old | an 11-to-21-year-old | a 10-to-20-year-old | a 100-year-old | a 110-year-old"""
WORDS = """
an elderly man | an adult | an Asian woman | an Indian man | a European | a uniform | a unique hat | an unusual hat |
an uninteresting hat | an unidentified person | an unimportant person | a used car | an ugly hat | an urban scene |
a one-eyed man | an hour | an honest face | a happy expression | an heiress | a U-shaped scar | an upturned nose |
a Black woman | a young adult | an image | a university student | an umbrella | a utility vest"""


@pytest.mark.parametrize("expected", " ".join(f"{NUMBERS} | {WORDS}".split()).split(" | "))
def test_the_article_follows_the_first_sound(expected):
    assert with_article(expected.split(" ", 1)[1]) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], ""),
        (["bangs"], "bangs"),
        (["bangs", "a hat"], "bangs and a hat"),
        (["bangs", "a hat", "glasses"], "bangs, a hat and glasses"),
        (["has bangs and big lips", "wears a hat"], "has bangs and big lips, and wears a hat"),
        (["blurry", "black and white"], "blurry, and black and white"),
        (["a headband", "a hat"], "a headband and a hat"),  # "and" inside a word is none
    ],
)
def test_a_row_ends_in_and(parts, expected):
    assert series(parts) == expected


def test_sentences_begin_with_capitals_and_keep_no_stray_spaces():
    assert as_sentences("  a woman ,\n 34  years old . she has a hat. ") == "A woman, 34 years old. She has a hat."
