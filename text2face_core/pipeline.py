"""The order of work: photos to analysis, analysis to captions. Nothing here knows a model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .contracts import FusionRequest, Rejection, Runtime
from .language.bag import draw_bag, unknown_names
from .language.mentions import mentions
from .records import AnalysisRow, Caption, CaptionRow, Finding, Photo, PhotoRef, Portrait, Status
from .stage import Clock, Failure, Stage
from .streams import random_stream, stream_seed

if TYPE_CHECKING:
    from .plugins import Plugins
    from .recipe import Resolved

log = logging.getLogger(__name__)


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


class Captioning:
    """bag → fuser → mentions."""

    def __init__(self, resolved: Resolved, plugins: Plugins, runtime: Runtime, clock: Clock) -> None:
        (part,) = resolved.of("fuser")
        self._recipe = resolved.recipe
        self._vocabulary = resolved.vocabulary
        fuser = plugins.build(part.registered, part.options, runtime)
        self._fuser: Stage[FusionRequest, list[str]] = Stage(part.registered.name, fuser.fuse, clock)
        self._unknown: set[str] = set()

    def __call__(self, rows: Sequence[AnalysisRow]) -> list[CaptionRow]:
        """One row per analysed photo, in order; only photos that are "ok" have captions."""
        accepted = [row for row in rows if row.status == "ok"]
        requests = [self._request(row, number) for row in accepted for number in range(self._recipe.captions.per_photo)]
        self._warn_of_unknown(accepted)
        captions: dict[str, list[Caption]] = {row.photo_id: [] for row in rows}
        for request, texts in zip(requests, self._fuser(requests), strict=True):
            if not isinstance(texts, Failure):
                captions[request.photo_id] += [self._caption(request, text) for text in texts if text.strip()]
        return [CaptionRow(row.photo_id, tuple(captions[row.photo_id])) for row in rows]

    def _warn_of_unknown(self, rows: Sequence[AnalysisRow]) -> None:
        names = {name for row in rows for name in unknown_names(row.findings, self._vocabulary)}
        for name in sorted(names - self._unknown):
            log.warning('captions will not say "%s": the vocabulary has no words for it (see t2f_vocabulary)', name)
        self._unknown |= names

    def _request(self, row: AnalysisRow, number: int) -> FusionRequest:
        seed, photo_id = self._recipe.seed, row.photo_id
        stream = random_stream(seed, photo_id, "bag", number)
        bag = draw_bag(row.findings, self._vocabulary, self._recipe.bag, stream)
        styles = self._recipe.captions.styles
        style = stream.choices(list(styles), list(styles.values()))[0]
        return FusionRequest(photo_id, row.uri, number, bag, style, stream_seed(seed, photo_id, "fuser", number, 0))

    def _caption(self, request: FusionRequest, text: str) -> Caption:
        said = mentions(text, request.bag, self._vocabulary)
        return Caption(
            text, self._fuser.name, request.style, 1, request.bag, said.mentioned, said.missed, said.invented
        )
