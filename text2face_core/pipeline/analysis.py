"""The order of work from photos to findings; `captioning` goes on from there. Nothing here knows a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..contracts import Rejection, Runtime
from ..records import AnalysisRow, Finding, Photo, PhotoRef, Portrait, Status
from .stage import Clock, Failure, Stage

if TYPE_CHECKING:
    from ..plugins import Plugins
    from ..recipe import Resolved


@dataclass(frozen=True, slots=True)
class Decoded:
    """A photo that was asked for, and what decoding made of it."""

    ref: PhotoRef
    outcome: Photo | Failure


@dataclass(frozen=True, slots=True)
class Analysed:
    """A row, and the portrait behind it where the photo was accepted."""

    row: AnalysisRow
    portrait: Portrait | None = None


class Analysis:
    """detect → one face? → filters → extractors."""

    def __init__(self, resolved: Resolved, plugins: Plugins, runtime: Runtime, clock: Clock) -> None:
        def stage(part: Any, method: str) -> Stage[Any, Any]:
            built = plugins.build(part.registered, part.options, runtime)
            return Stage(part.registered.name, getattr(built, method), clock)

        self._min_size = resolved.recipe.faces.min_size
        self._detector = stage(resolved.of("detector")[0], "detect")
        self._filters = [stage(part, "judge") for part in resolved.of("filter")]
        self._extractors = [stage(part, "extract") for part in resolved.of("extractor")]

    def __call__(self, batch: Sequence[Decoded]) -> list[Analysed]:
        """One row per photo, in order, whatever becomes of each."""
        found = {one.ref.photo_id: _undecoded(one) for one in batch}
        photos = [one.outcome for one in batch if isinstance(one.outcome, Photo)]
        for photo, faces in zip(photos, self._detector([photo.pixels for photo in photos]), strict=True):
            row = replace(found[photo.photo_id].row, status="ok", reason="", width=photo.width, height=photo.height)
            found[photo.photo_id] = self._one_face(photo, row, faces)
        for judge in self._filters:
            self._judge(found, judge)
        for extract in self._extractors:
            self._extract(found, extract)
        return [found[one.ref.photo_id] for one in batch]

    def _one_face(self, photo: Photo, row: AnalysisRow, faces: Any) -> Analysed:
        if isinstance(faces, Failure):
            return Analysed(replace(row, status="failed", reason=faces.reason))
        if len(faces) != 1:
            return Analysed(replace(row, status="rejected", reason=f"{len(faces)} faces" if faces else "no face"))
        (face,) = faces
        if not (np.isfinite(face.box).all() and np.isfinite(face.landmarks).all()):
            return Analysed(replace(row, status="failed", reason="the detector gave a face without a place"))
        row = replace(row, face=face)
        if face.size < self._min_size:
            reason = f"face too small: {face.size:.0f} pixels (the least is {self._min_size:.0f})"
            return Analysed(replace(row, status="rejected", reason=reason))
        return Analysed(row, Portrait(photo, face))

    @staticmethod
    def _judge(found: dict[str, Analysed], judge: Stage[Portrait, Rejection | None]) -> None:
        portraits = [one.portrait for one in found.values() if one.portrait]
        for portrait, verdict in zip(portraits, judge(portraits), strict=True):
            if verdict is None:
                continue
            row = found[portrait.photo.photo_id].row
            status: Status = "failed" if isinstance(verdict, Failure) else "rejected"
            found[row.photo_id] = Analysed(replace(row, status=status, reason=verdict.reason))

    @staticmethod
    def _extract(found: dict[str, Analysed], extract: Stage[Portrait, Sequence[Finding]]) -> None:
        portraits = [one.portrait for one in found.values() if one.portrait]
        for portrait, findings in zip(portraits, extract(portraits), strict=True):
            row = found[portrait.photo.photo_id].row
            if isinstance(findings, Failure):
                found[row.photo_id] = Analysed(replace(row, status="failed", reason=findings.reason, findings=()))
                continue
            signed = tuple(finding if finding.source else replace(finding, source=extract.name) for finding in findings)
            found[row.photo_id] = Analysed(replace(row, findings=row.findings + signed), portrait)


def _undecoded(one: Decoded) -> Analysed:
    reason = one.outcome.reason if isinstance(one.outcome, Failure) else "not analysed"
    return Analysed(AnalysisRow(one.ref.photo_id, one.ref.uri, one.ref.chunk, "failed", reason))
