"""Grade image files: the detector and the graders of a recipe, as a run of its own that can be resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..records import AnalysisRow
from ..utils import write_text
from .records import GradedImage, ImageStatus

if TYPE_CHECKING:
    from ..recipe import Recipe


def grading_recipe(recipe: Recipe, graders: Sequence[str] = ()) -> Recipe:
    """The recipe that grades: the detector and face rules of `recipe`, its graders, and no filter, crop or caption.

    graders: instead of the recipe's. Without either, the recipe's extractors grade.
    """
    chosen = tuple(dict.fromkeys(graders)) or recipe.evaluation.graders or recipe.extractors
    if not chosen:
        raise UsageError("no graders: name extractors with --graders, or set evaluation.graders in the recipe")
    kept = {recipe.detector, *chosen}
    return recipe.model_copy(
        update={
            "filters": (),
            "extractors": chosen,
            "fuser": "phrasebook",
            "trainer": None,
            "captions": recipe.captions.model_copy(update={"max_tokens": 0, "fallback": ""}),
            "faces": recipe.faces.model_copy(update={"choose": "only", "min_size": 0.0}),
            "dataset": recipe.dataset.model_copy(update={"enabled": False}),
            "plugins": {name: options for name, options in recipe.plugins.items() if name in kept},
        }
    )


def write_list(path: Path, files: Iterable[Path]) -> Path:
    """A text list of image files that a run can take as its source."""
    write_text(path, "".join(f"{file.absolute()}\n" for file in files))
    return path


def graded_image(row: AnalysisRow, image: GradedImage) -> GradedImage:
    """The image with what was found on it."""
    status, faces = _status_of(row)
    box = tuple(float(edge) for edge in row.face.box) if row.face is not None else ()
    landmarks = tuple(float(one) for one in row.face.landmarks.ravel()) if row.face is not None else ()
    findings = row.findings if status == "ok" else ()
    return replace(
        image, status=status, reason=row.reason, faces=faces, box=box, landmarks=landmarks, findings=findings
    )


def match_rows(images: Sequence[GradedImage], rows: Mapping[str, AnalysisRow]) -> list[GradedImage]:
    """Each image with the row of its file; rows by absolute path. An image without a row was not graded: failed."""
    graded = []
    for image in images:
        row = rows.get(str(Path(image.path).absolute()))
        if row is None:
            graded.append(replace(image, status="failed", reason=image.reason or "the file is missing", faces=-1))
        else:
            graded.append(graded_image(row, image))
    return graded


def _status_of(row: AnalysisRow) -> tuple[ImageStatus, int]:
    faces = len(row.faces) or int(row.face is not None)
    if row.status == "ok":
        return "ok", 1
    if row.status == "failed":
        return "failed", faces if row.face is not None else -1
    if not faces:
        return "no face", 0
    return ("several faces", faces) if faces > 1 else ("rejected", 1)


def file_hash(path: Path) -> str:
    """sha256 of a file; "" if it is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
