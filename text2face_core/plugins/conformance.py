"""The conformance kit: check a component against the contract of its role, in the tests of a plugin's author.

Each function calls the component as a run would, and raises BrokenContract, which names the fault and the input. It
checks that there is one result per input, in order; that tables can hold the results; that an input gives the same
result alone, in a batch, and in a batch of another order; and that inputs are left unchanged.
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
    """Check a detector on images of your choice.

    Args:
        detector: The detector that the component's `build` returned.
            images: Each (H, W, 3) uint8 RGB, of any size; at least two that differ.

    Raises:
        BrokenContract: The detector breaks the contract.

    Example:
        >>> check_detector(detector, [photo_with_a_face, empty_wall])  # doctest: +SKIP
    """
    before = [image.copy() for image in images]
    _check(detector.detect, images, lambda faces: [_face_values(face) for face in check_faces(faces)])
    for number, (image, copy) in enumerate(zip(images, before, strict=True)):
        _require(np.array_equal(image, copy), f"image {number} was changed")


def check_filter(judge: Filter, portraits: Sequence[Portrait]) -> None:
    """Check a filter on portraits.

    Args:
        judge: The filter that the component's `build` returned.
        portraits: At least a portrait that it keeps and a portrait that it rejects.

    Raises:
        BrokenContract: The filter breaks the contract.

    Example:
        >>> check_filter(tilt_filter, [upright_portrait, tilted_portrait])  # doctest: +SKIP
    """
    _check_portraits(judge.judge, portraits, check_rejection)


def check_extractor(extractor: Extractor, portraits: Sequence[Portrait], provides: Collection[str]) -> None:
    """Check an extractor on portraits.

    Args:
        extractor: The extractor that the component's `build` returned.
        portraits: At least two that differ.
        provides: The names that the component declares; any other finding breaks the contract.

    Raises:
        BrokenContract: The extractor breaks the contract.

    Example:
        >>> check_extractor(extractor, [smiling, serious], provides=("smiling",))  # doctest: +SKIP
    """

    def checked(findings: Any) -> tuple[Finding, ...]:
        clean = check_findings(findings)
        for finding in clean:
            _require(finding.name in provides, f'the finding "{finding.name}" is not declared in `provides`')
        return clean

    _check_portraits(extractor.extract, portraits, checked)


def check_fuser(fuser: Fuser, requests: Sequence[FusionRequest]) -> None:
    """Check a fuser on requests.

    Args:
        fuser: The fuser that the component's `build` returned.
        requests: Requests with several seeds, and at least one with a count above 1.

    Raises:
        BrokenContract: The fuser breaks the contract.

    Example:
        >>> check_fuser(fuser, [short_request, request_for_three_texts])  # doctest: +SKIP
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
