"""The conformance kit accepts what keeps the contract, and names what does not."""

from dataclasses import replace

import numpy as np
import pytest
from support.example_faces import portrait

from text2face_core import Bag, Detector, Extractor, Face, Filter, Finding, Fuser, FusionRequest, Portrait, Rejection
from text2face_core.plugins import BrokenContract, check_detector, check_extractor, check_filter, check_fuser

IMAGES = [np.zeros((64, 64, 3), np.uint8), np.full((32, 48, 3), 200, np.uint8)]
REQUESTS = [FusionRequest("0" * 16, "a", 0, Bag(()), "long", seed, count) for seed, count in ((1, 1), (2, 3))]


def face_in(image):
    height, width = image.shape[:2]
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    return Face(np.array([0, 0, width, height], np.float32), points * np.float32([width, height]), 0.9)


class Detects(Detector):
    def detect(self, images):
        return [[face_in(image)] for image in images]


class Extracts(Extractor):
    def extract(self, portraits):
        return [[Finding("dim", bool(one.photo.pixels.mean() < 100), 0.9)] for one in portraits]


class Judges(Filter):
    def judge(self, portraits):
        return [Rejection("wide") if one.photo.width > 10_000 else None for one in portraits]


class Writes(Fuser):
    def fuse(self, requests):
        return [[f"Text {one.seed}.{number}" for number in range(one.count)] for one in requests]


@pytest.fixture
def portraits():
    found = [portrait("portrait-01"), portrait("portrait-02")]
    return [Portrait(replace(one.photo, pixels=one.photo.pixels.copy()), one.face) for one in found]


def test_components_that_keep_the_contract_pass(portraits):
    check_detector(Detects(), IMAGES)
    check_filter(Judges(), portraits)
    check_extractor(Extracts(), portraits, provides=["dim"])
    check_fuser(Writes(), REQUESTS)


class TooFew(Extracts):
    def extract(self, portraits):
        return super().extract(portraits)[:1]


class OfTheBatch(Extracts):
    def extract(self, portraits):
        return [[Finding("dim", len(portraits) > 1, 0.9)] for _ in portraits]


class OfTheOrder(Extracts):
    def extract(self, portraits):
        return [[Finding("dim", number == 0, 0.9)] for number, _ in enumerate(portraits)]


class Undeclared(Extracts):
    def extract(self, portraits):
        return [[Finding("bright", True, 0.9)] for _ in portraits]


class NotAFinding(Extracts):
    def extract(self, portraits):
        return [["dim"] for _ in portraits]


class Paints(Extracts):
    def extract(self, portraits):
        findings = super().extract(portraits)
        for one in portraits:
            one.photo.pixels[:4] ^= 1
        return findings


@pytest.mark.parametrize("kind", [TooFew, OfTheBatch, OfTheOrder, Undeclared, NotAFinding, Paints])
def test_an_extractor_that_breaks_the_contract_is_found(kind, portraits):
    with pytest.raises(BrokenContract):
        check_extractor(kind(), portraits, provides=["dim"])


def test_a_detector_whose_faces_depend_on_the_batch_is_found():
    class Sees(Detector):
        def detect(self, images):
            return [[face_in(image)] * len(images) for image in images]

    with pytest.raises(BrokenContract, match="alone"):
        check_detector(Sees(), IMAGES)


def test_a_fuser_that_forgets_a_text_is_found():
    class Forgets(Writes):
        def fuse(self, requests):
            return [texts[:1] for texts in super().fuse(requests)]

    with pytest.raises(BrokenContract, match="3 text"):
        check_fuser(Forgets(), REQUESTS)


def test_a_filter_that_answers_yes_and_no_is_found(portraits):
    class Answers(Filter):
        def judge(self, portraits):
            return [True for _ in portraits]

    with pytest.raises(BrokenContract):
        check_filter(Answers(), portraits)
