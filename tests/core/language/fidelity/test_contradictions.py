"""Contradictions inside a text, without a bag."""

import pytest

from text2face_core.language.fidelity import find_contradictions
from text2face_core.language.vocabulary import Vocabulary

VOCABULARY = Vocabulary.load()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("A bald man with long hair.", {"hair_length"}),
        ("A 33-year-old woman in her sixties.", {"age"}),
        ("A man with a hat. She smiles.", {"gender"}),
        ("Blond hair and black hair.", {"black_hair"}),
        ("A closed mouth, visible teeth.", {"teeth_visible"}),
        ("His mouth is closed, his mouth is wide open.", {"mouth_openness"}),
        ("She wears glasses; she wears no glasses.", {"eyeglasses"}),
        ("Clean-shaven, with a goatee.", {"goatee"}),
    ],
)
def test_what_cannot_both_be_true_is_named(text, names):
    assert set(find_contradictions(text, VOCABULARY)) == names


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A 33-year-old woman in her thirties, with long dark hair that is brown. She smiles happily.",
        "He looks partly sad and partly angry.",
        "A teenage boy of 17 without glasses or a hat.",
        "A man with a mustache and a goatee, a slightly open mouth and visible teeth.",
    ],
)
def test_what_can_be_true_together_is_not(text):
    assert find_contradictions(text, VOCABULARY) == ()
