"""Analysis: the stages from decoded photos to findings. Nothing here knows a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..contracts import Detector, Rejection, Runtime
from ..images import supported
from ..plugins import check_faces, check_findings, check_rejection
from ..records import NOTHING_KNOWN, AnalysisRow, Face, Finding, Known, Photo, PhotoRef, Pixels, Portrait, Status
from .faces import FaceSelection
from .stage import Clock, Failure, Stage

if TYPE_CHECKING:
    from ..plugins import Plugins
    from ..recipe import Resolved
    from ..sections import FaceRule


@dataclass(frozen=True, slots=True)
class Decoded:
    """A photo of the run, and the result of decoding it; content and look as in `AnalysisRow`.

    known: what its source knows about it.
    """

    ref: PhotoRef
    outcome: Photo | Failure
    content: str = ""
    look: str = ""
    known: Known = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class Analysed:
    """A row, and the portrait behind it if the photo was accepted."""

    row: AnalysisRow
    portrait: Portrait | None = None


class Analysis:
    """detect → select a face → filters → extractors → findings that the photo supports."""

    def __init__(self, resolved: Resolved, plugins: Plugins, runtime: Runtime, clock: Clock) -> None:
        def stage(part: Any, method: str, check: Callable[[Any], Any]) -> Stage[Any, Any]:
            built = plugins.build(part.registered, part.options, runtime)
            return Stage(part.registered.name, getattr(built, method), clock, check)

        (part,) = resolved.of("detector")
        detector: Detector = plugins.build(part.registered, part.options, runtime)
        self._detector: Stage[Pixels, tuple[Face, ...]]
        self._detector = Stage(part.registered.name, detector.detect, clock, check_faces)
        self._upright_score = detector.upright_score
        self._recipe = resolved.recipe
        self._selections: dict[FaceRule, FaceSelection] = {}
        self._dataset = resolved.recipe.dataset
        self._filters = [stage(part, "judge", check_rejection) for part in resolved.of("filter")]
        self._extractors = [stage(part, "extract", check_findings) for part in resolved.of("extractor")]

    def __call__(self, batch: Sequence[Decoded]) -> list[Analysed]:
        """One row per photo, in order, whatever happens to each."""
        found = {one.ref.photo_id: _undecoded(one) for one in batch}
        photos = [one.outcome for one in batch if isinstance(one.outcome, Photo)]
        for photo, faces in zip(photos, self._detector([photo.pixels for photo in photos]), strict=True):
            row = replace(found[photo.photo_id].row, status="ok", reason="", width=photo.width, height=photo.height)
            found[photo.photo_id] = self._one_face(photo, row, faces)
        self._require_upright(found)
        for judge in self._filters:
            self._judge(found, judge)
        for extract in self._extractors:
            self._extract(found, extract)
        return [_supported(found[one.ref.photo_id]) for one in batch]

    def _one_face(self, photo: Photo, row: AnalysisRow, faces: tuple[Face, ...] | Failure) -> Analysed:
        if isinstance(faces, Failure):
            return Analysed(replace(row, status="failed", reason=faces.reason))
        row = replace(row, faces=faces if len(faces) > 1 else ())
        selection = self._selection_for(photo.uri)
        face = selection.choose(photo, faces)
        if isinstance(face, str):
            return Analysed(replace(row, status="rejected", reason=face))
        row = replace(row, face=face)
        if refusal := selection.refuse(photo, face) or self._refuse_crop(photo, face):
            return Analysed(replace(row, status="rejected", reason=refusal))
        return Analysed(row, Portrait(photo, face))

    def _refuse_crop(self, photo: Photo, face: Face) -> str:
        """Why the image for the data set is too small; empty if it is not."""
        x0, y0, x1, y1 = self._dataset.framing.frame(photo.width, photo.height, face)
        if min(x1 - x0, y1 - y0) >= self._dataset.smallest:
            return ""
        return f"crop too small: {x1 - x0} x {y1 - y0} pixels (dataset.smallest is {self._dataset.smallest})"

    def _selection_for(self, uri: str) -> FaceSelection:
        """The rules for a photo's faces, which sources may have of their own."""
        rule = self._recipe.faces_of(uri)
        if rule not in self._selections:
            self._selections[rule] = FaceSelection(rule, self._detector, self._upright_score)
        return self._selections[rule]

    def _require_upright(self, found: dict[str, Analysed]) -> None:
        by_rule: dict[FaceSelection, dict[str, Portrait]] = {}
        for photo_id, portrait in _accepted(found).items():
            by_rule.setdefault(self._selection_for(portrait.photo.uri), {})[photo_id] = portrait
        for selection, accepted in by_rule.items():
            for photo_id, refusal in zip(accepted, selection.refuse_turned(list(accepted.values())), strict=True):
                if refusal:
                    found[photo_id] = Analysed(replace(found[photo_id].row, status="rejected", reason=refusal))

    @staticmethod
    def _judge(found: dict[str, Analysed], judge: Stage[Portrait, Rejection | None]) -> None:
        accepted = _accepted(found)
        for photo_id, refusal in zip(accepted, judge(list(accepted.values())), strict=True):
            if refusal is None:
                continue
            status: Status = "failed" if isinstance(refusal, Failure) else "rejected"
            found[photo_id] = Analysed(replace(found[photo_id].row, status=status, reason=refusal.reason))

    @staticmethod
    def _extract(found: dict[str, Analysed], extract: Stage[Portrait, tuple[Finding, ...]]) -> None:
        accepted = _accepted(found)
        for photo_id, findings in zip(accepted, extract(list(accepted.values())), strict=True):
            row = found[photo_id].row
            if isinstance(findings, Failure):
                found[photo_id] = Analysed(replace(row, status="failed", reason=findings.reason, findings=()))
                continue
            signed = tuple(finding if finding.source else replace(finding, source=extract.name) for finding in findings)
            found[photo_id] = Analysed(replace(row, findings=row.findings + signed), accepted[photo_id])


def _accepted(found: dict[str, Analysed]) -> dict[str, Portrait]:
    return {photo_id: one.portrait for photo_id, one in found.items() if one.portrait}


def _supported(one: Analysed) -> Analysed:
    """Without the findings that the photo, or another finding, makes doubtful."""
    row = one.row
    if row.face is None or not row.findings:
        return one
    findings = supported(row.findings, row.face, row.width, row.height)
    return one if len(findings) == len(row.findings) else replace(one, row=replace(row, findings=findings))


def _undecoded(one: Decoded) -> Analysed:
    reason = one.outcome.reason if isinstance(one.outcome, Failure) else "not analysed"
    row = AnalysisRow(one.ref.photo_id, one.ref.uri, one.ref.chunk, "failed", reason)
    known = one.known
    row = replace(row, alt_text=known.alt_text, human_captions=known.captions, truth=known.findings)
    return Analysed(replace(row, content=one.content, look=one.look))
