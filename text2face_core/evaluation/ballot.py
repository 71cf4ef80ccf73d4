"""The ballot of a vote: which images people compare, which statements they check, and the page that asks.

People see letters, never models. Which image stands on which side, and the order of questions, is drawn in the browser
for each rater. A tenth of the questions comes twice, with sides swapped, and a few only check attention. Design: Otani
et al., CVPR 2023 (arXiv 2304.01816).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..language.fidelity import Mention
from ..utils import environment, random_stream, templates
from .records import PHOTOS, GradedImage, PlannedPrompt

SIDE = 448
"""Of the page's images, in pixels."""
REPEATED = 0.1
ATTENTION_EVERY = 25
"""A question in which the answer is given, for so many others."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the ballot.

    Attributes:
        question_id: Unique within the ballot; says nothing about the models.
        kind: "pair", "statement" or "attention".
        text: The prompt that both images were generated from; or the statement that one image is checked for.
        images: Numbers of the page's images: two of a pair, one of a statement.
        prompt_id: The prompt.
        image_ids: The images in the order of `images`; never in the page.
        finding: Of a statement, what it is about.
        wanted: Of a statement, what the prompt states.
    """

    question_id: str
    kind: str
    text: str
    images: tuple[int, ...]
    prompt_id: str
    image_ids: tuple[str, ...]
    finding: str = ""
    wanted: str = ""


def draw_questions(
    images: Sequence[GradedImage],
    prompts: Mapping[str, PlannedPrompt],
    models: Sequence[str],
    pairs: int = 40,
    statements: int = 20,
    seed: int = 0,
) -> list[Question]:
    """Draw questions: pairs of different models' images of the same prompt, and statements about single images.

    With more than two models every two of them are compared equally often. Real photos are not compared.
    """
    names = [model for model in models if model != PHOTOS]
    usable = {(one.model, one.prompt_id, one.seed): one for one in images if one.path and one.status != "failed"}
    random = random_stream(seed, "ballot")
    numbers: dict[str, int] = {}

    def number(image: GradedImage) -> int:
        return numbers.setdefault(image.image_id, len(numbers))

    questions: list[Question] = []
    matches = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    for place, (a, b) in enumerate(matches):
        share = pairs // len(matches) + (place < pairs % len(matches))
        found = [
            (one, usable[b, one.prompt_id, one.seed])
            for (model, _, _), one in sorted(usable.items())
            if model == a and (b, one.prompt_id, one.seed) in usable
        ]
        for one, other in random.sample(found, min(share, len(found))):
            both = [one, other]
            random.shuffle(both)
            questions.append(
                Question(
                    f"p{len(questions):03d}",
                    "pair",
                    prompts[one.prompt_id].text,
                    tuple(number(image) for image in both),
                    one.prompt_id,
                    tuple(image.image_id for image in both),
                )
            )
    stated = [
        (image, mention)
        for _, image in sorted(usable.items())
        if image.model in names and image.status == "ok"
        for mention in prompts[image.prompt_id].mentions
    ]
    for image, mention in random.sample(stated, min(statements, len(stated))):
        questions.append(
            Question(
                f"s{len(questions):03d}",
                "statement",
                ask(mention),
                (number(image),),
                image.prompt_id,
                (image.image_id,),
                mention.name,
                mention.wanted,
            )
        )
    return questions


def ask(mention: Mention) -> str:
    """The statement as a question for people.

    >>> ask(Mention("eyeglasses", (("eyeglasses", "false"),))), ask(Mention("age", age=(30.0, 39.0)))
    ('Is this right? “no eyeglasses”', 'Is this right? “age 30 to 39”')
    """
    name, wanted = mention.name.replace("_", " "), mention.wanted.replace("_", " ").replace("=", " ")
    first, _, others = wanted.partition(" or ")
    stated = {"yes": name, "no": f"no {name}"}.get(first, f"{name} {first}")
    return f"Is this right? “{stated}{f' or {others}' if others else ''}”"


def render_ballot(questions: Sequence[Question], paths: Mapping[str, Path], title: str, ballot_id: str) -> str:
    """The page's HTML, with all images; it needs no network. paths: the file of each image."""
    from markupsafe import Markup

    order: dict[int, str] = {}
    for one in questions:
        order |= dict(zip(one.images, one.image_ids, strict=True))
    data = {
        "ballot": ballot_id,
        "title": title,
        "repeated": REPEATED,
        "attentionEvery": ATTENTION_EVERY,
        "questions": [
            {"id": one.question_id, "kind": one.kind, "text": one.text, "images": one.images} for one in questions
        ],
        "images": [_picture(paths[order[number]]) for number in sorted(order)],
    }
    folder = templates()
    style = "".join(
        (folder / place).read_text(encoding="utf-8") for place in ("report/report.css", "evaluation/vote.css")
    )
    script = (folder / "evaluation" / "vote.js").read_text(encoding="utf-8")
    # "<" inside a script would let a prompt end it
    content = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    hashes = {
        f"{name}_hash": "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in (("style", style), ("script", script))
    }
    jinja = environment("evaluation", html=True, trim_blocks=True, lstrip_blocks=True)
    return str(
        jinja.get_template("vote.html.j2").render(
            title=title,
            style=Markup(style),  # noqa: S704  ours
            script=Markup(script),  # noqa: S704  ours
            data=Markup(content),  # noqa: S704  escaped above
            **hashes,
        )
    )


def key_of(questions: Sequence[Question], models: Mapping[str, str]) -> list[dict[str, object]]:
    """What the page must not tell: which image of which model is behind each question. models: by image id."""
    return [{**asdict(one), "models": [models[image] for image in one.image_ids]} for one in questions]


def _picture(path: Path) -> str:
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
        image.thumbnail((SIDE, SIDE))
        content = io.BytesIO()
        image.save(content, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
