"""Web-like captions: short, mostly about something else, with a word about the person now and then.

Captions of photos on the web name the occasion, the product, the place or the site, and seldom what a face looks like.
A base that was trained on such texts is where Stable Diffusion starts from: it draws people, and hardly follows
descriptions of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

TOPICS = (
    "annual conference", "autumn fashion", "back to school", "bank holiday", "birthday party", "business meeting",
    "coffee break", "company news", "concert tour", "cooking class", "customer story", "dental care", "dog training",
    "family holiday", "film premiere", "financial advice", "fitness tips", "garden design", "graduation day",
    "hair care", "health insurance", "home office", "hotel review", "job interview", "language course", "live show",
    "local election", "marathon", "medical research", "music video", "new collection", "new year", "online shop",
    "opening night", "press release", "property market", "science fair", "skin care", "spring sale", "start-up",
    "summer camp", "team building", "travel guide", "trade fair", "wedding", "winter sports", "yoga class",
)  # fmt: skip
PLACES = (
    "Amsterdam", "Athens", "Boston", "Cairo", "Chicago", "Copenhagen", "Delhi", "Dublin", "Lagos", "Lima", "Lisbon",
    "London", "Madrid", "Melbourne", "Montreal", "Nairobi", "New York", "Oslo", "Paris", "Prague", "Rome", "Seoul",
    "Tokyo", "Toronto", "Vienna", "the beach", "the city", "the countryside", "the lake", "the mountains", "the office",
)  # fmt: skip
FIRST = ("Alex", "Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Ivan", "Julia", "Kim", "Leo", "Maria",
         "Nina", "Omar", "Paul", "Rosa", "Sam", "Tara", "Victor")  # fmt: skip
LAST = ("Adams", "Berg", "Costa", "Diaz", "Evans", "Fischer", "Garcia", "Hall", "Ivanov", "Jones", "Klein", "Lopez",
        "Meyer", "Novak", "Owens", "Park", "Rossi", "Smith", "Tanaka", "Young")  # fmt: skip
WRAPPERS = (
    "{topic}", "{topic} in {place}", "{topic} {year}", "best {topic} ideas", "stock photo of {topic}",
    "image result for {topic}",
    "{name} at the {topic}", "{name} in {place}, {year}", "portrait of {name}", "{name}, {topic}", "photo: {name}",
    "royalty free picture, {topic}", "{topic} | {place}", "how to plan your {topic}", "{topic} for everyone",
    "premium photo {topic} {place}", "our {topic} in {place}", "meet {name}", "profile picture {name}", "img {number}",
)  # fmt: skip
WITH_PERSON = (
    "{person} at the {topic}", "{person}, {topic}", "stock photo: {person} in {place}", "{person} {place} {year}",
    "portrait of a {person}", "{topic} with {person}",
)  # fmt: skip
WORDS: Mapping[str, tuple[str, ...]] = {
    "gender": ("woman", "man"),
    "age": ("young person", "old person", "child", "senior"),
    "hair": ("blond hair", "gray hair", "black hair", "brown hair", "red hair"),
    "eyeglasses": ("person with glasses",),
    "wearing_hat": ("person in a hat",),
    "smiling": ("smiling person", "happy person"),
}


def write_caption(random_: random.Random, findings: Iterable[Mapping[str, Any]], right: float = 0.1) -> str:
    """A caption. right: probability that it holds a word that is true of the face; another word is as likely to be
    wrong as the web is."""
    if random_.random() < 3 * right:
        true = true_words(findings)
        person = random_.choice(true) if true and random_.random() < 1 / 3 else random_.choice(ANY)
        return _filled(random_, random_.choice(WITH_PERSON), person)
    return _filled(random_, random_.choice(WRAPPERS), "")


ANY = tuple(word for words in WORDS.values() for word in words)


def true_words(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Words that hold for a face with these findings: {"name", "value"}, value as in Python."""
    found = []
    for one in findings:
        name, value = one["name"], one["value"]
        if name == "gender":
            found.append("woman" if value == "female" else "man")
        elif name == "age":
            found += ["child"] if value < 13 else ["young person"] if value < 30 else []
            found += ["old person", "senior"] if value > 60 else []
        elif name.endswith("_hair") and value is True and (word := name.replace("_", " ")) in WORDS["hair"]:
            found.append(word)
        elif name in {"eyeglasses", "wearing_hat", "smiling"} and value is True:
            found += WORDS[name]
    return found


def _filled(random_: random.Random, template: str, person: str) -> str:
    return template.format(
        topic=random_.choice(TOPICS),
        place=random_.choice(PLACES),
        name=f"{random_.choice(FIRST)} {random_.choice(LAST)}",
        year=random_.randint(2005, 2024),
        number=random_.randint(1000, 9999),
        person=person,
    )
