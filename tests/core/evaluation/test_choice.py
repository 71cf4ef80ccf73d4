"""Which checkpoint to keep: the earliest that is not shown to be worse, reported on prompts that did not choose it."""

import random
from dataclasses import replace

from support.evaluations import evaluated, image, person, planned

from text2face_core.evaluation import choose_model


def checkpoints(*shares, n=200, luck=None):
    """Models that draw so much of what prompts state; `luck`: of split A only, for the last model."""
    rng = random.Random(1)
    people = [person(rng) for _ in range(n)]
    plan = [replace(one, split="AB"[number % 2]) for number, one in enumerate(planned(people))]
    sets = []
    for place, share in enumerate(shares):
        made = []
        for prompt, one in zip(plan, people, strict=True):
            lucky = luck is not None and place == len(shares) - 1 and prompt.split == "A"
            drawn = one if rng.random() < (luck if lucky else share) else person(rng)
            made.append(image(prompt, f"step-{place}", drawn))
        sets.append(made)
    return evaluated(plan, *sets)


def test_the_earliest_checkpoint_that_reaches_the_best_is_proposed():
    choice = choose_model(checkpoints(0.2, 0.9, 0.92))
    assert choice.model == "step-1"
    assert choice.chosen_on.high >= 0.9
    assert "step-1" in choice.sentence()


def test_a_clearly_better_last_checkpoint_is_proposed():
    choice = choose_model(checkpoints(0.2, 0.4, 0.95))
    assert choice.model == choice.best == "step-2"


def test_luck_on_the_prompts_that_chose_does_not_reach_the_report():
    choice = choose_model(checkpoints(0.3, 0.3, luck=1.0))
    assert choice.model == "step-1"
    assert choice.chosen_on.value == 1
    assert choice.reported_on.high < 0.9


def test_base_and_photos_are_not_chosen():
    evaluation = checkpoints(0.5)
    renamed = [replace(one, model="base") for one in evaluation.images]
    assert choose_model(evaluated(list(evaluation.prompts.values()), renamed)) is None
