"""People's votes on an evaluation's images: write the page that asks, and read what it gave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import NothingToDo, RunError, SourceError, UsageError
from ..evaluation import (
    PHOTOS,
    Measure,
    Vote,
    attentive,
    draw_questions,
    key_of,
    measure_votes,
    read_images,
    read_judgements,
    read_plan,
    render_ballot,
    write_measures,
)
from ..utils import fingerprint, parse_json, write_text
from .evaluation import EvaluationResult, require_scipy
from .evaluation_output import plain

PAGE, KEY = "vote.html", "vote-key.json"


def write_ballot(
    evaluation: str | Path, *, models: Sequence[str] = (), pairs: int = 40, statements: int = 20, seed: int = 0
) -> Path:
    """Write a self-contained page on which people compare an evaluation's images, as `t2f evaluate vote` does.

    Args:
        evaluation: The evaluation's folder; the page and the key to it are written there.
        models: Names of the models to compare; by default all of the evaluation.
        pairs: Pairs of images of the same prompt; each is asked about twice: which shows the text, which looks real.
        statements: Statements of prompts about single images.
        seed: Random seed of what is drawn.

    Returns:
        The page's path. vote-key.json next to it says which model made which image: keep it from the raters.

    Raises:
        NothingToDo: There are neither pairs nor statements.
    """
    folder = Path(evaluation)
    prompts = {one.prompt_id: one for one in read_plan(folder)}
    images = read_images(folder)
    known = list(dict.fromkeys(one.model for one in images if one.model != PHOTOS))
    if unknown := [model for model in models if model not in known]:
        raise UsageError(f"{folder} holds no model {', '.join(unknown)}; it holds {', '.join(known)}")
    there = [one for one in images if Path(one.path).is_file()]
    questions = draw_questions(there, prompts, list(models) or known, pairs, statements, seed)
    if not questions:
        raise NothingToDo(f"{folder} holds no images of two models for the same prompt, and no statements to check")
    by_id = {one.image_id: one for one in there}
    key = key_of(questions, {name: one.model for name, one in by_id.items()})
    ballot = fingerprint([key])[:16]
    page = render_ballot(
        questions, {name: Path(one.path) for name, one in by_id.items()}, folder.absolute().name, ballot
    )
    write_text(folder / KEY, json.dumps({"ballot": ballot, "questions": key}, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / PAGE, page)
    return folder / PAGE


def read_votes(evaluation: str | Path, files: Iterable[str | Path]) -> EvaluationResult:
    """Measure what people answered, as `t2f evaluate votes` does.

    Args:
        evaluation: The evaluation's folder, with vote-key.json.
        files: The JSON files that raters downloaded.

    Raises:
        SourceError: A file is not a file of votes, or of another page.
    """
    require_scipy()
    folder = Path(evaluation)
    try:
        key = parse_json((folder / KEY).read_text(encoding="utf-8"))
        questions = {one["question_id"]: one for one in key["questions"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder} has no ballot ({error}): t2f evaluate vote {folder} writes it") from error
    votes = [vote for path in map(Path, files) for vote in _votes_of(path, key["ballot"], questions)]
    kept, inattentive = attentive(votes)
    if not kept:
        raise NothingToDo("no votes" + (f": inattentive raters: {', '.join(inattentive)}" if inattentive else ""))
    measures = measure_votes(kept, read_judgements(folder))
    sentence = _sentence(measures, len({one.rater for one in kept}), inattentive)
    content: dict[str, Any] = {"headline": sentence, "inattentive": inattentive, "votes": len(kept)}
    content["measures"] = [plain(one) for one in measures]
    write_text(folder / "votes.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    write_measures(folder / "votes.parquet", measures)
    return EvaluationResult(folder, sentence, measures, 0)


def _votes_of(path: Path, ballot: str, questions: Mapping[str, Any]) -> Iterator[Vote]:
    try:
        read = parse_json(path.read_text(encoding="utf-8"))
        found, rater, answers = read["ballot"], str(read["rater"]), list(read["answers"])
        if found != ballot:
            raise SourceError(f"{path} holds votes of another page ({found}, not {ballot})")
        for one in answers:
            yield _vote(rater, one, questions[one["question"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path} does not hold votes: {error!r}") from error


def _vote(rater: str, answer: Mapping[str, Any], question: Mapping[str, Any]) -> Vote:
    aspect, choice, swapped = answer["aspect"], answer["choice"], bool(answer["swapped"])
    models, images = tuple(question["models"]), tuple(question["image_ids"])
    if aspect == "attention":
        choice = "passed" if choice == ("right" if swapped else "left") else "failed"
    elif choice in {"left", "right"}:
        choice = models[(choice == "right") != swapped]
    return Vote(
        rater,
        question["question_id"],
        aspect,
        choice,
        models,
        question["prompt_id"],
        images,
        bool(answer["repeat"]),
        question["finding"],
        question["wanted"],
    )


def _sentence(measures: Sequence[Measure], raters: int, inattentive: Sequence[str]) -> str:
    lines = [f"{raters} raters."]
    lines += [
        f"{one.name.partition(': ')[2]}: {one.model.replace(' - ', ' is preferred to ')} "
        f"in {one.value:.1%} ({one.low:.1%} to {one.high:.1%}) of {one.n} decided votes."
        for one in measures
        if one.name.startswith("preferred: ") and one.value >= 0.5
    ]
    lines += [f"Left out as inattentive: {', '.join(inattentive)}."] if inattentive else []
    return " ".join(lines)
