"""From portraits to age, gender and ethnicity."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from text2face_core import Extractor, Finding
from text2face_core.errors import ArtifactError
from text2face_core.models import BATCH, Network, load_weights, network, session

from . import WEIGHTS, Trait
from ._crop import inputs

if TYPE_CHECKING:
    from text2face_core import Portrait, Runtime

    from . import DeepFaceOptions

log = logging.getLogger(__name__)

GENDERS = ("female", "male")
ETHNICITIES = ("asian", "indian", "black", "white", "middle_eastern", "latino_hispanic")
YEARS = np.arange(101)
CLASSES: dict[Trait, int] = {"age": len(YEARS), "gender": len(GENDERS), "ethnicity": len(ETHNICITIES)}
LARGEST_BATCH = 8
AGE_IS_MEANT_WITHIN = 5.0
"""Years to both sides of an age; the probability that falls there is the age's score."""

Probabilities = npt.NDArray[np.float64]


class Demography(Extractor):
    """Age as the expectation over 101 years; gender and ethnicity as the most probable.

    The age's score is the probability of the years within five of it, its detail "std" the spread of the distribution
    in years. The other details are the probabilities of all values. Ages are rounded to 0.01 years, probabilities to
    0.001: far above the last bits in which sums might differ between batches of different size.
    """

    def __init__(self, options: DeepFaceOptions, runtime: Runtime) -> None:
        self._options = options
        open_network = {"onnx": _onnx, "torch": _torch, "package": _package}[options.backend]
        self._networks = {
            trait: open_network(trait, _file(trait, options, runtime), runtime) for trait in options.traits
        }
        self._findings: dict[Trait, Callable[[Probabilities], list[Finding]]] = {
            "age": self._age,
            "gender": self._gender,
            "ethnicity": self._ethnicity,
        }

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """What is clear enough about each portrait. Raises DegenerateFace where eyes or box cannot be used."""
        if not portraits:
            return []
        rows = self.probabilities(inputs(portraits))
        return [
            [finding for trait, found in rows.items() for finding in self._findings[trait](found[number])]
            for number in range(len(portraits))
        ]

    def probabilities(self, images: npt.NDArray[np.float32]) -> dict[Trait, Probabilities]:
        """By trait (N, classes), for (N, 224, 224, 3) float32, BGR in [0, 1]."""
        return {trait: run(images)[0].astype(np.float64) for trait, run in self._networks.items()}

    def _age(self, p: Probabilities) -> list[Finding]:
        years = float(p @ YEARS)
        spread = float(np.sqrt(p @ (YEARS - years) ** 2))
        near = min(1.0, float(p[np.abs(YEARS - years) <= AGE_IS_MEANT_WITHIN].sum()))
        return [Finding("age", round(years, 2), round(near, 3), detail={"std": round(spread, 2)})]

    def _gender(self, p: Probabilities) -> list[Finding]:
        return _most_probable("gender", GENDERS, p, self._options.gender_score)

    def _ethnicity(self, p: Probabilities) -> list[Finding]:
        return _most_probable("ethnicity", ETHNICITIES, p, self._options.ethnicity_score)


def _most_probable(name: str, values: Sequence[str], p: Probabilities, least: float) -> list[Finding]:
    shares = {value: round(float(one), 3) for value, one in zip(values, p, strict=True)}
    best = max(shares, key=lambda value: shares[value])
    return [Finding(name, best, shares[best], detail=shares)] if shares[best] >= least else []


def _file(trait: Trait, options: DeepFaceOptions, runtime: Runtime) -> Path:
    given: str = getattr(options, f"{trait}_weights")
    if not given:
        return runtime.models.path(WEIGHTS[trait, options.backend])
    if not Path(given).is_file():
        raise ArtifactError(f"deepface.{trait}_weights names {given}, but there is no such file")
    return Path(given)


def _onnx(trait: Trait, file: Path, runtime: Runtime) -> Network:
    """DeepFace's own graph, which takes and gives what `Classifier` does."""
    try:
        opened = session(file, runtime.threads, runtime.device)
    except Exception as error:
        raise ArtifactError(f"{file} cannot be opened as an ONNX network: {error}") from error
    entry, way_out = opened.get_inputs()[0], opened.get_outputs()[0]
    if entry.shape[1:] != [224, 224, 3] or way_out.shape[-1] != CLASSES[trait]:
        raise ArtifactError(
            f"{file} is not the {trait} network of DeepFace: it takes {entry.shape} and gives {way_out.shape}, "
            f"not (n, 224, 224, 3) and (n, {CLASSES[trait]})"
        )
    batch = entry.shape[0] if isinstance(entry.shape[0], int) else LARGEST_BATCH
    return Network(lambda images: opened.run(None, {entry.name: images[0]})[:1], "onnx", batch)


def _package(trait: Trait, file: Path, runtime: Runtime) -> Network:
    """DeepFace's own client."""
    from ._package import package_network

    return package_network(trait, file, runtime)


def _torch(trait: Trait, file: Path, runtime: Runtime) -> Network:
    from ._trunk import Classifier

    classifier = load_weights(lambda: Classifier(CLASSES[trait]), file, what=f"DeepFace's {trait} network")
    shape = (BATCH, 224, 224, 3)
    return network(classifier, [shape], runtime, key=f"deepface.{trait} 1", outputs=(trait,), batch=LARGEST_BATCH)
