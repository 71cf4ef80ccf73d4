"""The measure itself, without a diffusion model: what it says of generators whose behaviour is known.

People are findings without images: an obedient generator returns a person as the prompt says, a lying one any person.
"""

import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest
from support.evaluations import GRADER, VOCABULARY, evaluated, image, person, planned

from text2face_core.evaluation.measuring import headline, measure_all
from text2face_core.evaluation.metrics.adherence import paired_p, tally
from text2face_core.evaluation.metrics.confusion import NO_FACE, NOT_SEEN, collect_confusions
from text2face_core.evaluation.metrics.fairness import group_of
from text2face_core.evaluation.metrics.retrieval import retrieve
from text2face_core.evaluation.records import GradedImage, Grader, Judgement, PlannedPrompt
from text2face_core.language.fidelity import find_mentions
from text2face_core.records import Finding


def the(measures, name, **about):
    (found,) = [
        one
        for one in measures
        if one.name == name
        and all(getattr(one, key) == value for key, value in {"finding": "", "group": "", **about}.items())
    ]
    return found


@pytest.fixture(scope="module")
def world():
    rng = random.Random(0)
    people = [person(rng) for _ in range(150)]
    plan = planned(people)
    obedient = [image(prompt, "obedient", one) for prompt, one in zip(plan, people, strict=True)]
    lying = [image(prompt, "lying", person(rng)) for prompt in plan]
    evaluation = evaluated(plan, lying, obedient)
    return evaluation, measure_all(evaluation)


def test_an_obedient_generator_reaches_the_ceiling(world):
    _, measures = world
    assert the(measures, "adherence", model="obedient").value == 1
    assert the(measures, "adherence averaged over findings", model="obedient").value == 1
    assert the(measures, "caption retrieval", model="obedient").value > 0.75
    assert the(measures, "absolute age error", model="obedient", finding="age").value == 0


def test_a_lying_generator_is_on_the_floor(world):
    _, measures = world
    lying, floor = (
        the(measures, "adherence", model="lying"),
        the(measures, "adherence to shuffled prompts", model="lying"),
    )
    assert floor.low <= lying.value <= floor.high
    retrieval = the(measures, "caption retrieval", model="lying")
    assert retrieval.low < 0.03


def test_the_difference_of_both_is_found_in_every_finding(world):
    evaluation, measures = world
    about = {"model": "obedient - lying"}
    assert the(measures, "adherence difference", **about).low > 0.4
    for finding in ("age", "gender", "ethnicity", "eyeglasses", "emotion"):
        one = the(measures, "adherence difference", finding=finding, **about)
        assert one.p_adjusted < 1e-6
        assert one.p_adjusted >= one.p
    sentence = headline(evaluation, measures)
    assert "obedient drew 100.0 %" in sentence
    assert "(other eyes)" in sentence


def test_confusions_of_an_obedient_generator_are_diagonal(world):
    evaluation, _ = world
    matrices = {(one.model, one.finding): one for one in collect_confusions(evaluation)}
    good, bad = (np.array(matrices[model, "ethnicity"].counts) for model in ("obedient", "lying"))
    assert np.array_equal(good, np.diag(np.diag(good)))
    assert bad.sum() == good.sum()
    assert np.diag(bad).sum() < 0.5 * bad.sum()


def test_two_equal_models_give_uniform_p_values():
    rng, order = np.random.default_rng(0), {f"{n:03d}": n for n in range(150)}

    def drawn(model: str) -> list[Judgement]:
        return [
            Judgement(
                f"{prompt}-{number}", prompt, model, "gender", "female", True, "eye", "other", "x", 1.0, bool(hit)
            )
            for prompt, share in zip(order, shares, strict=True)
            for number, hit in enumerate(rng.random(6) < share)
        ]

    ps = []
    for _ in range(200):
        shares = rng.beta(2, 1, len(order))
        ps.append(paired_p(tally(drawn("a"), order), tally(drawn("b"), order)))
    assert kstest(ps, "uniform").pvalue > 0.01
    assert 2 <= sum(p < 0.05 for p in ps) <= 20


def test_images_without_one_face_and_abstentions_are_failures_in_the_headline_only():
    plan = planned([person(random.Random(n)) for n in range(4)])
    shown = {"gender": "female"}
    images = [
        image(plan[0], "m", {"gender": find_gender(plan[0])}),
        image(plan[1], "m", {}),
        image(plan[2], "m", shown, status="no face", faces=0),
        image(plan[3], "m", shown, status="several faces", faces=2),
    ]
    only_gender = replace(GRADER, provides=("gender",))
    evaluation = evaluated(plan, images, graders=(only_gender,))
    measures = measure_all(evaluation)
    assert the(measures, "adherence").value == 1 / 4
    apart = the(measures, "adherence given a verdict")
    assert (apart.value, apart.n) == (1, 1)
    (matrix,) = collect_confusions(evaluation)
    assert {NO_FACE, NOT_SEEN} <= set(matrix.seen)


def find_gender(prompt: PlannedPrompt) -> str:
    return next(one.values[0][1] for one in prompt.mentions if one.name == "gender")


def test_verdicts_of_two_graders_are_averaged():
    plan = planned([person(random.Random(1))])
    right = Finding("gender", find_gender(plan[0]), 0.9, "eye")
    wrong = replace(right, value="male" if right.value == "female" else "female", source="second")
    images = [replace(image(plan[0], "m", {}), findings=(right, wrong))]
    graders = (replace(GRADER, provides=("gender",)), Grader("second", ("gender",), "other"))
    assert the(measure_all(evaluated(plan, images, graders=graders)), "adherence").value == 0.5


def test_the_effect_of_a_word_is_free_of_how_often_the_finding_is_drawn_anyway():
    rng = np.random.default_rng(2)
    with_glasses, without = "A man with glasses.", "A man."
    changed = next(one for one in find_mentions(with_glasses, VOCABULARY) if one.name == "eyeglasses")
    plan = [
        PlannedPrompt(f"{n:03d}-{side}", text, find_mentions(text, VOCABULARY), pair_id=f"{n:03d}", changed=changed,
                      states=side)
        for n in range(200)
        for side, text in ((False, without), (True, with_glasses))
    ]  # fmt: skip
    listens = [image(one, "listens", {"eyeglasses": bool(rng.random() < (0.9 if one.states else 0.3))}) for one in plan]
    deaf = [image(one, "deaf", {"eyeglasses": bool(rng.random() < 0.9)}) for one in plan]
    measures = measure_all(evaluated(plan, deaf, listens))
    heard = the(measures, "effect of the word", model="listens", finding="eyeglasses")
    assert heard.low < 0.6 < heard.high
    assert heard.p_adjusted < 1e-6
    ignored = the(measures, "effect of the word", model="deaf", finding="eyeglasses")
    assert ignored.low < 0 < ignored.high
    assert the(measures, "counterfactual preference", model="listens").low > 0.85
    adherence = [the(measures, "adherence", model=model, finding="eyeglasses").value for model in ("deaf", "listens")]
    assert adherence == pytest.approx([0.9, 0.9], abs=0.06)  # which cannot tell them apart


def test_a_model_that_fails_one_group_has_a_gap_and_a_fair_one_its_null_value():
    rng = random.Random(4)
    people = [person(rng) for _ in range(300)]
    plan = planned(people)

    def drawn(model: str, chance) -> list[GradedImage]:
        return [
            image(prompt, model, one if rng.random() < chance(one) else {**one, "emotion": "anger", "eyeglasses": None})
            for prompt, one in zip(plan, people, strict=True)
        ]

    measures = measure_all(
        evaluated(
            plan, drawn("fair", lambda _: 0.7), drawn("unfair", lambda one: 0.95 if one["gender"] == "male" else 0.2)
        )
    )
    fair, unfair = (the(measures, "adherence gap", model=model, finding="gender") for model in ("fair", "unfair"))
    assert unfair.p_adjusted < 0.02 < fair.p
    assert unfair.value > 3 * fair.value
    groups = [
        one for one in measures if one.name == "adherence by group" and one.finding == "cell" and one.model == "fair"
    ]
    assert all(one.note for one in groups if one.n < 30)


def test_groups_follow_what_the_text_states():
    assert group_of(find_mentions("A 34-year-old Black woman.", VOCABULARY)) == {
        "age": "20 to 39", "gender": "female", "ethnicity": "black",
    }  # fmt: skip
    assert group_of(find_mentions("A teenage boy.", VOCABULARY)) == {"age": "13 to 19", "gender": "male"}
    assert group_of(find_mentions("An elderly person.", VOCABULARY)) == {"age": "60 and over"}
    assert group_of(()) == {}


def test_what_is_drawn_unasked_stands_next_to_what_chance_would_draw():
    plan = [PlannedPrompt("0", "A photo of a person's face.")]
    images = [image(plan[0], "m", {"gender": "female" if n < 7 else "male"}, n) for n in range(8)]
    measures = measure_all(evaluated(plan, images))
    assert the(measures, "share unasked", finding="gender", group="female").value == 7 / 8
    imbalance = the(measures, "gender imbalance unasked", finding="gender")
    assert imbalance.value == 3 / 8
    assert "0.137" in imbalance.note


def test_retrieval_by_chance_succeeds_once_in_a_hundred():
    rng = np.random.default_rng(0)
    found = retrieve(rng.random((2000, 300)), rng.integers(0, 300, 2000), np.arange(300))
    assert found.mean() == pytest.approx(0.01, abs=0.007)


def test_what_an_option_of_a_grader_leaves_out_is_not_judged():
    rng = random.Random(5)
    people = [person(rng) for _ in range(25)]
    plan = planned(people)
    images = [image(prompt, "m", {"gender": one["gender"]}) for prompt, one in zip(plan, people, strict=True)]
    evaluation = evaluated(plan, images)
    assert evaluation.graders[0].provides == ("gender",)
    assert "ethnicity" in evaluation.graders[0].silent
    assert the(measure_all(evaluation), "adherence").value == 1
    few = evaluated(plan[:5], images[:5])  # too few to know: they are abstentions
    assert few.graders[0].silent == ()
    assert the(measure_all(few), "adherence").value == 1 / 5
