"""Verdicts on every image for every statement of the plan, whether its own prompt states it or not.

What a prompt would score on another prompt's image is the floor of adherence, and what caption retrieval ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..language import Vocabulary
from ..language.fidelity import Mention
from .judging import can_judge, judge, observe
from .records import GradedImage, Grader, PlannedPrompt
from .statistics import Floats


@dataclass(frozen=True)
class Verdicts:
    """Agreement of images with statements, as the mean verdict of the graders.

    Attributes:
        images: N images.
        prompts: P prompts, sorted by id.
        mentions: M distinct statements of all prompts that a grader can judge.
        agreement: (N, M), 0 to 1; abstentions and images without one usable face are 0.
    """

    images: tuple[GradedImage, ...]
    prompts: tuple[PlannedPrompt, ...]
    mentions: tuple[Mention, ...]
    agreement: Floats

    @cached_property
    def states(self) -> Floats:
        """(P, M): 1 if the prompt makes the statement."""
        column = {mention: number for number, mention in enumerate(self.mentions)}
        found = np.zeros((len(self.prompts), len(self.mentions)))
        for row, prompt in enumerate(self.prompts):
            found[row, [column[one] for one in prompt.mentions if one in column]] = 1
        return found

    @cached_property
    def own(self) -> npt.NDArray[np.intp]:
        """(N,): the number of each image's prompt."""
        place = {one.prompt_id: number for number, one in enumerate(self.prompts)}
        return np.array([place[one.prompt_id] for one in self.images], np.intp)

    def with_prompts(self, prompts: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
        """(hits, totals), each (N,), if image i had been generated from prompt `prompts[i]`."""
        states = self.states[prompts]
        return (self.agreement * states).sum(axis=1), states.sum(axis=1)


def collect_verdicts(
    images: Sequence[GradedImage],
    prompts: Mapping[str, PlannedPrompt],
    graders: Sequence[Grader],
    vocabulary: Vocabulary,
) -> Verdicts:
    """Judge every image for every statement; graders that cannot judge a statement have no say in it."""
    listed = tuple(prompts[prompt_id] for prompt_id in sorted(prompts))
    stated = dict.fromkeys(mention for prompt in listed for mention in prompt.mentions)
    able = {one: [grader for grader in graders if can_judge(grader, one)] for one in stated}
    mentions = tuple(one for one in stated if able[one])
    agreement = np.zeros((len(images), len(mentions)))
    for row, image in enumerate(images):
        if image.status != "ok":
            continue
        seen = {grader.name: observe(image, grader, vocabulary) for grader in graders}
        for column, mention in enumerate(mentions):
            found = [bool(judge(image, mention, one, seen[one.name]).agrees) for one in able[mention]]
            agreement[row, column] = sum(found) / len(found)
    return Verdicts(tuple(images), listed, mentions, agreement)
