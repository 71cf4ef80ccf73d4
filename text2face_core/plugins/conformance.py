"""The conformance kit: check a component against the contract of its role, in a plugin author's own tests.

Each function calls the component as a run would, and raises BrokenContract, which says what is wrong and for which
input. What it checks: one result per input, in order; results that tables can hold; the same result for an input alone,
in a batch, and in a batch of another order; and inputs that are left as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import numpy as np

from ..contracts import Detector, Extractor, Filter, Fuser, FusionRequest
from ..records import Finding, Pixels, Portrait
from .checks import BrokenContract, check_faces, check_findings, check_rejection, check_texts

In = TypeVar("In")
Out = TypeVar("Out")


def check_detector(detector: Detector, images: Sequence[Pixels]) -> None:
    """Check a detector on images of your choice; take at least two that differ.

    Args:
        detector: What the component's `build` returned.
        images: (H, W, 3) uint8 RGB each, of any size.

    Raises:
        BrokenContract: The detector does not keep the contract.

    Example:
        >>> check_detector(detector, [photo_with_a_face, empty_wall])  # doctest: +SKIP
    """
    before = [image.copy() for image in images]
    _check(detector.detect, images, lambda faces: [_face_values(face) for face in check_faces(faces)])
    for number, (image, copy) in enumerate(zip(images, before, strict=True)):
        _require(np.array_equal(image, copy), f"image {number} was changed")


def check_filter(judge: Filter, portraits: Sequence[Portrait]) -> None:
    """Check a filter on portraits; take one that it keeps and one that it rejects.

    Raises:
        BrokenContract: The filter does not keep the contract.
    """
    _check_portraits(judge.judge, portraits, check_rejection)


def check_extractor(extractor: Extractor, portraits: Sequence[Portrait], provides: Collection[str]) -> None:
    """Check an extractor on portraits.

    Args:
        extractor: What the component's `build` returned.
        portraits: At least two that differ.
        provides: The names that the component declares; any other finding breaks the contract.

    Raises:
        BrokenContract: The extractor does not keep the contract.
    """

    def checked(findings: Any) -> tuple[Finding, ...]:
        clean = check_findings(findings)
        for finding in clean:
            _require(finding.name in provides, f'the finding "{finding.name}" is not declared in `provides`')
        return clean

    _check_portraits(extractor.extract, portraits, checked)


def check_fuser(fuser: Fuser, requests: Sequence[FusionRequest]) -> None:
    """Check a fuser on requests; take several seeds, and a count above 1 in one of them.

    Raises:
        BrokenContract: The fuser does not keep the contract.
    """
    wanted = [request.count for request in requests]
    _check(fuser.fuse, requests, check_texts)
    for number, (texts, count) in enumerate(zip(fuser.fuse(requests), wanted, strict=True)):
        _require(len(texts) == count, f"request {number} asked for {count} text(s) and got {len(texts)}")


def _check_portraits(method: Callable[[Sequence[Portrait]], Any], portraits: Sequence[Portrait], clean: Any) -> None:
    before = [portrait.photo.pixels.copy() for portrait in portraits]
    _check(method, portraits, clean)
    for number, (portrait, copy) in enumerate(zip(portraits, before, strict=True)):
        _require(np.array_equal(portrait.photo.pixels, copy), f"the pixels of portrait {number} were changed")


def _check(method: Callable[[Sequence[In]], Any], inputs: Sequence[In], clean: Callable[[Any], Out]) -> None:
    if not inputs:
        raise ValueError("give at least one input to check with")
    together = _results(method, inputs, clean)
    backwards = _results(method, inputs[::-1], clean)[::-1]
    for number, one in enumerate(inputs):
        (alone,) = _results(method, [one], clean)
        _require(alone == together[number], f"input {number} has another result alone than in a batch")
        _require(backwards[number] == together[number], f"input {number} has another result in another order")


def _results(method: Callable[[Sequence[In]], Any], inputs: Sequence[In], clean: Callable[[Any], Out]) -> list[Out]:
    given = method(inputs)
    _require(isinstance(given, Sequence), f"gave {type(given).__name__}, not a list")
    _require(len(given) == len(inputs), f"gave {len(given)} results for {len(inputs)} inputs")
    return [clean(result) for result in given]


def _face_values(face: Any) -> tuple[bytes, bytes, float]:
    return np.round(face.box, 2).tobytes(), np.round(face.landmarks, 2).tobytes(), round(face.score, 4)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise BrokenContract(otherwise)
