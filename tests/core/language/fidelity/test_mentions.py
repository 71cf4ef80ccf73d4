"""What a text states, without any bag."""

import pytest

from text2face_core.language import Vocabulary
from text2face_core.language.fidelity import find_mentions

VOCABULARY = Vocabulary.load()


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("A None year old woman.", [("gender", "female")]),  # a script that did not know the age
        ("A None-year-old woman with glasses.", [("gender", "female"), ("eyeglasses", "yes")]),
        ("None years old man, smiling.", [("gender", "male"), ("smiling", "yes or emotion=happiness")]),
        ("A man with no glasses.", [("gender", "male"), ("eyeglasses", "no")]),
    ],
)
def test_an_age_that_is_not_known_denies_nothing(text, stated):
    assert [(one.name, one.wanted) for one in find_mentions(text, VOCABULARY)] == stated
