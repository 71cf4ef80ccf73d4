"""Metrics and embedders of an evaluation that plugins offer; one that cannot be had is a line, not a failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ArtifactError, LicenceRefused, MissingExtra, NothingToDo
from ..evaluation import (
    PHOTOS,
    Embedded,
    Evaluation,
    GradedImage,
    Measure,
    NearestPair,
    embed_images,
    measure_people,
    measure_quality,
)
from ..metrics import Embedder, Metric
from ..run import RunDirectory
from .evaluation_images import grade_images
from .evaluation_setup import Measurer, Setup

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})


def measure_more(
    setup: Setup, evaluation: Evaluation, training: str | Path | None, reference: str | Path | None
) -> tuple[list[Measure], list[NearestPair]]:
    """Figures of every metric and embedder that was asked for.

    Args:
        setup: The evaluation.
        evaluation: What was graded.
        training: Photos that the models were trained on: a run or a folder.
        reference: Real photos that they were not trained on; by default those behind the prompts of "captions:RUN".
    """
    measures: list[Measure] = []
    nearest: list[NearestPair] = []
    sets = {model: evaluation.images_of(model) for model in evaluation.models}
    if setup.measurers:
        sets |= {
            name: _real_images(setup, name, Path(place))
            for name, place in ((PHOTOS, reference), ("training", training))
            if place is not None
        }
    for measurer in setup.measurers:
        try:
            built = measurer.build(setup.plugins, setup.runtime)
        except (ArtifactError, LicenceRefused, MissingExtra) as error:
            setup.progress.say(f"without {measurer.registered.name}: {error}")
            continue
        if isinstance(built, Metric):
            measures += built.measure(evaluation)
        else:
            found, pairs = _compare(setup, measurer, built, evaluation, sets)
            measures += found
            nearest = nearest or pairs
    return measures, nearest


def _compare(
    setup: Setup,
    measurer: Measurer,
    embedder: Embedder,
    evaluation: Evaluation,
    sets: Mapping[str, Sequence[GradedImage]],
) -> tuple[list[Measure], list[NearestPair]]:
    folder = setup.out / "embeddings"
    embedded: dict[str, Embedded] = {
        name: embed_images(images, embedder, measurer.key, folder, setup.progress) for name, images in sets.items()
    }
    if embedder.purpose == "quality":
        return measure_quality(embedder.space, embedded, evaluation.models), []
    training = embedded.get("training")
    return measure_people(embedder.space, embedded, evaluation.models, evaluation.prompts, training)


def _real_images(setup: Setup, name: str, place: Path) -> list[GradedImage]:
    """The crops of a run, or the images of a folder, with their faces found; no grader looks at them."""
    if (place / "run.toml").is_file():
        run = RunDirectory.open(place)
        paths = [path for row, _ in run.rows() if row.status == "ok" and (path := run.image_path(row)).is_file()]
    else:
        paths = sorted(one for one in place.rglob("*") if one.suffix.lower() in SUFFIXES)
    if not paths:
        raise NothingToDo(f"{place} holds no images")
    images = [GradedImage(f"{name}/{number:06d}", "", name, -1, str(path)) for number, path in enumerate(paths)]
    return grade_images(setup, name, images, setup.grading.model_copy(update={"extractors": ()}))
