"""Exactly one face: the share of images on which the detector finds a single face, and how many it finds.

RECAP's counting alignment (arXiv 2310.16656, after TISE, arXiv 2112.01398) for captions that describe one person.
"""

from __future__ import annotations

import numpy as np

from ..records import Evaluation, Measure
from ..statistics import bootstrap_mean, bootstrap_ratio


def measure_faces(evaluation: Evaluation) -> list[Measure]:
    """Per model: share of images with exactly one face, with one usable face, and the mean of |faces - 1|."""
    measures = []
    order = {prompt: place for place, prompt in enumerate(sorted(evaluation.prompts))}
    for model in evaluation.models:
        images = [one for one in evaluation.images_of(model) if one.faces >= 0]
        if not images:
            continue
        place = np.array([order[one.prompt_id] for one in images])
        totals = np.bincount(place, minlength=len(order)).astype(float)
        for name, hit in (
            ("exactly one face", [one.faces == 1 for one in images]),
            ("one usable face", [one.status == "ok" for one in images]),
        ):
            found = bootstrap_ratio(
                np.bincount(place, np.array(hit, np.float64), len(order)).astype(np.float64), totals
            )
            measures.append(Measure(name, found.value, found.low, found.high, len(images), model, better="higher"))
        off = bootstrap_mean([abs(one.faces - 1) for one in images])
        measures.append(
            Measure("faces off by", off.value, off.low, off.high, len(images), model, better="lower", unit="count")
        )
    return measures
