"""From photos to regions of the face, and from regions to findings.

FaRL's own package resamples the logits of every class to the size of the photo, 46 MB for a megapixel and 11 classes.
Here nothing is resampled: areas and lengths are measured in the network's input square, with each pixel weighted by the
area of the photo that it shows (see `ParsedFace.columns`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from text2face_core import Extractor, Finding
from text2face_core.errors import ArtifactError
from text2face_core.images import ParsedFace, Region, Thresholds, derive, worn
from text2face_core.models import BATCH, Network, network

from . import MEASURED
from ._frames import Frame
from ._parsing_network import load_parser

if TYPE_CHECKING:
    from pathlib import Path

    from text2face_core import Portrait, Runtime

    from . import Parser, ParsingOptions

log = logging.getLogger(__name__)

SIDE = 448
Classes = npt.NDArray[np.uint8]

# FaRL's five points, on a canvas of 512 that is scaled to the square's side minus 1.
TEMPLATE = ((196.0, 226.0), (316.0, 226.0), (256.0, 286.0), (220.0, 360.4), (292.0, 360.4))


@dataclass(frozen=True)
class ParserSpec:
    """A parser's input square, and the region that each of its classes counts as.

    Ears, neck and brows count as skin, clothes and jewellery as background. Left and right, in whose order FaRL's own
    tables differ, are never distinguished.
    """

    frame: Frame
    regions: tuple[Region, ...]


B, S = Region.BACKGROUND, Region.SKIN

KINDS: Mapping[Parser, ParserSpec] = {
    # background, face, two brows, two eyes, nose, upper lip, inner mouth, lower lip, hair
    "lapa": ParserSpec(
        Frame(SIDE, tuple((x * (SIDE - 1) / 512, y * (SIDE - 1) / 512) for x, y in TEMPLATE), bend=0.8),
        (B, S, S, S, Region.EYES, Region.EYES, Region.NOSE, Region.LIPS, Region.MOUTH, Region.LIPS, Region.HAIR),
    ),
    # background, neck, face, cloth, two ears, two brows, two eyes, nose, inner mouth, lower lip, upper lip, hair,
    # glasses, hat, earring, necklace
    "celebm": ParserSpec(
        Frame(SIDE),
        (
            *(B, S, S, B, S, S, S, S, Region.EYES, Region.EYES, Region.NOSE, Region.MOUTH, Region.LIPS, Region.LIPS),
            *(Region.HAIR, Region.GLASSES, Region.HAT, B, B),
        ),
    ),
}


class Parsing(Extractor):
    """Hair length, openness of eyes and mouth, eyeglasses and hats.

    With both parsers, everything is measured in the square of lapa, which shows the whole photo, after celebm's
    glasses and hats, for which lapa has no class, have been added to it.
    """

    def __init__(self, weights: Mapping[Parser, Path], options: ParsingOptions, runtime: Runtime) -> None:
        self._limits = Thresholds(said_from=options.certainty)
        # On a CPU, larger batches cost memory and save no time.
        self._batch = 2 if runtime.device == "cpu" else 16
        self._parsers = {
            name: ParserNetwork(name, path, runtime, self._batch)
            for name, path in sorted(weights.items(), key=lambda one: one[0] != "lapa")
        }

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Derive findings from each portrait's regions. Raises DegenerateFace for unusable landmarks."""
        return [self._findings(face) for face in self._parsed(portraits)]

    def parse(self, portraits: Sequence[Portrait]) -> list[ParsedFace]:
        """The regions of each portrait, for inspection."""
        return list(self._parsed(portraits))

    def _parsed(self, portraits: Sequence[Portrait]) -> Iterator[ParsedFace]:
        for start in range(0, len(portraits), self._batch):
            some = portraits[start : start + self._batch]
            seen = [parser(some) for parser in self._parsers.values()]
            for portrait, *one in zip(some, *seen, strict=True):
                yield self._face(portrait, one)

    def _face(self, portrait: Portrait, seen: Sequence[tuple[npt.NDArray[np.uint8], Classes]]) -> ParsedFace:
        frames = [KINDS[name].frame for name in self._parsers]
        (pixels, regions), frame = seen[0], frames[0]
        matrix = frame.matrix(portrait.face)
        x, y = frame.photo_points(matrix)
        for (_, others), other in zip(seen[1:], frames[1:], strict=True):
            put_on(regions, others, other, other.matrix(portrait.face), x, y)
        width, height = portrait.photo.width, portrait.photo.height
        return ParsedFace(
            pixels,
            regions,
            portrait.face.landmarks @ matrix[:, :2].T + matrix[:, 2],
            inside=np.asarray((x > 0) & (x < width) & (y > 0) & (y < height)),
            columns=frame.places,
            rows=frame.places,
        )

    def _findings(self, face: ParsedFace) -> list[Finding]:
        found = [_length_of_none(one) for one in derive(face, self._limits)]
        found += worn(face, self._limits) if "celebm" in self._parsers else []
        return [one for one in found if one.name in MEASURED]


def _length_of_none(finding: Finding) -> Finding:
    """Turn the finding "bald" into the hair length "bald"."""
    if finding.name == "bald" and finding.value is True:
        return Finding("hair_length", "bald", finding.score)
    return finding


def put_on(
    regions: Classes,
    others: Classes,
    frame: Frame,
    matrix: npt.NDArray[np.floating],
    x: npt.NDArray[np.floating],
    y: npt.NDArray[np.floating],
) -> None:
    """Copy glasses and hats from `others`, the regions in another square of the same photo, to `regions`.

    frame, matrix: of the other square. x, y: position in the photo of each pixel of `regions`.
    """
    if not np.isin(others, (Region.GLASSES, Region.HAT)).any():
        return
    (a, b, c), (d, e, f) = matrix.astype(np.float64)
    columns = np.floor(frame.bent(a * x + b * y + c)).astype(np.intp)
    rows = np.floor(frame.bent(d * x + e * y + f)).astype(np.intp)
    seen = (columns >= 0) & (columns < frame.size) & (rows >= 0) & (rows < frame.size)
    there = others[rows.clip(0, frame.size - 1), columns.clip(0, frame.size - 1)]
    take = seen & ((there == Region.GLASSES) | (there == Region.HAT))
    regions[take] = there[take]


class ParserNetwork:
    """A parser that is called with portraits."""

    def __init__(self, name: Parser, weights: Path, runtime: Runtime, batch: int) -> None:
        self._kind = KINDS[name]
        self._where = f"{weights}, given as FaRL's parser {name},"
        self._regions = np.array(self._kind.regions, np.uint8)
        self._network = _network(name, weights, runtime, batch)

    def __call__(self, portraits: Sequence[Portrait]) -> list[tuple[npt.NDArray[np.uint8], Classes]]:
        """For each portrait, its square, (SIDE, SIDE, 3) uint8, and its `Region`s, (SIDE, SIDE) uint8.

        Raises DegenerateFace for unusable landmarks, ArtifactError if the network is not of this kind.
        """
        squares = [self._kind.frame.cut(one.photo, one.face) for one in portraits]
        images = np.stack([square.transpose(2, 0, 1) for square in squares]) / np.float32(255)
        (seen,) = self._network(images)
        classes, count = (seen.argmax(axis=1), seen.shape[1]) if seen.shape[1] > 1 else (seen[:, 0].astype(int), 0)
        if count not in {0, len(self._regions)} or classes.max(initial=0) >= len(self._regions):
            raise ArtifactError(f"{self._where} has {count or classes.max() + 1} classes, not {len(self._regions)}")
        return [(np.rint(s).astype(np.uint8), self._regions[c]) for s, c in zip(squares, classes, strict=True)]


def _network(name: Parser, weights: Path, runtime: Runtime, batch: int) -> Network:
    """Load the parser for the fastest way to run it; in float32 if its script does not accept the wanted dtype."""
    usual = runtime.device == "cpu" and runtime.dtype == "float32"
    module = load_parser(weights, SIDE, labels=not usual)
    shapes = [(BATCH, 3, SIDE, SIDE)]
    run = network(module, shapes, runtime, key=f"farl.parsing {name} 1", outputs=("seen",), batch=batch)
    if runtime.dtype != "float32":
        try:
            run(np.zeros((1, 3, SIDE, SIDE), np.float32))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            log.warning("FaRL's parser %s cannot compute in %s (%s); using float32", name, runtime.dtype, reason)
            return _network(name, weights, replace(runtime, dtype="float32"), batch)
    return run
