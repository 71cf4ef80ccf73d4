"""Caption retrieval: is the prompt of an image found among 99 others by what graders see?

R-precision (TISE, arXiv 2112.01398) with graders in the place of CLIP. A prompt's score is the share of its statements
that agree with the image; ties share the success. Chance is 1 in 100.
"""

from __future__ import annotations

import numpy as np

from ..records import Evaluation, Measure
from ..statistics import Floats, bootstrap_ratio
from ..verdicts import Verdicts

OTHERS = 99


def retrieve(scores: Floats, own: np.ndarray, distinct: np.ndarray, others: int = OTHERS, seed: int = 0) -> Floats:
    """(N,) success of each image, 0 to 1.

    scores: (N, P) of each image with each prompt. own: (N,) the image's prompt. distinct: (P,) a number for each prompt
    that is the same for prompts that state the same, which are not distractors of each other.

    >>> retrieve(np.eye(3), np.arange(3), np.arange(3)).tolist()
    [1.0, 1.0, 1.0]
    >>> retrieve(np.ones((1, 4)), np.array([2]), np.arange(4)).tolist()
    [0.25]
    """
    rng, found = np.random.default_rng(seed), np.zeros(len(own))
    for row, mine in enumerate(own):
        candidates = np.flatnonzero(distinct != distinct[mine])
        if len(candidates) > others:
            candidates = rng.choice(candidates, others, replace=False)
        against, score = scores[row, candidates], scores[row, mine]
        found[row] = 0.0 if (against > score + 1e-9).any() else 1 / (1 + int((abs(against - score) <= 1e-9).sum()))
    return found


def score_prompts(verdicts: Verdicts) -> Floats:
    """(N, P): share of each prompt's statements that agree with each image."""
    stated = np.maximum(verdicts.states.sum(axis=1), 1)
    scores: Floats = verdicts.agreement @ verdicts.states.T / stated
    return scores


def measure_retrieval(evaluation: Evaluation) -> list[Measure]:
    """Per model and eyes; images whose prompt states nothing that a grader observes are left out."""
    measures = []
    for (model, eyes), verdicts in evaluation.verdicts.items():
        distinct = np.unique(verdicts.states, axis=0, return_inverse=True)[1].ravel()
        kept = verdicts.states[verdicts.own].any(axis=1)
        if not kept.any() or distinct.max(initial=0) < 1:
            continue
        usable = np.array([one.status == "ok" for one in verdicts.images])
        success = retrieve(score_prompts(verdicts), verdicts.own, distinct) * usable
        place = verdicts.own[kept]
        totals = np.bincount(place, minlength=len(verdicts.prompts)).astype(np.float64)
        found = bootstrap_ratio(np.bincount(place, success[kept], len(verdicts.prompts)).astype(np.float64), totals)
        others = min(OTHERS, int(distinct.max()))
        measures.append(
            Measure(
                "caption retrieval", found.value, found.low, found.high, int(kept.sum()), model, eyes=eyes,
                better="higher", note=f"among {others} other prompts; chance is {1 / (others + 1):.1%}",
            )
        )  # fmt: skip
    return measures
