"""An evaluation as a self-contained HTML page."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

from ..utils import environment, random_stream, templates
from .metrics.adherence import EYES
from .metrics.confusion import Confusion
from .metrics.fairness import AXES, LEAST
from .metrics.people import NearestPair
from .records import PHOTOS, Evaluation, GradedImage, Judgement, Measure

OVERVIEW = (
    "adherence", "adherence given a verdict", "adherence to shuffled prompts", "adherence averaged over findings",
    "caption retrieval", "one usable face",
)  # fmt: skip
UNASKED = ("model", "finding", "group", "n", "note", "eyes")
SHOWN = 12
THUMBNAIL = 224
MOST_POINTS = 600
ROW = 9
"""Height of a model's line in the chart of findings."""


def render_report(
    evaluation: Evaluation,
    measures: Sequence[Measure],
    confusions: Sequence[Confusion],
    headline: str,
    title: str,
    methods: Sequence[tuple[str, str]],
    more: Sequence[Measure] = (),
    nearest: Sequence[NearestPair] = (),
) -> str:
    """The page's HTML; equal evaluations give equal pages."""
    from markupsafe import Markup

    jinja = environment("evaluation", html=True, trim_blocks=True, lstrip_blocks=True)
    jinja.filters |= {"thousands": "{:,}".format}
    folder = templates()
    style = "".join((folder / where / "report.css").read_text(encoding="utf-8") for where in ("report", "evaluation"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = jinja.get_template("report.html.j2").render(
        title=title,
        headline=headline,
        style=Markup(style),  # noqa: S704  ours
        style_hash=f"sha256-{digest}",
        overview=_overview(evaluation, measures),
        differences=[
            {"model": one.model, "eyes": one.eyes, "shown": _points(one), "p": _p(one.p)}
            for one in measures
            if one.name == "adherence difference" and not one.finding
        ],
        dots=_dots(evaluation, measures),
        effects=[_row(one) for one in measures if one.name == "effect of the word" and one.finding],
        heat=_heat(measures),
        unasked=[
            {"share": _share(one.value, one.low, one.high), **{key: getattr(one, key) for key in UNASKED}}
            for one in measures
            if one.name == "share unasked"
        ],
        gaps=[_row(one) for one in measures if one.name.endswith(" gap")],
        ages=_ages(evaluation, measures),
        confusions=[_matrix(one) for one in confusions if one.eyes == _best(evaluation)],
        galleries=_galleries(evaluation),
        more=[_more(one) for one in more],
        nearest=[
            {
                "picture": _thumbnail(Path(one.image.path)),
                "training": _thumbnail(Path(one.training.path)),
                "cosine": f"{one.cosine:.3f}",
            }
            for one in nearest
        ],
        methods=methods,
        graders=evaluation.graders,
    )
    return str(page).encode("utf-8", "replace").decode()


def _best(evaluation: Evaluation) -> str:
    """The most independent eyes that judged."""
    judged = {one.eyes for one in evaluation.judgements}
    return next((eyes for eyes in EYES if eyes in judged), "")


def _share(value: float, low: float, high: float) -> str:
    if isnan(value):
        return "–"
    return f"{100 * value:.1f} %" + (f" ({100 * low:.1f}–{100 * high:.1f})" if not isnan(low) else "")


def _points(one: Measure) -> str:
    return f"{100 * one.value:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def _p(p: float) -> str:
    if isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _row(one: Measure) -> dict[str, Any]:
    p = one.p if isnan(one.p_adjusted) else one.p_adjusted
    return {
        "name": one.name, "finding": one.finding, "model": one.model, "n": f"{one.n:,}", "p": _p(p), "note": one.note,
        "shown": f"{100 * one.value:.1f} points" if isnan(one.low) else _points(one),
    }  # fmt: skip


def _more(one: Measure) -> dict[str, str]:
    """A figure of a metric in a feature space."""
    ends = "" if isnan(one.low) else f" ({one.low:.4g} to {one.high:.4g})"
    name = f"{one.name}: {one.group or one.finding}" if one.group or one.finding else one.name
    shown = "–" if isnan(one.value) else f"{one.value:.4g}{ends}"
    return {"name": name, "model": one.model, "shown": shown, "n": f"{one.n:,}", "note": one.note, "space": one.space}


def _overview(evaluation: Evaluation, measures: Sequence[Measure]) -> dict[str, Any]:
    found = {(one.name, one.model, one.eyes): one for one in measures if not one.finding and not one.group}
    rows = []
    for model in evaluation.models:
        for eyes in EYES:
            if ("adherence", model, eyes) not in found:
                continue
            cells = []
            for name in OVERVIEW:
                one = found.get((name, model, eyes)) or found.get((name, model, ""))
                cells.append(_share(one.value, one.low, one.high) if one else "–")
            shown = "real photos (ceiling)" if model == PHOTOS else model
            rows.append({"model": shown, "eyes": eyes, "cells": cells})
    return {"columns": OVERVIEW, "rows": rows}


def _dots(evaluation: Evaluation, measures: Sequence[Measure]) -> list[dict[str, Any]]:
    charts = []
    for eyes in EYES:
        found: dict[str, dict[str, Measure]] = {}
        for one in measures:
            if one.name == "adherence" and one.finding and one.eyes == eyes:
                found.setdefault(one.finding, {})[one.model] = one
        if not found:
            continue
        last = [model for model in evaluation.models if model != PHOTOS][-1:]
        rows = []
        for finding, by_model in found.items():
            marks = [
                {
                    "x": round(400 * one.value, 1), "low": round(400 * one.low, 1), "high": round(400 * one.high, 1),
                    "y": ROW * (number + 0.5), "colour": evaluation.models.index(model) % 5,
                }
                for number, (model, one) in enumerate(by_model.items())
            ]  # fmt: skip
            key = by_model.get(last[0] if last else "", next(iter(by_model.values())))
            label = "; ".join(f"{model} {_share(one.value, one.low, one.high)}" for model, one in by_model.items())
            rows.append(
                {
                    "finding": finding, "marks": marks, "height": ROW * len(marks), "n": key.n, "value": key.value,
                    "shown": _share(key.value, key.low, key.high), "label": f"{finding}: {label}",
                }
            )  # fmt: skip
        rows.sort(key=lambda row: (row["value"], row["finding"]))
        charts.append({"title": f"{eyes} eyes", "models": evaluation.models, "rows": rows})
    return charts


def _level(share: float) -> str:
    return f"q{min(4, int(5 * share))}"


def _heat(measures: Sequence[Measure]) -> list[dict[str, Any]]:
    """A table of age × gender × ethnicity for each model, and a table of each axis with a row for each model."""
    tables = []
    groups = [one for one in measures if one.name == "adherence by group"]
    models = list(dict.fromkeys((one.model, one.eyes) for one in groups))
    for model, eyes in models:
        cells = {
            tuple(one.group.split(" · ")): one
            for one in groups
            if (one.model, one.eyes, one.finding) == (model, eyes, "cell")
        }
        if not cells:
            continue
        columns = sorted({(gender, ethnicity) for _, gender, ethnicity in cells})
        ages = sorted({age for age, _, _ in cells}, key=_first_number)
        rows = [{"name": age, "cells": [_cell(cells.get((age, *column))) for column in columns]} for age in ages]
        names = [" ".join(one) for one in columns]
        tables.append({"title": f"{model}, {eyes} eyes", "columns": names, "rows": rows, "wide": True})
    for axis in AXES:
        found = {(one.model, one.eyes, one.group): one for one in groups if one.finding == axis}
        names = sorted({group for _, _, group in found}, key=lambda group: (_first_number(group), group))
        rows = [
            {"name": f"{model}, {eyes} eyes", "cells": [_cell(found.get((model, eyes, group))) for group in names]}
            for model, eyes in models
        ]
        if found:
            tables.append({"title": axis, "columns": names, "rows": rows, "wide": False})
    return tables


def _first_number(text: str) -> int:
    digits = "".join(letter if letter.isdigit() else " " for letter in text).split()
    return int(digits[0]) - ("under" in text) if digits else 0


def _cell(one: Measure | None) -> dict[str, Any]:
    if one is None:
        return {"shown": "–", "n": 0, "level": "few", "title": ""}
    level = "few" if one.n < LEAST else _level(one.value)
    return {
        "shown": f"{100 * one.value:.0f} %",
        "n": one.n,
        "level": level,
        "title": _share(one.value, one.low, one.high),
    }


def _matrix(one: Confusion) -> dict[str, Any]:
    rows = []
    for name, counts in zip(one.wanted, one.counts, strict=True):
        total = sum(counts) or 1
        rows.append({"name": name, "cells": [{"shown": count, "level": _level(count / total)} for count in counts]})
    return {"finding": one.finding, "model": one.model, "eyes": one.eyes, "seen": one.seen, "rows": rows}


def _ages(evaluation: Evaluation, measures: Sequence[Measure]) -> list[dict[str, Any]]:
    charts, eyes = [], _best(evaluation)
    for model in evaluation.models:
        stated = {
            one.prompt_id: mention.age
            for one in evaluation.prompts.values()
            for mention in one.mentions
            if mention.name == "age" and mention.age
        }
        points = [
            (
                round((stated[one.prompt_id][0] + min(stated[one.prompt_id][1], 90)) / 2, 1),
                round(100 - float(one.seen), 1),
            )
            for one in evaluation.judgements
            if (one.model, one.eyes, one.finding) == (model, eyes, "age")
            and isinstance(one.seen, int | float)
            and one.prompt_id in stated
        ]
        if points:
            error = next(
                (
                    one
                    for one in measures
                    if (one.name, one.model, one.eyes, one.group) == ("age error", model, eyes, "")
                ),
                None,
            )
            shown = f"Mean error {error.value:+.1f} years ({error.low:+.1f} to {error.high:+.1f})." if error else ""
            kept = points if len(points) <= MOST_POINTS else random_stream(0, "ages", model).sample(points, MOST_POINTS)
            charts.append({"title": f"{model}, {eyes} eyes", "n": len(points), "points": kept, "shown": shown})
    return charts


def _galleries(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Twelve fixed images (the first of the plan), the twelve worst, twelve at random, of the last model."""
    models = [model for model in evaluation.models if model != PHOTOS]
    images = [one for one in evaluation.images if one.model in models[-1:]]
    eyes = _best(evaluation)
    by_image: dict[str, list[Judgement]] = {}
    for one in evaluation.judgements:
        if one.eyes == eyes:
            by_image.setdefault(one.image_id, []).append(one)

    def missed(image: GradedImage) -> tuple[float, str]:
        found = by_image.get(image.image_id, [])
        return (sum(not one.agrees for one in found) / len(found) if found else 0.0), image.image_id

    worst = sorted((one for one in images if by_image.get(one.image_id)), key=missed, reverse=True)[:SHOWN]
    anyone = random_stream(0, "gallery").sample(images, min(SHOWN, len(images)))
    chosen = {"The first prompts": images[:SHOWN], "The worst": worst, "At random": anyone}
    return [
        {"title": title, "cards": [_card(evaluation, one, by_image) for one in found]}
        for title, found in chosen.items()
        if found
    ]


def _card(evaluation: Evaluation, image: GradedImage, by_image: Mapping[str, list[Judgement]]) -> dict[str, Any]:
    return {
        "picture": _thumbnail(Path(image.path)) if image.path else "",
        "prompt": evaluation.prompts[image.prompt_id].text,
        "model": image.model,
        "seed": image.seed,
        "reason": "" if image.status == "ok" else image.reason or image.status,
        "chips": _chips(by_image.get(image.image_id, ())),
    }


def _chips(judgements: Iterable[Judgement]) -> list[dict[str, str]]:
    chips = []
    for one in judgements:
        seen = f"{one.seen:.0f}" if isinstance(one.seen, float) else str(one.seen)
        seen = {"True": "yes", "False": "no"}.get(seen, seen)
        state = "open" if one.agrees is None else "yes" if one.agrees else "no"
        said = one.wanted if one.states else f"{one.wanted}?"
        text = f"{one.finding} {said}" if state == "yes" else f"{one.finding} {said}, seen {seen}"
        chips.append({"text": text if one.seen is not None else f"{one.finding} {said}", "state": state})
    return chips


def _thumbnail(path: Path) -> str:
    """A JPEG as a data URI; "" if the file cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
            image.thumbnail((THUMBNAIL, THUMBNAIL))
            content = io.BytesIO()
            image.save(content, "JPEG", quality=80)
    except (OSError, ValueError, SyntaxError):  # PIL raises SyntaxError for a broken PNG
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
