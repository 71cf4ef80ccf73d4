"""Zero-shot questions: from a file of prompts to embeddings, and from an image's embedding to an answer."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter, ValidationError

from text2face_core import Options
from text2face_core.errors import UsageError

Embeddings = npt.NDArray[np.float32]
"""(N, D) float32, each of length 1."""

View = Literal["photo", "face"]

OWN = Path(__file__).with_name("prompts.toml")

LOGIT_SCALE = 100.0
"""Factor of the cosines before the softmax: CLIP's temperature, which is learnt up to this limit."""


def unit(vectors: npt.NDArray[np.floating]) -> Embeddings:
    """The vectors at length 1, float32."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


class Asked(Options):
    """A question as written in the file of prompts."""

    view: View
    templates: tuple[str, ...] = Field(min_length=1)
    classes: dict[str, tuple[str, ...]] = Field(min_length=1)
    otherwise: tuple[str, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """The most probable class with its probability against `otherwise`, and the probabilities of all classes."""

    what: str
    probability: float
    classes: dict[str, float]


class Question:
    """A question with its embeddings.

    encode: embeds texts. The embedding of each class, and of `otherwise`, is the mean of its prompts' embeddings.
    """

    def __init__(self, asked: Asked, encode: Callable[[Sequence[str]], Embeddings]) -> None:
        def mean(prompts: Sequence[str]) -> Embeddings:
            return unit(encode([one.format(prompt) for prompt in prompts for one in asked.templates]).mean(axis=0))

        self.view: View = asked.view
        self._names = tuple(asked.classes)
        self._classes = np.stack([mean(prompts) for prompts in asked.classes.values()])
        self._otherwise = mean(asked.otherwise)

    def answers(self, images: Embeddings) -> list[Answer]:
        """An answer for each image's embedding; probabilities are rounded to 0.001."""
        margins = LOGIT_SCALE * (images @ self._classes.T - (images @ self._otherwise)[:, None])
        probabilities = np.round(1 / (1 + np.exp(-margins.astype(np.float64))), 3)
        return [self._answer([float(one) for one in row]) for row in probabilities]

    def _answer(self, row: list[float]) -> Answer:
        best = int(np.argmax(row))
        return Answer(self._names[best], row[best], dict(zip(self._names, row, strict=True)))


def load(path: str, names: Sequence[str]) -> dict[str, Asked]:
    """Load the questions of these names from a file of prompts, the plugin's own if `path` is empty.

    Raises UsageError if the file cannot be used.
    """
    file = Path(path) if path else OWN
    try:
        with file.open("rb") as stream:
            asked = TypeAdapter(dict[str, Asked]).validate_python(tomllib.load(stream))
    except OSError as error:
        raise UsageError(f"the prompts in {file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise UsageError(f"the prompts in {file} are not valid: {error} (for an example, see {OWN})") from error
    if missing := [name for name in names if name not in asked]:
        raise UsageError(f"the prompts in {file} have {', '.join(asked)}, but lack {', '.join(missing)}")
    return {name: asked[name] for name in names}
