"""The vocabulary: ours is whole, a plugin's is easy to write and hard to get wrong."""

import itertools
import re
import tomllib

import pytest

from text2face_core.errors import PluginError
from text2face_core.language.vocabulary import BUILT_IN, Vocabulary

F1 = "age gender ethnicity male young"
F2 = """
five_o_clock_shadow arched_eyebrows attractive bags_under_eyes bald bangs big_lips big_nose black_hair blond_hair
brown_hair bushy_eyebrows chubby double_chin eyeglasses goatee gray_hair heavy_makeup high_cheekbones
mouth_slightly_open mustache narrow_eyes no_beard oval_face pale_skin pointy_nose receding_hairline rosy_cheeks
sideburns smiling straight_hair wavy_hair wearing_earrings wearing_hat wearing_lipstick wearing_necklace
wearing_necktie emotion hair_length eye_openness mouth_openness teeth_visible tongue_visible red_hair skin_tone
sunglasses
"""
EYES = {
    "level": "F2",
    "role": "has",
    "values": {"brown": {"phrases": ["brown eyes"]}, "blue": {"phrases": ["blue eyes"]}},
}


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.load()


@pytest.mark.parametrize(("level", "names"), [("F1", F1), ("F2", F2), ("photo", "blurry monochrome")])
def test_every_canonical_finding_has_words_at_its_level(vocabulary, level, names):
    assert {name for name, words in vocabulary.findings.items() if words.level == level} == set(names.split())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("gender", "female male"),
        ("ethnicity", "asian black indian latino_hispanic middle_eastern white"),
        ("emotion", "anger disgust fear happiness sadness surprise neutral"),
        ("hair_length", "bald short medium long"),
        ("eye_openness", "closed partly_open fully_open"),
        ("mouth_openness", "closed slightly_open fully_open"),
        ("skin_tone", " ".join(f"monk_{tone:02}" for tone in range(1, 11))),
    ],
)
def test_every_canonical_value_has_words(vocabulary, name, values):
    assert set(vocabulary.findings[name].values) == set(values.split())


def test_the_ten_words_for_age_cover_every_age_once(vocabulary):
    ranges = [value.range for value in vocabulary.findings["age"].values.values()]
    assert len(ranges) == 10
    assert ranges[0][0] == 0
    assert all(low[1] == high[0] for low, high in itertools.pairwise(ranges))


@pytest.mark.parametrize(
    ("age", "word"),
    [(0.4, "baby"), (2, "toddler"), (5, "preschooler"), (9.9, "child"), (13, "teenager"), (25, "young adult"),
     (40, "adult"), (50, "middle-aged adult"), (70, "senior adult"), (75, "elderly"), (110, "elderly")],
)  # fmt: skip
def test_an_age_has_the_word_of_its_range(vocabulary, age, word):
    assert vocabulary.words("age", age).phrases[0].text == word


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bangs", False),
        ("emotion", "boredom"),
        ("eyeglasses", "True"),
        ("horns", True),
        ("age", -3.0),
        ("age", "old"),
    ],
)
def test_what_has_no_words_is_not_said(vocabulary, name, value):
    assert vocabulary.words(name, value) is None


def test_no_phrase_says_two_things(vocabulary):
    """Only findings that exclude each other, or stand in for each other, may share a phrase."""
    meanings: dict[str, set[str]] = {}
    for name, finding in vocabulary.findings.items():
        for value in finding.values.values():
            for phrase in value.phrases:
                meanings.setdefault(phrase.text, set()).add(name)
    shared = {frozenset(names) for names in meanings.values() if len(names) > 1}
    assert shared == {
        frozenset({"gender", "male"}),
        frozenset({"bald", "hair_length"}),
        frozenset({"mouth_openness", "mouth_slightly_open"}),
    }


def test_exclusions_name_findings_and_values_that_exist(vocabulary):
    for name, finding in vocabulary.findings.items():
        for excluded in finding.excludes:
            other, _, value = excluded.partition("=")
            assert other in vocabulary.findings, name
            assert other != name
            assert not value or value in vocabulary.findings[other].values


def test_a_noun_phrase_that_is_had_or_worn_brings_its_article(vocabulary):
    for name, finding in vocabulary.findings.items():
        for value in finding.values.values():
            for phrase in value.phrases:
                if (phrase.role or value.role or finding.role) in {"has", "wears"}:
                    uncounted = re.search(r"(s|hair|skin|stubble|makeup|lipstick|teeth)$|^bags ", phrase.text)
                    assert phrase.text.startswith(("a ", "an ")) or uncounted, (name, phrase.text)


@pytest.mark.parametrize(
    ("finding", "role", "before", "after"),
    [
        (("age", 34.2, "34 years old"), "is", "34-year-old", "34 years old"),
        (("age", 1.0, "1 year old"), "is", "1-year-old", "1 year old"),
        (("age", 34.2, "29 to 39 years old"), "is", "29-to-39-year-old", "29 to 39 years old"),
        (("age", 15.0, "teenager"), "noun", "teenage", "a teenager"),
        (("age", 80.0, "elderly"), "is", "elderly", "elderly"),
        (("gender", "female", "woman"), "noun", "female", "female"),
        (("big_nose", True, "a big nose"), "has", None, "a big nose"),
        (("emotion", "fear", "a fearful expression"), "has", None, "a fearful expression"),
        (("emotion", "fear", "partly afraid"), "looks", None, "partly afraid"),
        (("wearing_hat", True, "a straw hat"), "wears", None, "a straw hat"),  # not listed: it stands as the others do
        (("blurry", True, "blurry"), "photo", None, "blurry"),
    ],
)
def test_grammar_of_a_phrase(vocabulary, finding, role, before, after):
    grammar = vocabulary.grammar(*finding)
    assert (grammar.text, grammar.role, grammar.before, grammar.after) == (finding[2], role, before, after)


def test_grammar_of_an_unknown_finding_names_it(vocabulary):
    with pytest.raises(PluginError, match='"horns"'):
        vocabulary.grammar("horns", True, "two horns")


def test_a_plugin_brings_words_in_a_mapping_or_a_file(tmp_path):
    file = tmp_path / "eyes.toml"
    file.write_text("""
[findings.eye_colour]
level = "F2"
role = "has"
values.brown.phrases = ["brown eyes"]
values.blue.phrases = ["blue eyes"]
""")
    for extra in (file, {"findings": {"eye_colour": EYES}}):
        vocabulary = Vocabulary.load([extra])
        assert vocabulary.grammar("eye_colour", "blue", "blue eyes").role == "has"
        assert "smiling" in vocabulary.findings


def test_the_example_in_the_head_of_the_file_is_a_vocabulary():
    head = BUILT_IN.read_text("utf-8").split("# A finding, [findings", 1)[0]
    example = "\n".join(line.removeprefix("#     ") for line in head.splitlines() if line.startswith("#     "))
    assert Vocabulary.load([tomllib.loads(example)]).words("eye_colour", "brown").phrases[0].text == "brown eyes"


def test_a_later_vocabulary_replaces_a_finding_and_changes_the_fingerprint():
    ours = Vocabulary.load()
    theirs = Vocabulary.load([{"findings": {"smiling": {"level": "F2", "role": "has", "phrases": ["a smile"]}}}])
    assert theirs.grammar("smiling", True, "a smile").role == "has"
    assert ours.fingerprint == Vocabulary.load().fingerprint != theirs.fingerprint
    assert len(theirs.findings) == len(ours.findings)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"role": "wearing"}, "findings.eye_colour.role: Input should be 'has'"),
        ({"level": "F3"}, "findings.eye_colour.level: Input should be 'F1', 'F2' or 'photo'"),
        ({"colour": "x"}, "findings.eye_colour.colour: Extra inputs are not permitted"),
        ({"values": {}}, "findings.eye_colour: it has no phrases"),
        ({"phrases": ["brown eyes"]}, "findings.eye_colour: put phrases either on the finding"),
        ({"values": {"brown": {"phrases": []}}}, "eye_colour.values.brown.phrases: Tuple should have at least 1"),
        ({"values": {"brown": {"phrases": ["brown eyes."]}}}, "phrases.0.text: 'brown eyes.' does not fit"),
        ({"values": {"brown": {"phrases": ["brown  eyes"]}}}, "does not fit inside a sentence"),
        ({"values": {"brown": {"phrases": [""]}}}, "does not fit inside a sentence"),
        ({"role": "photo"}, 'findings.eye_colour: the level "photo" and the role "photo" go together'),
        ({"min_score": 1.5}, "findings.eye_colour.min_score: Input should be less than or equal to 1"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_vocabulary_is_named(change, said):
    with pytest.raises(PluginError) as error:
        Vocabulary.load([{"findings": {"eye_colour": {**EYES, **change}}}])
    assert said in str(error.value)
    assert "vocabulary.toml explains the form" in str(error.value)


@pytest.mark.parametrize("content", [b"[findings", b"\xff\xfe", None])
def test_a_file_that_is_no_vocabulary_is_named(tmp_path, content):
    file = tmp_path / "words.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PluginError, match=r"words\.toml .* vocabulary"):
        Vocabulary.load([file])
