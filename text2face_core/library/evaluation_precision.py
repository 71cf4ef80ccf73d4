"""How many images a figure of a given precision takes, and how long it takes to generate them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from ..errors import NothingToDo
from ..evaluation import can_judge, images_for_precision
from ..recipe import Recipe
from .evaluation import require_scipy
from .evaluation_images import generate_model, make_plan, model_names
from .evaluation_setup import Setup
from .images import GenerationSession, GenerationSettings

WORST, GOOD = 0.5, 0.8
"""True shares for which the need is stated: the one that needs most, and what a good model reaches."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a precision takes.

    Attributes:
        half: Half the width of the 95 % interval that is wanted.
        prompts: Prompts of the plan.
        per_image: Statements of an image that the graders can judge, on average.
        images: Images per model for adherence over all statements, if half of them are drawn.
        images_if_good: The same, if 80 % are drawn.
        per_finding: Images per model for the adherence of each finding.
        seconds: Per image and model; None if no model was named.
    """

    half: float
    prompts: int
    per_image: float
    images: int
    images_if_good: int
    per_finding: dict[str, int]
    seconds: dict[str, float] | None = None

    def lines(self) -> list[str]:
        """For people."""
        said = [
            f"Adherence to ± {100 * self.half:g} points takes {self.images:,} images per model "
            f"({self.images_if_good:,} if four of five statements are drawn): {self.per_image:.1f} statements per "
            "image can be judged.",
            f"The plan has {self.prompts:,} prompts: {max(1, ceil(self.images / self.prompts))} images per prompt. "
            "Images of one prompt resemble each other, so that more prompts are better than more images.",
        ]
        dear = sorted(self.per_finding.items(), key=lambda one: -one[1])[:3]
        if dear:
            shown = ", ".join(f"{name} {count:,}" for name, count in dear)
            said.append(f"For single findings up to: {shown} images.")
        for model, seconds in (self.seconds or {}).items():
            hours = self.images * seconds / 3600
            said.append(f"{model}: {seconds:.1f} s per image, {hours:.1f} hours for {self.images:,}.")
        return said


def estimate_precision(
    half: float,
    models: Sequence[str] = (),
    /,
    *,
    out: str | Path,
    plan: str = "balanced",
    graders: str | Sequence[str] = (),
    recipe: str | Path | Recipe = "starter",
    limit: int | None = None,
    plan_seed: int = 0,
    settings: Iterable[str] = (),
    trust: bool = False,
    **generation: Any,
) -> Estimate:
    """Estimate what a precision takes, as `t2f evaluate --precision` does.

    Statements count as independent, which is right for one image per prompt. If models are named, each generates two
    images of the plan into `out`; the second is timed.

    Raises:
        NothingToDo: No grader can judge what the plan states.
    """
    require_scipy()
    setup = Setup(Path(out), GenerationSettings(**generation), recipe, graders, (), settings, [], trust=trust)
    prompts, _ = make_plan(setup, plan, limit, plan_seed)
    described = setup.describe_graders()
    judged = [
        [one.name for one in prompt.mentions if any(can_judge(grader, one) for grader in described)]
        for prompt in prompts
    ]
    total = sum(map(len, judged))
    if not total:
        raise NothingToDo("no grader observes what the prompts of this plan state")
    worst, good = (images_for_precision(half, share) for share in (WORST, GOOD))
    counts = Counter(name for names in judged for name in set(names))
    seconds = {
        name: _time(setup, model, name, prompts) for model, name in zip(models, model_names(models), strict=True)
    }
    return Estimate(
        half,
        len(prompts),
        total / len(prompts),
        ceil(worst * len(prompts) / total),
        ceil(good * len(prompts) / total),
        {name: ceil(worst * len(prompts) / count) for name, count in counts.items()},
        seconds or None,
    )


def _time(setup: Setup, model: str, name: str, prompts: Sequence[Any]) -> float:
    """Seconds of an image after the first, which loads the model."""
    session = GenerationSession(model, setup.generation)
    generate_model(setup, model, name, prompts[:1], 1, session)
    start = time.perf_counter()
    generate_model(setup, model, name, prompts[:2], 1, session)
    return time.perf_counter() - start
