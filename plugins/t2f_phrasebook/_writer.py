"""The fuser: draws a subject and a sentence plan for each caption from the request's seed."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence

from jinja2 import Template

from text2face_core.contracts import Fuser, FusionRequest
from text2face_core.errors import UsageError
from text2face_core.language import FILTERS, Grammar, Vocabulary, as_sentences, series
from text2face_core.records import Bag
from text2face_core.utils import environment

from ._clauses import choppy, group_by_role, join_adjectives, modifiers, predicates, runs, share
from ._subject import subjects

SENTENCES = ("short", "long")
STYLES = (*SENTENCES, "tags")
SHORT = 12  # words that a short caption has if its bag allows
_ROUNDS = 12  # of all plans, until a short caption is short
_TRIES = 6  # draws for each text that should differ from the others


class Phrasebook(Fuser):
    """Captions that mention every item of a bag once, and nothing else.

    Findings of F1 keep the bag's order. Those of F2 are grouped by how they are attached, so that no verb is repeated
    ("has bangs and a big nose and wears a hat"); groups, and findings in a group, keep the bag's order.
    Adjectives of the same noun are joined: "long black hair".

    A sentence plan is a template in templates/phrasebook/STYLE. It renders to nothing if it does not suit a bag, and
    then another is tried; each folder has a plan that always fits. Tags have no plan: phrases with commas between.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        jinja = environment("phrasebook", filters=FILTERS)
        names = jinja.list_templates(extensions=["j2"])
        self._plans = {
            style: [jinja.get_template(name) for name in names if name.startswith(f"{style}/")] for style in SENTENCES
        }
        self._no_one = jinja.get_template("no-one.j2")

    def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
        """`count` texts each, as different as the bag allows. Raises UsageError for an unknown style."""
        return [self._texts(request) for request in requests]

    def _texts(self, request: FusionRequest) -> list[str]:
        if request.style not in STYLES:
            raise UsageError(f'phrasebook writes the styles {series(STYLES)}, not "{request.style}"')
        rng = random.Random(request.seed)
        texts: list[str] = []
        for _ in range(_TRIES * request.count):
            text = self._write(request.bag, request.style, rng)
            if text not in texts:
                texts.append(text)
            if len(texts) == request.count:
                return texts
        return [texts[number % len(texts)] for number in range(request.count)]

    def _write(self, bag: Bag, style: str, rng: random.Random) -> str:
        first, details, photo = (
            [self._vocabulary.grammar(item.name, item.value, item.phrase) for item in bag.at(level)]
            for level in ("F1", "F2", "photo")
        )
        if style == "tags":
            return _tags([*first, *details], photo, rng)
        pronoun = next((word.pronoun for word in first if word.pronoun), "they")
        plans: list[Template] = self._plans[style] if first or details else [self._no_one]
        details = join_adjectives(group_by_role(details))
        choices = subjects(first, details, sentences=style == "long")
        subject = rng.choice(choices)
        texts: list[str] = []
        rounds = _ROUNDS if style == "short" else 1
        for plan in itertools.chain.from_iterable(rng.sample(plans, len(plans)) for _ in range(rounds)):
            text = plan.render(
                subject=subject,
                pronoun=pronoun,
                photo=[word.text for word in photo],
                pick=lambda *choices: rng.choice(choices),
                choppy=choppy,
                modifiers=modifiers,
                predicates=predicates,
                runs=runs,
                share=share,
            )
            if text.strip():
                texts.append(as_sentences(text))
                if style != "short" or len(texts[-1].split()) <= SHORT:
                    return texts[-1]
                subject = rng.choice(choices)
        if texts:
            return texts[0]
        raise AssertionError(f"no plan of the style {style} fits {bag}")


def _tags(words: Sequence[Grammar], photo: Sequence[Grammar], rng: random.Random) -> str:
    """A line of tags, without articles: "woman, 34 years old, big nose, blurry photo"."""
    noun = rng.choice(("photo", "image", "picture"))
    tags = [re.sub(r"^an? ", "", word.text) for word in words] or ["person"]
    return ", ".join([*tags, *(f"{word.text} {noun}" for word in photo)])
