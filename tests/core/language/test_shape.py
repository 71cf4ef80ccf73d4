"""Texts that are malformed as captions. The refused ones are real answers of language models, the good ones too."""

import pytest
from hypothesis import given, strategies as st

from text2face_core.language.shape import find_flaw, tidy_text

GOOD = [
    "A woman with brown hair.",
    "A smiling young woman with wavy brown hair and bangs",
    "a man, 34 years old and white, with a mustache.",
    "Smiling 34-year-old woman, eyeglasses.",
    "This is a blurry photo of a woman who is 34 years old. She has brown hair and wears a hat.",
    "Here is a black and white picture of a girl. She has bangs.",
    "The image is black and white.",
    "A man in his 30s – clean-shaven, with a receding hairline – looks partly happy and partly surprised.",
    "A middle-aged woman (45 to 55 years old) with high cheekbones: she smiles.",
    "Her eyes are narrow; her nose is big.",
    "The photo shows a man with a five o'clock shadow, and he's smiling.",
    "A “happy” woman with a café-au-lait complexion.",
    "Zoë, a woman with naïve charm and brown hair.",
    "A girl with her hair tied back and her mouth slightly open.",
    "In this image, a senior adult wears a necktie.",
    "A sure-footed man of 40 with a certain smile.",
    "A great smile shows on the face of a woman with blond hair.",
    "Of Asian descent, the woman has black hair.",
    "An elderly Indian man with gray hair and a double chin, who looks sad.",
    "A person.",
    "She has bags under her eyes, big lips, a big nose and pale skin. The image is blurry.",
    "A man with no beard, no. 5 on his cap.",
    "A woman of 30. 40-year-old men are not in the photo.",
    "A teenager with an oval face and a pointy nose, mouth closed, eyes fully open.",
    "A happy, smiling, chubby baby.",
    "The girl sports bangs, a smile, a necklace.",
]

REFUSED = [
    # nothing at all
    ("", "empty"),
    ("…", "empty"),
    ("***", "empty"),
    ('""', "empty"),
    # talk
    ("Sure! Here is a caption for your image: A woman with brown hair.", "talk about the task"),
    ("Sure, a woman with brown hair.", "talk about the task"),
    ("Certainly! A woman with brown hair.", "talk about the task"),
    ("Of course. A man with a hat.", "talk about the task"),
    ("Okay, here's one: A man with a hat.", "talk about the task"),
    ("Got it! A man with a hat.", "talk about the task"),
    ("Here is a short sentence describing the person: A man with a hat.", "talk about the task"),
    ("Here's the caption: A man with a hat.", "talk about the task"),
    ("Here is a corrected version of the character description: A man.", "talk about the task"),
    ("Caption: A woman with brown hair.", "talk about the task"),
    ("Image description: A woman with brown hair.", "talk about the task"),
    ("Answer: a man with a hat.", "talk about the task"),
    ("As an AI language model, I cannot see images.", "talk about the task"),
    ("As an AI, a picture like this is hard to describe.", "talk about the task"),
    ("I'm sorry, but I can't help with that.", "talk about the task"),
    ("I am a photographer specializing in the beauty of cultures.", "talk about the task"),
    ("A woman with brown hair. I hope this helps!", "talk about the task"),
    ("A woman with brown hair. Let me know if you need anything else.", "talk about the task"),
    ("A woman with brown hair. (Note: the hat was left out.)", "talk about the task"),
    ("Based on the given characteristics, the person is a woman with brown hair.", "talk about the task"),
    ("This face is a mix of all the specified characteristics.", "talk about the task"),
    ("A woman with brown hair, creating a coherent description.", "talk about the task"),
    ("This caption describes a woman with brown hair.", "talk about the task"),
    ("The sentence could be: A woman with brown hair.", "talk about the task"),
    ("A woman with brown hair, as requested.", "talk about the task"),
    # marks
    ("**A woman** with brown hair.", "headings or marks of a page"),
    ("# A woman\nShe has brown hair.", "headings or marks of a page"),
    ("```A woman with brown hair.```", "headings or marks of a page"),
    ('{"caption": "A woman with brown hair."}', "headings or marks of a page"),
    ("A woman with brown hair.<|im_end|>", "headings or marks of a page"),
    ("A woman with brown hair.</s>", "headings or marks of a page"),
    ("[INST] A woman with brown hair. [/INST]", "headings or marks of a page"),
    ("A woman with brown hair. USER: Another one, please.", "headings or marks of a page"),
    ("<think>The person is a woman.</think> A woman with brown hair.", "headings or marks of a page"),
    # lists
    ("- a woman\n- brown hair\n- a hat", "a list"),
    ("* a woman", "a list"),
    ("• a woman • brown hair", "a list"),
    ("1. a woman with a hat 2. a woman with brown hair", "a list"),
    ("1) A woman with a hat.\n2) A woman with brown hair.", "a list"),
    ("Age: 34\nGender: woman", "a list"),
    ("Gender: woman, Age: 34, Hair: brown", "a list"),
    ("34 years old, woman, white, brown hair, smiling", "a list"),
    ("woman; brown hair; smiling", "a list"),
    ("4 to 14 years old, short hair, happy, a slightly open mouth, smiling", "a list"),
    ("18 to 28 years old, woman, no beard, brown hair", "a list"),
    ("An Asian woman, 34 years old, black hair, a hat", "a list"),
    # paragraphs
    ("A woman with brown hair.\n\nShe wears a hat.", "more than one paragraph"),
    ("A woman with brown hair.\nA woman with a hat.", "more than one paragraph"),
    # other languages
    ("Una mujer joven con el pelo castaño y una sonrisa.", "not English"),
    ("Une femme de 34 ans avec les cheveux bruns, souriante.", "not English"),
    ("Eine Frau mit braunen Haaren und einer Brille.", "not English"),
    ("Uma mulher com cabelo castanho e um chapéu.", "not English"),
    ("Женщина с каштановыми волосами.", "not English"),
    ("一位戴眼镜的年轻女子。", "not English"),
    ("A woman with 棕色 hair.", "not English"),
    ("امرأة ذات شعر بني", "not English"),
    # noise
    ("A woman with brown hair 😊", "signs that are not words"),
    ("A woman with brown ha\ufffd\ufffd.", "signs that are not words"),
    # cut off, or stuck
    ("A woman with brown hair. She has a big nose and a wide", "unfinished"),
    ("A woman with brown hair and", "unfinished"),
    ("A woman with brown hair,", "unfinished"),
    (
        "A woman with a hat and a smile, a woman with a hat and a smile, a woman with a hat and a smile.",
        "repeats itself",
    ),
    ("A woman with with brown hair.", "repeats itself"),
]


@pytest.mark.parametrize("text", GOOD)
@pytest.mark.parametrize("style", ["short", "long", ""])
def test_a_caption_is_fine(text, style):
    assert find_flaw(text, style=style) == ""


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_caption_is_refused_with_its_reason(text, reason):
    assert find_flaw(tidy_text(text), style="long") == reason


@pytest.mark.parametrize(
    "text",
    [
        "woman, 34 years old, white, brown hair, smiling",
        "woman, brown hair, big nose, blurry photo.",
        "man",
        "1girl, long hair, looking at viewer",
        "black and white photo, elderly, eyes closed, hat",
    ],
)
def test_a_list_of_tags_is_fine_where_tags_are_wanted(text):
    assert find_flaw(text, style="tags") == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- woman\n- brown hair", "a list"),
        ("Tags: woman, brown hair", "talk about the task"),
        ("woman\nbrown hair\nhat", "more than one paragraph"),
        ("mujer, con el pelo castaño, de 34 años", "not English"),
        ("", "empty"),
    ],
)
def test_tags_have_a_shape_too(text, reason):
    assert find_flaw(text, style="tags") == reason


PROMPT = """\
Describe a person in a photo in one or two fluent English sentences.
Main characteristics:
Say every one of them, each once and in plain words, and add nothing that is not given here: no clothes, no mood."""


@pytest.mark.parametrize(
    ("text", "echo"),
    [
        ("Describe a person in a photo in one or two fluent English sentences.", True),
        ("Say every one of them, each once and in plain words: a woman.", True),
        ("say every one of THEM, each once, and in plain words", True),
        ("A woman with brown hair, and add nothing that is not given here.", True),
        ("A person in a photo in a hat.", False),
        ("A person in one or two hats.", False),
        ("A woman with brown hair.", False),
    ],
)
def test_an_echo_is_a_run_of_words_out_of_the_prompt(text, echo):
    assert (find_flaw(text, PROMPT) == "echo of the prompt") == echo
    assert find_flaw(text) == ""


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ('  "A woman." \n', "A woman."),
        ("“A woman.”", "A woman."),
        ("'A woman.'", "A woman."),
        ("`A woman.`", "A woman."),
        ("\"'A woman.'\"", "A woman."),
        ('"A woman." and "a man"', '"A woman." and "a man"'),
        ('A "happy" woman', 'A "happy" woman'),
        ("A  woman\twith a\xa0hat", "A woman with a hat"),
        ("A woman with\n  brown hair,\nwearing a hat.", "A woman with brown hair, wearing a hat."),
        ("A woman.\nA man.", "A woman.\nA man."),
        ("A woman\r\nwith a hat", "A woman with a hat"),
        ('"', '"'),
        ('""', ""),
        ("", ""),
    ],
)
def test_tidying_takes_off_quotes_and_white_space_and_nothing_else(text, tidy):
    assert tidy_text(text) == tidy


@given(st.text(max_size=200))
def test_any_text_at_all_is_read_without_an_error(text):
    tidy = tidy_text(text)
    assert tidy_text(tidy) == tidy
    assert isinstance(find_flaw(tidy, text), str)
