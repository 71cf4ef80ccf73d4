"""People's votes: shares with intervals, Bradley-Terry strengths, agreement among raters and with the graders."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from .records import Judgement, Measure
from .statistics import DRAWS, wilson

ASPECTS = ("text", "real")
CHOICES = ("left", "right", "equal", "both bad")
LEAST_ATTENTION = 0.5
"""Raters who pass fewer of the attention questions are left out."""


@dataclass(frozen=True, slots=True)
class Vote:
    """An answer of a rater, with sides resolved.

    Attributes:
        rater: Who.
        question_id: The question.
        aspect: "text", "real", "statement" or "attention".
        choice: The model that was preferred; or "equal", "both bad", "yes", "no", "unclear"; of "attention": "passed"
            or "failed".
        models: The two models of a pair, or the one of a statement.
        prompt_id: The prompt.
        image_ids: The images of the models.
        repeat: Whether the rater had answered it before, with sides swapped.
        finding: Of a statement, what it is about.
        wanted: Of a statement, what the prompt states.
    """

    rater: str
    question_id: str
    aspect: str
    choice: str
    models: tuple[str, ...]
    prompt_id: str
    image_ids: tuple[str, ...]
    repeat: bool = False
    finding: str = ""
    wanted: str = ""


def attentive(votes: Sequence[Vote]) -> tuple[list[Vote], list[str]]:
    """The votes of raters who passed the attention questions, without those questions; and the raters left out."""
    checks: dict[str, list[bool]] = defaultdict(list)
    for one in votes:
        if one.aspect == "attention":
            checks[one.rater].append(one.choice == "passed")
    out = sorted(rater for rater, passed in checks.items() if np.mean(passed) < LEAST_ATTENTION)
    return [one for one in votes if one.aspect != "attention" and one.rater not in out], out


def measure_votes(votes: Sequence[Vote], judgements: Sequence[Judgement] = ()) -> list[Measure]:
    """Every figure of votes; judgements: of the same evaluation, to compare people with graders."""
    first = [one for one in votes if not one.repeat]
    measures: list[Measure] = []
    for aspect in ASPECTS:
        own = [one for one in first if one.aspect == aspect]
        measures += _preferences(own, aspect)
        measures += _strengths(own, aspect)
        measures += _agreement(own, aspect)
    statements = [one for one in first if one.aspect == "statement"]
    for model in sorted({one.models[0] for one in statements}):
        clear = [one for one in statements if one.models[0] == model and one.choice in {"yes", "no"}]
        found = wilson(sum(one.choice == "yes" for one in clear), len(clear))
        measures.append(
            Measure("statements confirmed by people", found.value, found.low, found.high, len(clear), model,
                    better="higher", note=f"{sum(one.models[0] == model for one in statements) - len(clear)} unclear")
        )  # fmt: skip
    measures += _agreement(statements, "statement")
    measures += _consistency(votes)
    measures += _graders(statements, judgements)
    return measures


def _preferences(votes: Sequence[Vote], aspect: str) -> list[Measure]:
    """For each two models, the share of decided votes for the second, and of ties."""
    measures = []
    pairs: dict[tuple[str, ...], list[Vote]] = defaultdict(list)
    for one in votes:
        pairs[tuple(sorted(one.models))].append(one)
    for (a, b), own in sorted(pairs.items()):
        for winner, loser in ((a, b), (b, a)):
            decided = [one for one in own if one.choice in {a, b}]
            low, high = _clustered(decided, winner)
            share = np.mean([one.choice == winner for one in decided]) if decided else nan
            tied = Counter(one.choice for one in own)
            note = (
                f"of decided votes of {len({one.rater for one in own})} raters; equal {tied['equal']}, "
                f"both bad {tied['both bad']}"
            )
            measures.append(
                Measure(f"preferred: {aspect}", float(share), low, high, len(decided), f"{winner} - {loser}",
                        better="higher", note=note)
            )  # fmt: skip
    return measures


def _clustered(votes: Sequence[Vote], winner: str) -> tuple[float, float]:
    """A percentile interval that resamples raters and prompts: votes of one rater, or of one prompt, are alike.

    It is never narrower than Wilson's for independent votes.
    """
    if not votes:
        return nan, nan
    raters = {name: n for n, name in enumerate(sorted({one.rater for one in votes}))}
    prompts = {name: n for n, name in enumerate(sorted({one.prompt_id for one in votes}))}
    r = np.array([raters[one.rater] for one in votes])
    p = np.array([prompts[one.prompt_id] for one in votes])
    won = np.array([one.choice == winner for one in votes], float)
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(DRAWS):
        weight = rng.multinomial(len(raters), np.full(len(raters), 1 / len(raters)))[r] if len(raters) > 1 else 1
        weight = weight * rng.multinomial(len(prompts), np.full(len(prompts), 1 / len(prompts)))[p]
        if weight.sum():
            shares.append(float((weight * won).sum() / weight.sum()))
    independent = wilson(int(won.sum()), len(won))
    low, high = np.quantile(shares, (0.025, 0.975)) if shares else (0.0, 1.0)
    return min(float(low), independent.low), max(float(high), independent.high)


def _strengths(votes: Sequence[Vote], aspect: str) -> list[Measure]:
    """Bradley-Terry strengths where more than two models were compared."""
    models = sorted({model for one in votes for model in one.models})
    if len(models) < 3:
        return []
    wins = _wins(votes, models)
    strengths = bradley_terry(wins)
    prompts = sorted({one.prompt_id for one in votes})
    by_prompt = {prompt: [one for one in votes if one.prompt_id == prompt] for prompt in prompts}
    tables = np.stack([_wins(by_prompt[prompt], models) for prompt in prompts])
    rng = np.random.default_rng(0)
    drawn = np.stack([bradley_terry(tables[rng.integers(0, len(prompts), len(prompts))].sum(0)) for _ in range(200)])
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    return [
        Measure(f"strength: {aspect}", float(s), float(a), float(b), int((wins + wins.T)[n].sum()), model,
                better="higher", unit="log odds", note="Bradley-Terry; the mean of all models is 0; ties count half")
        for n, (model, s, a, b) in enumerate(zip(models, strengths, low, high, strict=True))
    ]  # fmt: skip


def _wins(votes: Iterable[Vote], models: Sequence[str]) -> np.ndarray:
    """(M, M): how often the row was preferred to the column; ties count half for both."""
    place = {model: n for n, model in enumerate(models)}
    wins = np.zeros((len(models), len(models)))
    for one in votes:
        a, b = (place[model] for model in one.models)
        if one.choice in one.models:
            winner = place[one.choice]
            wins[winner, b if winner == a else a] += 1
        else:
            wins[a, b] += 0.5
            wins[b, a] += 0.5
    return wins


def bradley_terry(wins: np.ndarray, rounds: int = 500) -> np.ndarray:
    """Log strengths (M,) with mean 0 from a table of wins (M, M), by Hunter's MM algorithm (Annals of Statistics 2004).

    Half a win is added to each comparison that took place, so that a model that won everything has a strength.

    >>> [round(float(one), 3) for one in bradley_terry(np.array([[0, 29.5], [9.5, 0]]))]
    [0.549, -0.549]
    """
    games = wins + wins.T
    smoothed = wins + 0.5 * (games > 0)
    games = smoothed + smoothed.T
    strength = np.ones(len(wins))
    for _ in range(rounds):
        total = games / (strength[:, None] + strength[None])
        np.fill_diagonal(total, 0)
        strength = smoothed.sum(axis=1) / np.maximum(total.sum(axis=1), 1e-12)
        strength /= np.exp(np.log(strength).mean())
    return np.log(strength)


def _agreement(votes: Sequence[Vote], aspect: str) -> list[Measure]:
    ratings: dict[Hashable, dict[Hashable, Hashable]] = defaultdict(dict)
    for one in votes:
        ratings[one.question_id][one.rater] = one.choice
    units = [list(one.values()) for one in ratings.values()]
    alpha = krippendorff_alpha(units)
    if np.isnan(alpha):
        return []
    rated = sum(len(one) > 1 for one in units)
    note = "Krippendorff's alpha, nominal: 1 is full agreement, 0 is chance"
    return [Measure(f"agreement of raters: {aspect}", alpha, n=rated, better="higher", unit="alpha", note=note)]


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float:
    """Agreement of any number of raters on nominal values; raters may leave out units. NaN without two on any unit.

    units: the values that a unit got. K. Krippendorff, Content Analysis, 2004, chapter 11: 1 - observed over expected
    disagreement, from the table of coincidences.

    >>> krippendorff_alpha([["a", "a"], ["b", "b"]]), round(krippendorff_alpha([["a", "b"], ["b", "a"]]), 3)
    (1.0, -0.5)
    """
    coincidences: dict[tuple[Hashable, Hashable], float] = defaultdict(float)
    for values in units:
        if len(values) < 2:
            continue
        counts = Counter(values)
        for a, many in counts.items():
            for b, others in counts.items():
                coincidences[a, b] += many * (others - (a == b)) / (len(values) - 1)
    totals: dict[Hashable, float] = defaultdict(float)
    for (a, _), weight in coincidences.items():
        totals[a] += weight
    n = sum(totals.values())
    if n < 2:
        return nan
    observed = sum(weight for (a, b), weight in coincidences.items() if a != b) / n
    expected = sum(totals[a] * totals[b] for a in totals for b in totals if a != b) / (n * (n - 1))
    return 1.0 - observed / expected if expected else 1.0


def _consistency(votes: Sequence[Vote]) -> list[Measure]:
    """Whether raters answer the same question alike when it comes again."""
    first = {(one.rater, one.question_id, one.aspect): one.choice for one in votes if not one.repeat}
    again = [
        one.choice == first[one.rater, one.question_id, one.aspect]
        for one in votes
        if one.repeat and (one.rater, one.question_id, one.aspect) in first
    ]
    if not again:
        return []
    found = wilson(sum(again), len(again))
    note = "same answer to a question that came again with sides swapped"
    return [
        Measure(
            "self-consistency of raters", found.value, found.low, found.high, len(again), better="higher", note=note
        )
    ]


def _graders(statements: Sequence[Vote], judgements: Sequence[Judgement]) -> list[Measure]:
    """Share of clear answers to statements with which each grader agrees, and Cohen's kappa."""
    said: Mapping[tuple[str, str, str], list[bool]] = _majority(statements)
    pairs: dict[tuple[str, str], list[tuple[bool, bool]]] = defaultdict(list)
    for one in judgements:
        votes = said.get((one.image_id, one.finding, one.wanted))
        if one.states and votes and one.agrees is not None and 2 * sum(votes) != len(votes):
            pairs[one.grader, one.eyes].append((2 * sum(votes) > len(votes), one.agrees))
    measures = []
    for (grader, eyes), own in sorted(pairs.items()):
        found = wilson(sum(a == b for a, b in own), len(own))
        note = f"{grader}; Cohen's kappa {cohen_kappa(own):.2f}"
        measures.append(
            Measure("graders agree with people", found.value, found.low, found.high, len(own), eyes=eyes,
                    better="higher", note=note)
        )  # fmt: skip
    return measures


def _majority(statements: Sequence[Vote]) -> dict[tuple[str, str, str], list[bool]]:
    said: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for one in statements:
        if one.choice in {"yes", "no"}:
            said[one.image_ids[0], one.finding, one.wanted].append(one.choice == "yes")
    return said


def cohen_kappa(pairs: Sequence[tuple[bool, bool]]) -> float:
    """Agreement of two raters beyond chance; NaN if chance alone makes them agree.

    >>> cohen_kappa([(True, True), (False, False), (True, False), (False, True)])
    0.0
    """
    if not pairs:
        return nan
    a, b = np.array(pairs, float).T
    chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
    return float(((a == b).mean() - chance) / (1 - chance)) if chance < 1 else nan
