"""Identity: copies of training faces, the same person through a sweep, and how much the people of a group look alike.

Cosines of one network only; no threshold is built in, because none holds for two networks. Definitions: `memorisation`,
`identity`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..embedding import Embedded
from ..records import PHOTOS, GradedImage, Measure, PlannedPrompt
from .fairness import AXES, LEAST, group_of
from .identity import mean_pair_cosine, prompt_diversity, sweep_consistency
from .memorisation import measure_memorisation, nearest_cosines

LEAST_HELD_OUT = 20
NEAREST = 12
ENOUGH_HELD_OUT = 1000
MOST_STRANGERS = 500


@dataclass(frozen=True, slots=True)
class NearestPair:
    """A generated image, the training image whose face is nearest to it, and their cosine."""

    image: GradedImage
    training: GradedImage
    cosine: float


def measure_people(
    space: str,
    embedded: Mapping[str, Embedded],
    models: Sequence[str],
    prompts: Mapping[str, PlannedPrompt],
    training: Embedded | None = None,
) -> tuple[list[Measure], list[NearestPair]]:
    """Figures of every model in one space, and the nearest pairs of the last model; copies if `training` is given.

    The real photos of the plan (the model "photos") are the held-out photos: they must not be training photos.
    """
    measures: list[Measure] = []
    pairs: list[NearestPair] = []
    for model in models:
        own = embedded[model]
        if not len(own):
            continue
        if model != PHOTOS:
            measures += _sweeps(space, model, own, prompts)
            found = prompt_diversity(own.vectors, [one.prompt_id for one in own.images])
            if np.isfinite(found.value):
                measures.append(
                    Measure(
                        "different people within prompts",
                        found.value,
                        found.low,
                        found.high,
                        len(own),
                        model,
                        better="higher",
                        unit="1 - cosine",
                        space=space,
                    )
                )
        measures += _homogeneity(space, model, own, prompts)
        if model != PHOTOS and training is not None and len(training):
            copies, pairs = _copies(space, model, own, training, embedded.get(PHOTOS))
            measures += copies
    return measures, pairs


def _copies(
    space: str, model: str, own: Embedded, training: Embedded, held_out: Embedded | None
) -> tuple[list[Measure], list[NearestPair]]:
    where, cosines = nearest_cosines(own.vectors, training.vectors)
    order = np.argsort(-cosines)[:NEAREST]
    pairs = [NearestPair(own.images[row], training.images[where[row]], round(float(cosines[row]), 4)) for row in order]
    about = f"against {len(training):,} training faces"
    measures = [
        Measure(
            "nearest training face",
            float(cosines.mean()),
            n=len(own),
            model=model,
            unit="cosine",
            better="lower",
            note=f"mean of the highest cosine, {about}; the highest of all {cosines.max():.3f}",
            space=space,
        )
    ]
    if held_out is not None and len(held_out) >= LEAST_HELD_OUT:
        found = measure_memorisation(own.vectors, training.vectors, held_out.vectors)
        few = "" if len(held_out) >= ENOUGH_HELD_OUT else "; so few that the quantile is about their maximum"
        measures.append(
            Measure(
                "copies of training faces",
                found.share.value,
                found.share.low,
                found.share.high,
                len(own),
                model,
                better="lower",
                note=f"cosine above {found.threshold:.3f}, the 99.9 % quantile of {len(held_out):,} held-out photos"
                f", {about}{few}",
                space=space,
            )
        )
    return measures, pairs


def _sweeps(space: str, model: str, own: Embedded, prompts: Mapping[str, PlannedPrompt]) -> list[Measure]:
    """Of counterfactual pairs: is it the same person with and without the finding, at the same noise?"""
    sides: dict[tuple[str, int], dict[bool, int]] = defaultdict(dict)
    finding: dict[str, str] = {}
    for row, image in enumerate(own.images):
        prompt = prompts[image.prompt_id]
        if prompt.pair_id and prompt.changed:
            sides[prompt.pair_id, image.seed][prompt.states] = row
            finding[prompt.pair_id] = prompt.changed.name
    complete = {key: both for key, both in sides.items() if len(both) == 2}
    plain = [both[False] for both in complete.values()][:MOST_STRANGERS]
    if len(plain) < 2:
        return []
    measures = []
    for name in sorted(set(finding.values())):
        rows = [both for (pair, _), both in complete.items() if finding[pair] == name]
        if len(rows) < 2:
            continue
        found = sweep_consistency(
            own.of([one[False] for one in rows]), own.of([one[True] for one in rows]), own.of(plain)
        )
        measures.append(
            Measure(
                "same person",
                found.value,
                found.low,
                found.high,
                len(rows),
                model,
                name,
                better="higher",
                unit="cosine",
                note="cosine with and without the word, minus that of strangers",
                space=space,
            )
        )
    return measures


def _homogeneity(space: str, model: str, own: Embedded, prompts: Mapping[str, PlannedPrompt]) -> list[Measure]:
    """Mean cosine within the groups that prompts state, of different prompts' images."""
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    used: set[tuple[str, str, str]] = set()
    for row, image in enumerate(own.images):
        for axis, group in group_of(prompts[image.prompt_id].mentions).items():
            if (axis, group, image.prompt_id) not in used:  # a single image of each prompt
                used.add((axis, group, image.prompt_id))
                rows[axis, group].append(row)
    return [
        Measure(
            "alikeness",
            mean_pair_cosine(own.of(found)),
            n=len(found),
            model=model,
            finding=axis,
            group=group,
            better="nearer",
            unit="cosine",
            note="mean cosine of the group's people; compare with photos",
            space=space,
        )
        for axis in AXES
        for (where, group), found in sorted(rows.items())
        if where == axis and len(found) >= LEAST
    ]
