"""Plans: what is asked, and what the texts really state."""

from collections import Counter

import pytest

from text2face_core import Plugins, Runtime
from text2face_core.contracts import FusionRequest
from text2face_core.evaluation.plans import EXTRAS, plan_balanced, plan_neutral, plan_pairs, plan_texts, split_of
from text2face_core.generation import Prompt
from text2face_core.language import Vocabulary
from text2face_core.language.fidelity import find_mentions
from text2face_core.models import ModelStore


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.load()


@pytest.fixture(scope="module")
def write():
    plugins = Plugins.load(builtin_only=True)
    registered = plugins.component("phrasebook", "fuser")
    fuser = plugins.build(registered, registered.component.options(), Runtime(ModelStore()))
    return lambda bag, style, seed: fuser.fuse([FusionRequest("0" * 16, "", 0, bag, style, seed)])[0][0]


def test_the_balanced_plan_asks_all_groups_alike(vocabulary, write):
    plan = plan_balanced(vocabulary, write)
    assert len(plan) == 216
    for name, each in (("age", 36), ("gender", 108), ("ethnicity", 36)):
        assert set(Counter(one.cell[name] for one in plan).values()) == {each}
    assert Counter(one.cell["emotion"] for one in plan)["neutral"] == 72
    assert len({one.cell["extra"] for one in plan}) == len(EXTRAS)
    by_group = Counter((one.cell["gender"], one.cell["extra"]) for one in plan)
    assert max(by_group.values()) - min(by_group.values()) <= 2
    assert plan == plan_balanced(vocabulary, write)


def test_what_the_balanced_plan_asks_is_what_its_texts_state(vocabulary, write):
    plan = plan_balanced(vocabulary, write)
    said = [{name for mention in one.mentions for name in mention.names} for one in plan]
    for name in ("age", "gender", "ethnicity", "emotion"):
        assert sum(name in names for names in said) >= 215, name
    extras = [one.cell["extra"].partition("=")[0] in names for one, names in zip(plan, said, strict=True)]
    assert sum(extras) >= 200  # a few contradict the rest of the bag, such as gray hair of a child


def test_both_sides_of_a_pair_differ_by_one_statement(vocabulary, write):
    plan = plan_pairs(vocabulary, write, templates=3)
    pairs = {}
    for one in plan:
        pairs.setdefault(one.pair_id, []).append(one)
    assert len({one.changed.name for one in plan}) >= 20
    for without, stated in pairs.values():
        assert (without.states, stated.states) == (False, True)
        assert without.changed == stated.changed
        assert stated.changed in stated.mentions
        assert without.changed not in without.mentions
        assert without.split == stated.split


def test_only_some_findings_can_be_paired(vocabulary, write):
    plan = plan_pairs(vocabulary, write, names=["eyeglasses"], templates=2)
    assert {one.changed.name for one in plan} == {"eyeglasses"}
    assert len(plan) == 4


def test_neutral_prompts_state_nothing_about_the_person(vocabulary):
    stated = {mention.name for one in plan_neutral(vocabulary) for mention in one.mentions}
    assert stated.isdisjoint({"age", "gender", "ethnicity", "emotion"})


def test_given_texts_keep_their_source_and_side(vocabulary):
    first, second = plan_texts([Prompt("A bald man.", "aa"), Prompt("A bald man.", "bb")], vocabulary)
    assert (first.source, first.prompt_id != second.prompt_id) == ("aa", True)
    assert first.split == split_of("aa")


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("A smiling 34-year-old woman, no glasses.",
         {"smiling": "yes or emotion=happiness", "age": "34", "gender": "female", "eyeglasses": "no"}),
        ("A man without a beard.", {"gender": "male", "no_beard": "yes"}),
        ("A man with a beard.", {"gender": "male", "no_beard": "no"}),
        ("A 29 to 39 year old adult; she looks happy.",
         {"age": "29 to 39", "gender": "female", "emotion": "happiness"}),
        ("A woman with dark hair. The woman wears a hat.",
         {"gender": "female", "black_hair": "yes or brown_hair=true", "wearing_hat": "yes"}),
        ("A photo of somebody.", {}),
    ],
)  # fmt: skip
def test_statements_of_a_text(text, stated, vocabulary):
    assert {one.name: one.wanted for one in find_mentions(text, vocabulary)} == stated


@pytest.mark.parametrize(
    ("text", "years", "met", "off"),
    [
        ("a 34-year-old", 38.0, True, 4.0),
        ("a 34-year-old", 28.0, False, -6.0),
        ("a 29 to 39 year old", 39.5, True, 0.5),
        ("a 29 to 39 year old", 45.0, False, 6.0),
        ("a teenager", 15.0, True, 0.0),
        ("a teenager", 40.0, False, 20.0),
    ],
)
def test_an_age_is_met_by_the_form_in_which_it_is_stated(text, years, met, off, vocabulary):
    (age,) = [one for one in find_mentions(text, vocabulary) if one.name == "age"]
    assert age.allows(years) is met
    assert age.years_off(years) == off
