"""Evaluations of people without images: findings as a generator of known behaviour would show them."""

from __future__ import annotations

import random
from collections.abc import Sequence

from text2face_core.evaluation.measuring import judge_all
from text2face_core.evaluation.records import Evaluation, GradedImage, Grader, PlannedPrompt
from text2face_core.language import Vocabulary
from text2face_core.language.fidelity import find_mentions
from text2face_core.records import Finding

VOCABULARY = Vocabulary.load()
GRADER = Grader("eye", ("age", "gender", "ethnicity", "eyeglasses", "emotion"), "other")
GENDERS = {"female": "woman", "male": "man"}
ETHNICITIES = {"asian": "Asian", "black": "Black", "white": "white"}
LOOKS = {"happiness": "looks happy", "sadness": "looks sad", "neutral": "has a neutral expression"}

Person = dict[str, str | float | bool]


def person(rng: random.Random) -> Person:
    return {
        "age": float(rng.randint(20, 80)),
        "gender": rng.choice(list(GENDERS)),
        "ethnicity": rng.choice(list(ETHNICITIES)),
        "eyeglasses": rng.random() < 0.5,
        "emotion": rng.choice(list(LOOKS)),
    }


def text_of(one: Person) -> str:
    glasses = "with glasses" if one["eyeglasses"] else "without glasses"
    noun = f"{ETHNICITIES[one['ethnicity']]} {GENDERS[one['gender']]}"
    return f"A {one['age']:.0f}-year-old {noun} {glasses} who {LOOKS[one['emotion']]}."


def planned(people: Sequence[Person]) -> list[PlannedPrompt]:
    texts = map(text_of, people)
    return [PlannedPrompt(f"{n:04d}", text, find_mentions(text, VOCABULARY)) for n, text in enumerate(texts)]


def image(prompt: PlannedPrompt, model: str, shown: Person, number: int = 0, **about) -> GradedImage:
    findings = tuple(Finding(name, value, 0.9, "eye") for name, value in shown.items())
    name = f"{model}/{prompt.prompt_id}-{number}"
    return GradedImage(name, prompt.prompt_id, model, number, "", findings=findings, **about)


def evaluated(plan: Sequence[PlannedPrompt], *sets: Sequence[GradedImage], graders=(GRADER,)) -> Evaluation:
    images = [one for images in sets for one in images]
    return judge_all(plan, images, graders, list(dict.fromkeys(one.model for one in images)), VOCABULARY)
