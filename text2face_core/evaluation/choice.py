"""Choose among checkpoints: on split A of the prompts, and report the choice on split B.

The earliest model whose interval reaches the best estimate is proposed: later ones are not shown to be better, and have
had more time to learn photos by heart. A figure of the prompts that chose would flatter the choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from .metrics.adherence import EYES, tally
from .records import PHOTOS, Evaluation
from .statistics import Interval, bootstrap_ratio


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that is proposed.

    Attributes:
        model: Its name.
        best: The model with the highest estimate on split A.
        eyes: Which graders chose: "other" if there are any.
        chosen_on: Adherence of the proposed model on split A.
        reported_on: The same on split B.
    """

    model: str
    best: str
    eyes: str
    chosen_on: Interval
    reported_on: Interval

    def sentence(self) -> str:
        """For people."""
        on = "; ".join(
            f"{100 * one.value:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f}) on split {name}"
            for name, one in (("A, which chose it", self.chosen_on), ("B", self.reported_on))
        )
        why = "it has the highest adherence" if self.model == self.best else f"{self.best} is not shown to be better"
        return f"Proposed: {self.model}, {on}; {why} ({self.eyes} eyes)."


def choose_model(evaluation: Evaluation) -> Choice | None:
    """Propose a model of an evaluation, its models in the order of their training; None if nothing was judged.

    The photos and the base model ("base") cannot be chosen.
    """
    models = [one for one in evaluation.models if one not in {PHOTOS, "base"}]
    judged = {one.eyes for one in evaluation.judgements if one.states}
    eyes = next((one for one in EYES if one in judged), None)
    if not models or eyes is None:
        return None
    found: dict[str, dict[str, Interval]] = {"A": {}, "B": {}}
    for split, by_model in found.items():
        names = sorted(one.prompt_id for one in evaluation.prompts.values() if one.split == split)
        order = {name: place for place, name in enumerate(names)}
        for model in models:
            own = [
                one
                for one in evaluation.judgements
                if one.states and (one.model, one.eyes) == (model, eyes) and one.prompt_id in order
            ]
            counted = tally(own, order)
            by_model[model] = bootstrap_ratio(counted.hits, counted.totals)
    best = max(models, key=lambda model: found["A"][model].value)
    chosen = next(model for model in models if found["A"][model].high >= found["A"][best].value)
    return Choice(chosen, best, eyes, found["A"][chosen], found["B"][chosen])
