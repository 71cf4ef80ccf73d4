"""Embed images in chunks: each chunk is a file that is written atomically and never computed again."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import BadPhoto, DegenerateFace, PluginError
from ..images import load_image
from ..records import Face
from ..utils import fingerprint, replacing
from .records import GradedImage

if TYPE_CHECKING:
    from ..contracts import Progress
    from ..metrics import Embedder
    from ..records import Pixels

CHUNK = 128
LOADERS = 2
"""Threads that decode and crop the next images while a network computes."""

Vectors = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Embedded:
    """Images of a model with their vectors.

    Attributes:
        images: Those that could be embedded: decoded, and with one usable face if the embedder looks at faces.
        vectors: (N, d).
    """

    images: tuple[GradedImage, ...]
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.images)

    def of(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> Vectors:
        """The vectors of some rows."""
        found: Vectors = self.vectors[np.asarray(rows, np.intp)]
        return found


def embed_images(
    images: Sequence[GradedImage], embedder: Embedder, key: str, folder: Path, progress: Progress
) -> Embedded:
    """Embed the images of a model.

    Args:
        images: Graded images; those that the embedder cannot use are left out.
        embedder: The embedder.
        key: Everything that its vectors depend on; another key is another folder.
        folder: Where chunks are kept.
        progress: Receives how far the work has come.
    """
    usable = [one for one in images if one.sha256 and (one.status == "ok" or embedder.crop is None)]
    place = folder / f"{re.sub('[^a-z0-9]+', '-', embedder.space.lower())}-{fingerprint([key])[:12]}"
    kept: list[GradedImage] = []
    parts: list[Vectors] = []
    progress.start(f"embedding with {embedder.space}", len(usable))
    with ThreadPoolExecutor(LOADERS) as pool:
        for start in range(0, len(usable), CHUNK):
            chunk = usable[start : start + CHUNK]
            name = fingerprint([[one.sha256, list(one.box), list(one.landmarks)] for one in chunk])
            path = place / f"{name[:24]}.npz"
            rows, vectors = _read(path) or _compute(chunk, embedder, path, pool)
            kept += [chunk[row] for row in rows]
            parts.append(vectors)
            progress.advance(len(chunk))
    progress.finish()
    filled = [part for part in parts if len(part)]
    return Embedded(tuple(kept), np.concatenate(filled) if filled else np.zeros((0, 0)))


def _read(path: Path) -> tuple[list[int], Vectors] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return stored["rows"].tolist(), stored["vectors"].astype(np.float64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # not there, or damaged: computed again


def _compute(
    chunk: Sequence[GradedImage], embedder: Embedder, path: Path, pool: ThreadPoolExecutor
) -> tuple[list[int], Vectors]:
    squares = list(pool.map(lambda one: _pixels(one, embedder), chunk))
    rows = [row for row, square in enumerate(squares) if square is not None]
    used = [square for square in squares if square is not None]
    vectors = np.asarray(embedder.embed(used), np.float32) if used else np.zeros((0, 0), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(used):
        raise PluginError(
            f"the embedder of {embedder.space} gave an array of shape {vectors.shape} for {len(used)} images"
        )
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, rows=np.array(rows, np.int64), vectors=vectors)
    return rows, vectors.astype(np.float64)


def _pixels(image: GradedImage, embedder: Embedder) -> Pixels | None:
    """What the embedder looks at; None if the image cannot be read or its face not be cut out."""
    try:
        pixels = load_image(str(Path(image.path).absolute()))
        if embedder.crop is None:
            return pixels
        face = Face(np.array(image.box, np.float32), np.array(image.landmarks, np.float32).reshape(-1, 2), 1.0)
        return embedder.crop.cut(pixels, embedder.crop.matrix(face))
    except (BadPhoto, DegenerateFace, ValueError):
        return None


def by_prompt(embedded: Embedded) -> Iterator[tuple[str, list[int]]]:
    """The rows of each prompt."""
    rows: dict[str, list[int]] = {}
    for row, one in enumerate(embedded.images):
        rows.setdefault(one.prompt_id, []).append(row)
    yield from rows.items()
