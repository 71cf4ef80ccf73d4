"""Every measure of an evaluation, and the sentence that sums it up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..language.fidelity import observed_keys
from .judging import is_from, judge_images
from .metrics.adherence import EYES, measure_adherence
from .metrics.ages import measure_ages
from .metrics.anchors import measure_floor
from .metrics.counterfactual import measure_effects
from .metrics.faces import measure_faces
from .metrics.fairness import measure_groups, measure_unasked
from .metrics.macro import measure_macro
from .metrics.retrieval import measure_retrieval
from .records import PHOTOS, Evaluation, GradedImage, Grader, Measure, PlannedPrompt
from .verdicts import collect_verdicts

if TYPE_CHECKING:
    from ..language import Vocabulary

LEAST_FACES = 20

METRICS: tuple[Callable[[Evaluation], list[Measure]], ...] = (
    measure_adherence,
    measure_floor,
    measure_macro,
    measure_retrieval,
    measure_effects,
    measure_faces,
    measure_ages,
    measure_groups,
    measure_unasked,
)


def judge_all(
    plan: Sequence[PlannedPrompt],
    images: Sequence[GradedImage],
    graders: Sequence[Grader],
    models: Sequence[str],
    vocabulary: Vocabulary,
) -> Evaluation:
    """Judge all images of all models, by what each grader is able to observe here."""
    graders = [observing(grader, images, vocabulary) for grader in graders]
    prompts = {one.prompt_id: one for one in plan}
    verdicts = {}
    for eyes in EYES:
        if mine := [grader for grader in graders if grader.eyes == eyes]:
            for model in models:
                own = [one for one in images if one.model == model]
                verdicts[model, eyes] = collect_verdicts(own, prompts, mine, vocabulary)
    judgements = tuple(judge_images(images, prompts, graders, vocabulary))
    return Evaluation(prompts, tuple(images), judgements, tuple(graders), tuple(models), verdicts)


def observing(grader: Grader, images: Sequence[GradedImage], vocabulary: Vocabulary) -> Grader:
    """The grader without what it declares but never reported on 20 or more faces: its options leave that out.

    Counting that as abstentions would blame the models. `silent` names what was taken out.
    """
    faces = [one for one in images if one.status == "ok"]
    if len(faces) < LEAST_FACES:
        return grader
    own = [finding for image in faces for finding in image.findings if is_from(finding, grader.name)]
    seen = {finding.name for finding in own}
    seen |= {key[0] for finding in own if (key := observed_keys(finding, vocabulary))}
    silent = tuple(name for name in grader.provides if name not in seen)
    return replace(grader, provides=tuple(name for name in grader.provides if name in seen), silent=silent)


def measure_all(evaluation: Evaluation) -> list[Measure]:
    """All metrics that need nothing but the records."""
    return [measure for metric in METRICS for measure in metric(evaluation)]


def headline(evaluation: Evaluation, measures: list[Measure]) -> str:
    """What was found, in a sentence or two, by graders that labelled nothing; says so if there are none."""
    models = [model for model in evaluation.models if model != PHOTOS]
    overall = {
        (one.model, one.eyes): one for one in measures if one.name == "adherence" and not one.finding and not one.group
    }
    if not any(eyes == "other" for _, eyes in overall):
        known = any(grader.eyes != "unknown" for grader in evaluation.graders)
        why = (
            "every grader that could judge also labelled the training photos"
            if known
            else "it is not known which models labelled the training photos (name the run with --labelled-by)"
        )
        lines = [f"No independent figure: {why}."]
        lines += [
            f"{model}: {_share(one)} of what prompts state, {eyes} eyes." for (model, eyes), one in overall.items()
        ]
        return " ".join(lines) if overall else "Nothing was judged: no grader observes what the prompts state."
    parts = [
        f"{model} drew {_share(one)} of {one.n:,} stated findings"
        for model in models
        if (one := overall.get((model, "other")))
    ]
    text = "; ".join(parts) + " (other eyes)." if parts else ""
    for one in measures:
        if one.name == "adherence difference" and one.eyes == "other" and not one.finding:
            text += f" {one.model}: {100 * one.value:+.1f} points ({100 * one.low:.1f} to {100 * one.high:.1f})."
    if ceiling := overall.get((PHOTOS, "other")):
        text += f" Of the real photos graders confirm {_share(ceiling)}."
    return text.strip()


def _share(one: Measure) -> str:
    return f"{100 * one.value:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"
