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
        for mention, states in _statements(prompt):
            for grader in graders:
                if can_judge(grader, mention):
                    yield judge(image, mention, grader, vocabulary, states=states)


def can_judge(grader: Grader, mention: Mention) -> bool:
    """Whether the grader observes a finding that decides the statement, and can tell the value that is stated."""
    if mention.age:
        return "age" in grader.provides
    return any(
        name in grader.provides and (name not in grader.decides or value in grader.decides[name])
        for name, value in mention.values
    )


def judge(
    image: GradedImage, mention: Mention, grader: Grader, vocabulary: Vocabulary, *, states: bool = True
) -> Judgement:
    """A grader's verdict on a statement."""
    about = (image.image_id, image.prompt_id, image.model, mention.name, mention.wanted, states)
    if image.status != "ok":
        return Judgement(*about, grader.name, grader.eyes, None, 0.0, agrees=False, form=mention.form)
    own = [finding for finding in image.findings if is_from(finding, grader.name)]
    if mention.age:
        return _judge_age(about, mention, grader, own)
    relevant = [
        (key, finding)
        for finding in own
        if (key := observed_keys(finding, vocabulary)) is not None and key[0] in mention.names
    ]
    if not relevant:
        return Judgement(*about, grader.name, grader.eyes, None, 0.0, agrees=None)
    # Of several values of one finding (two emotions), the most certain one is what is seen.
    best: dict[str, tuple[tuple[str, str], Finding]] = {}
    for key, finding in relevant:
        if key[0] not in best or finding.score > best[key[0]][1].score:
            best[key[0]] = key, finding
    agreeing = [finding for key, finding in best.values() if key in mention.values]
    shown = agreeing[0] if agreeing else best.get(mention.name, next(iter(best.values())))[1]
    return Judgement(*about, grader.name, grader.eyes, shown.value, shown.score, agrees=bool(agreeing))


def _judge_age(
    about: tuple[str, str, str, str, str, bool], mention: Mention, grader: Grader, own: list[Finding]
) -> Judgement:
    ages = [one for one in own if one.name == "age" and isinstance(one.value, int | float)]
    if not ages:
        return Judgement(*about, grader.name, grader.eyes, None, 0.0, agrees=None, form=mention.form)
    seen = ages[0]
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
