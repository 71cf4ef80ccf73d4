"""Embedders and a metric that need no network, as a plugin module."""

from __future__ import annotations

import numpy as np

from text2face_core import Component, Embedder, hookimpl
from text2face_core.contracts import Metric
from text2face_core.errors import ArtifactError
from text2face_core.evaluation import Measure
from text2face_core.images import BoxCrop


class Colours(Embedder):
    """The mean colour; counts what it is asked for."""

    space = "colours 3-d"
    purpose = "quality"

    def __init__(self, crop=None):
        self.crop, self.seen = crop, []

    def embed(self, images):
        self.seen.append(len(images))
        return np.array([one.mean(axis=(0, 1)) for one in images], np.float32)


class Shades(Colours):
    space = "shades"
    purpose = "identity"

    def __init__(self):
        super().__init__(BoxCrop(1.2, 16))


class Count(Metric):
    def measure(self, evaluation):
        return [Measure("images", float(len(evaluation.images)), unit="count")]


def missing(options, runtime):
    raise ArtifactError("weights.bin cannot be had")


@hookimpl
def t2f_metrics():
    yield Component("measuring.colours", lambda options, runtime: Colours(), summary="mean colours")
    yield Component("measuring.shades", lambda options, runtime: Shades())
    yield Component("measuring.count", lambda options, runtime: Count())
    yield Component("measuring.missing", missing)
    yield Component("measuring.wrong", lambda options, runtime: "a text")
