"""Judgements: compare what graders found on an image with what its prompt states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..language.fidelity import Mention, observed_keys
from ..records import Finding
from .records import GradedImage, Grader, Judgement, PlannedPrompt

if TYPE_CHECKING:
    from ..language import Vocabulary


def judge_images(
    images: Iterable[GradedImage],
    prompts: Mapping[str, PlannedPrompt],
    graders: Sequence[Grader],
    vocabulary: Vocabulary,
) -> Iterator[Judgement]:
    """Every verdict of every grader that can observe what a prompt states.

    Only what the text mentions is judged, so that a caption's omissions are not blamed on the generating model. An
    image without exactly one usable face agrees with nothing. Both sides of a counterfactual pair are judged for the
    finding that differs.
    """
    for image in images:
        prompt = prompts[image.prompt_id]
        seen = [observe(image, grader, vocabulary) for grader in graders]
        for mention, states in _statements(prompt):
            for grader, own in zip(graders, seen, strict=True):
                if can_judge(grader, mention):
                    yield judge(image, mention, grader, own, states=states)


def can_judge(grader: Grader, mention: Mention) -> bool:
    """Whether the grader observes a finding that decides the statement, and can tell the value that is stated."""
    if mention.age:
        return "age" in grader.provides
    return any(
        name in grader.provides and (name not in grader.decides or value in grader.decides[name])
        for name, value in mention.values
    )


Observed = Mapping[str, tuple[str, Finding]]
"""What a grader saw on an image: of each finding the surest value, as its key, and the finding itself."""


def observe(image: GradedImage, grader: Grader, vocabulary: Vocabulary) -> Observed:
    """What a grader saw. Of several values of one finding (two emotions), the most certain is what is seen."""
    best: dict[str, tuple[str, Finding]] = {}
    for finding in image.findings:
        if not is_from(finding, grader.name):
            continue
        if finding.name == "age" and isinstance(finding.value, int | float):
            best.setdefault("age", ("", finding))
        elif (key := observed_keys(finding, vocabulary)) is not None and (
            key[0] not in best or finding.score > best[key[0]][1].score
        ):
            best[key[0]] = key[1], finding
    return best


def judge(image: GradedImage, mention: Mention, grader: Grader, own: Observed, *, states: bool = True) -> Judgement:
    """A grader's verdict on a statement, given what it observed on the image."""
    about = (image.image_id, image.prompt_id, image.model, mention.name, mention.wanted, states)
    if image.status != "ok":
        return Judgement(*about, grader.name, grader.eyes, None, 0.0, agrees=False, form=mention.form)
    if mention.age:
        return _judge_age(about, mention, grader, own)
    relevant = {name: own[name] for name in mention.names if name in own}
    if not relevant:
        return Judgement(*about, grader.name, grader.eyes, None, 0.0, agrees=None)
    agreeing = [finding for name, (value, finding) in relevant.items() if (name, value) in mention.values]
    shown = agreeing[0] if agreeing else next(iter(relevant.values()))[1]  # the statement's own finding comes first
    return Judgement(*about, grader.name, grader.eyes, shown.value, shown.score, agrees=bool(agreeing))


def _judge_age(
    about: tuple[str, str, str, str, str, bool], mention: Mention, grader: Grader, own: Observed
) -> Judgement:
    if "age" not in own:
        return Judgement(*about, grader.name, grader.eyes, None, 0.0, agrees=None, form=mention.form)
    seen = own["age"][1]
    years = float(seen.value)
    return Judgement(
        *about,
        grader.name,
        grader.eyes,
        years,
        seen.score,
        mention.allows(years),
        mention.years_off(years),
        mention.form,
    )


def _statements(prompt: PlannedPrompt) -> Iterator[tuple[Mention, bool]]:
    for mention in prompt.mentions:
        yield mention, True
    if prompt.changed and not prompt.states:
        yield prompt.changed, False


def is_from(finding: Finding, grader: str) -> bool:
    """Whether a grader reported the finding."""
    return finding.source == grader or finding.source.startswith(f"{grader}.")
