"""More people than the one whom a caption is about, and ages that are not the one of the bag."""

import pytest

from text2face_core.language import find_flaw, tidy_text
from text2face_core.language.fidelity import check_caption, find_language_flaw
from text2face_core.language.vocabulary import Vocabulary
from text2face_core.records import Bag, BagItem

VOCABULARY = Vocabulary.load()
BAG = Bag((
    BagItem("age", 51.0, "51 years old", "F1"), BagItem("gender", "male", "man", "F1"),
    BagItem("gray_hair", True, "gray hair", "F2"), BagItem("wearing_necktie", True, "a tie", "F2"),
))  # fmt: skip
GOOD = "A 51-year-old man with gray hair and a tie"


def verdict(text):
    return check_caption(text, BAG, VOCABULARY)


@pytest.mark.parametrize(
    "text",
    [
        "Two 51-year-old men with gray hair and ties.",
        "Men, 51 years old, with gray hair and ties.",
        "Both men are 51 years old, with gray hair and ties.",
        "A group of men, 51 years old, with gray hair and ties.",
        "Several people: " + GOOD + ".",
        f"{GOOD}, and another man.",
        f"{GOOD}, together with a second man.",
        f"{GOOD} next to a man.",
        f"{GOOD} beside another person.",
        f"{GOOD} and a man.",
        f"{GOOD}, someone else at his side.",
        f"{GOOD} and three children.",
        "A 51-year-old father and son with gray hair and ties.",
        f"{GOOD}. Behind him stands a woman.",
        f"{GOOD}. A boy is next to him.",
        f"{GOOD}. He is with someone.",
    ],
)
def test_more_than_one_person_is_an_invention(text):
    assert "other" in verdict(text).invented


@pytest.mark.parametrize(
    "text",
    [
        f"{GOOD}.",
        "He is an adult and a man: 51 years old, with gray hair and a tie.",
        "This is a man. The man is 51 years old, with gray hair and a tie.",
        "A person, a man of 51 years, with gray hair and a tie.",
        f"{GOOD}. I cannot describe people in photos.",
        "A person with gray hair and a tie around his neck, 51 years old, who is a man.",
    ],
)
def test_one_person_in_several_nouns_is_not(text):
    assert verdict(text).clean


def test_teens_are_years_and_not_people():
    bag = Bag((BagItem("age", 18.0, "18 years old", "F1"),))
    assert check_caption("A person in the late teens.", bag, VOCABULARY).clean


@pytest.mark.parametrize(
    "age",
    ["51 or 70 years old", "aged 51 and 70", "51/70 years old", "fifty-one or seventy", "in his fifties or seventies",
     "51, or 70", "151 years old", "aged 151", "5100 years old", "one hundred and fifty-one years old"],
)  # fmt: skip
def test_a_second_or_an_impossible_age_is_invented(age):
    assert verdict(f"A man with gray hair and a tie, {age}.").invented == ("age",)


@pytest.mark.parametrize("age", ["51 or 52 years old", "in his late forties or early fifties", "50 to 52 years old"])
def test_two_ages_that_both_fit_are_none(age):
    assert verdict(f"A man with gray hair and a tie, {age}.").clean


@pytest.mark.parametrize("dash", ["\u2010", "\u2011", "\u2012", "\u2013", "\u2212", "\u2014", "\ufe63", "\uff0d"])
def test_any_dash_may_stand_for_a_hyphen(dash):
    assert verdict(f"A 51{dash}year{dash}old man with gray hair and a tie.").clean


@pytest.mark.parametrize("dash", [" \u2013 ", "\u2014", " \u2014 "])
def test_a_dash_between_words_is_punctuation(dash):
    assert verdict(f"A man{dash}51 years old{dash}with gray hair and a tie.").clean


@pytest.mark.parametrize(
    "dash", ["-", "\u2010", "\u2011", "\u2013", "\u2014", "\u2212", " -", " \u2013", "- ", "\u2014 ", " - "]
)
@pytest.mark.parametrize(
    "form",
    ["A man{0}51 years old{0}with gray hair and a tie.", "A man, {0}51 years old, with gray hair and a tie.",
     "A man of {0}51 years with gray hair and a tie.", "A man with a tie and gray hair, aged{0}51.",
     "A 51{0}year{0}old man with gray hair and a tie.", "A fifty{0}one{0}years{0}old man with gray hair and a tie.",
     "A 51{0}yr{0}old man with gray hair and a tie.", "A gray{0}haired man of 51 with a tie."],
)  # fmt: skip
def test_no_dash_makes_another_age_or_parts_a_word(form, dash):
    assert verdict(form.format(dash)).clean


def test_a_unit_may_be_joined_to_its_number():
    assert verdict("A 51year-old man with gray hair and a tie.").clean


def flaw(text):
    text = tidy_text(text)
    return find_flaw(text) or find_language_flaw(text, VOCABULARY)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((f"{GOOD}. {tail}", "not English") for tail in (
            "他戴着帽子。", "Он носит шляпу.", "هو يرتدي قبعة.", "वह टोपी पहनता है", "Φορά καπέλο.",
            "Ella lleva barba.", "Tiene barba.", "Elle porte un chapeau.", "Sie trägt einen Hut.",
            "Porta un cappello.",
        )),
        *((f"{GOOD}{tail}", "not English") for tail in (
            ", lleva barba.", " avec un chapeau.", " mit Hut.", ", lächelnd.",
        )),
        *((f"{GOOD}{tail}", "headings or marks of a page") for tail in (
            ".<|im_end|>", ".</s>", ". [/INST]", ".<|eot_id|>", ".<0x0A>", ".\\n", ".&nbsp;",
        )),
        ("<think>A man.</think>", "headings or marks of a page"),
        *((f"{GOOD}{tail}", "unfinished") for tail in (
            " and", " and a", ", with", ". He", ". He is", ", because", " and.", "...", "\u2026", " (", ", which",
            ", wea",
        )),
        *((f"{start} {GOOD}.", "talk about the task") for start in (
            "I'm sorry, but I can't help with that.", "Sorry, that is not possible to describe.",
            "As an AI model, I see this:",
            "It is not appropriate to describe real people.", "Unfortunately, no more is known.", "You can see this:",
            "This is against the content policy.", "My guidelines forbid names.", "Nothing in this request is odd.",
        )),
        *((f"{sign}{GOOD}", "signs that are not words") for sign in ("\u25c1think\u25b7", "\u300aA\u300b", "\u2192 ")),
        *((f"{GOOD}.{sign}", "control characters") for sign in ("\x07", "\x1b[31m", "\u200b", "\u202e", "\x00x")),
    ],
)  # fmt: skip
def test_a_good_caption_with_something_malformed_is_malformed(text, reason):
    assert flaw(text.replace(", wea", ", wearing a weathered wea")) == reason


def test_a_list_of_tags_that_breaks_off_is_unfinished():
    assert find_flaw("man, 51 years old, gray hair, a tie, and", style="tags") == "unfinished"
    assert find_flaw("man, 51 years old, gray hair, a tie", style="tags") == ""


@pytest.mark.parametrize("text", [f"{GOOD}.", GOOD, f"{GOOD}!", "A man with a café crème moustache."])
def test_a_whole_english_caption_has_no_flaw(text):
    assert flaw(text) == ""


def test_allowed_words_are_never_inventions_but_may_be_mentions():
    text = "A 51-year-old ohwx man in zwx style with gray hair, a tie, and handsome."
    assert verdict(text).invented == ("other", "attractive")
    allowed = ("ohwx", "zwx style", "handsome")
    assert check_caption(text, BAG, VOCABULARY, allowed).clean
    bag = Bag((BagItem("attractive", True, "attractive", "F2"),))
    assert check_caption("An ohwx person, handsome.", bag, VOCABULARY, allowed).mentioned == ("attractive",)


def test_an_allowed_word_does_not_part_a_quality_from_its_noun():
    bag = Bag((BagItem("black_hair", True, "black hair", "F2"),))
    assert check_caption("Someone with black ohwx hair.", bag, VOCABULARY, ("ohwx",)).clean
