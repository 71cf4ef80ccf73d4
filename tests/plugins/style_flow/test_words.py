"""Word pieces: every word can be said, and what does not fit is reported."""

import pytest
from t2f_style_flow.model.words import SPECIAL, UNKNOWN, WordPieces, make_pieces

TEXTS = ["A smiling man, 35 years old, with gray hair.", "A smiling woman with gray hair and glasses."] * 3


@pytest.fixture
def words():
    return WordPieces(make_pieces(TEXTS, 200), 8)


def spelt(words, text):
    return [words.pieces[number - len(SPECIAL)] for number in words.encode(text)]


def test_frequent_words_are_a_piece_each(words):
    assert spelt(words, "Gray hair, smiling!") == ["gray", "hair", "smiling"]


def test_unknown_words_are_cut_into_pieces_that_spell_them(words):
    pieces = spelt(words, "womanly 7")
    assert "".join(piece.removeprefix("##") for piece in pieces) == "womanly7"
    assert pieces[0] == "woman"


def test_an_age_is_encoded_with_the_tens_below_it(words):
    assert words.encode("35") == [*words.encode("30"), *words.encode("35")[-1:]]
    assert len(words.encode("2035")) <= 4


def test_letters_of_other_alphabets_are_unknown_and_not_lost(words):
    assert words.encode("Ж") == [UNKNOWN]


def test_what_does_not_fit_is_reported_with_its_words_as_written(words):
    text = "a smiling man with gray hair and glasses and a Mustache"
    assert len(words.encode(text)) == 8
    assert words.unread(text) == "and a Mustache"
    assert words.unread("a man") == ""


def test_a_vocabulary_has_the_wanted_size_at_most():
    many = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)} twice" for n in range(600)] * 2
    assert len(make_pieces(many, 300)) + len(SPECIAL) == 300
