"""Quality in a feature space: distances of generated images to real ones, diversity, and drift from the first model.

Both sides of a distance have equally many images, since its bias depends on n. The row of the real photos compares two
random halves of them: what a perfect model would score, at half the n. Definitions: `frechet`, `kernel`, `coverage`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np

from ...utils import stream_seed
from ..embedding import Embedded
from ..records import PHOTOS, Measure
from ..statistics import Floats
from .coverage import measure_coverage
from .frechet import frechet_distance, frechet_limit
from .identity import prompt_diversity
from .kernel import kernel_distance_interval

LEAST_KERNEL = 20
LEAST_FRECHET = 100
LEAST_LIMIT = 1000
LEAST_COVERAGE = 100
NEIGHBOURS = 5
UNBIASED = 10
"""Images per dimension from which the bias of the Fréchet distance is some 2 % of the features' variance."""


def measure_quality(space: str, embedded: Mapping[str, Embedded], models: Sequence[str]) -> list[Measure]:
    """Figures of every model in one space; distances to real images if there are any (the model "photos")."""
    measures: list[Measure] = []
    real = embedded.get(PHOTOS)
    generated = [model for model in models if model != PHOTOS and len(embedded[model])]
    for model in generated:
        vectors = embedded[model].vectors
        if real is not None and len(real):
            one, other = _same_number(vectors, real.vectors)
            measures += _distances(space, model, one, other)
        diversity = prompt_diversity(vectors, [one.prompt_id for one in embedded[model].images])
        if np.isfinite(diversity.value):
            measures.append(
                Measure(
                    "diversity within prompts",
                    diversity.value,
                    diversity.low,
                    diversity.high,
                    len(vectors),
                    model,
                    better="nearer",
                    unit="1 - cosine",
                    note="nearer to real photos",
                    space=space,
                )
            )
    measures += [one for model in generated[1:] for one in _drift(space, model, generated[0], embedded)]
    if real is not None and len(real) >= 2 * LEAST_KERNEL:
        order = np.random.default_rng(stream_seed(0, "halves", space)).permutation(len(real))
        half = len(real) // 2
        halves = real.of(order[:half]), real.of(order[half : 2 * half])
        measures += _distances(space, PHOTOS, *halves, "two halves of the real images: what a perfect model scores")
    return measures


def _same_number(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    n = min(len(one), len(other))
    draw = np.random.default_rng(0)
    return tuple(  # type: ignore[return-value]
        side if len(side) == n else side[np.sort(draw.choice(len(side), n, replace=False))] for side in (one, other)
    )


def _distances(space: str, model: str, one: Floats, other: Floats, note: str = "") -> list[Measure]:
    n, d = one.shape
    against = note or f"{n} against {n} real images"
    if n < LEAST_KERNEL:
        why = f"needs {LEAST_KERNEL} images on both sides; there are {n}"
        return [Measure("KID", nan, n=n, model=model, better="lower", unit="distance", note=why, space=space)]
    kernel = kernel_distance_interval(one, other)
    measures = [
        Measure(
            "KID",
            kernel.value,
            kernel.low,
            kernel.high,
            n,
            model,
            better="lower",
            unit="distance",
            note=against,
            space=space,
        )
    ]
    if n >= LEAST_FRECHET:
        biased = "" if n >= UNBIASED * d else f"; biased upward at {n} images in {d} dimensions: prefer KID"
        value = frechet_distance(one, other)
        about = {"n": n, "model": model, "better": "lower", "unit": "distance"}
        measures.append(Measure("FID", value, note=against + biased, **about, space=space))
        if n >= LEAST_LIMIT:
            limit = frechet_limit(one, other)
            measures.append(Measure("FID at infinite n", limit, note=against, **about, space=space))
    if n >= LEAST_COVERAGE:
        found = measure_coverage(other, one, NEIGHBOURS)
        how = f"{against}; {NEIGHBOURS} neighbours"
        measures += [
            Measure(name, value, n=n, model=model, better="higher", note=how, space=space)
            for name, value in (("density", found.density), ("coverage", found.coverage))
        ]
    return measures


def _drift(space: str, model: str, first: str, embedded: Mapping[str, Embedded]) -> list[Measure]:
    one, other = _same_number(embedded[model].vectors, embedded[first].vectors)
    if len(one) < LEAST_KERNEL:
        return []
    found = kernel_distance_interval(one, other)
    note = f"KID to the images of {first}, same prompts and seeds; on neutral prompts it should stay small"
    return [
        Measure(
            "drift",
            found.value,
            found.low,
            found.high,
            len(one),
            model,
            better="lower",
            unit="distance",
            note=note,
            space=space,
        )
    ]
