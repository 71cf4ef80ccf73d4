"""Contracts of an evaluation: metrics, and embedders whose vectors metrics compare."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .evaluation import Evaluation, Measure
    from .records import Crop, Pixels


class Metric(ABC):
    """Measures an evaluation: plan, images, findings and judgements."""

    @abstractmethod
    def measure(self, evaluation: Evaluation) -> list[Measure]:
        """Measure every model of the evaluation.

        Args:
            evaluation: Everything that was planned, generated and graded; `text2face_core.images.load_image` opens an
                image's `path`.

        Returns:
            Figures, each with its n, and with an interval if there is one.
        """


class Embedder(ABC):
    """Turns images into vectors of which distances mean something.

    Attributes:
        space: Name of the space, such as "inception-2015 2048-d"; figures of different spaces are never compared.
        purpose: "quality": distances between sets of images (FID, KID, density, coverage). "identity": the angle
            between two vectors tells whether two faces are the same person (memorisation, sweeps, homogenisation).
        crop: The square around the face that is embedded; None for the whole image.
    """

    space: str
    purpose: Literal["quality", "identity"]
    crop: Crop | None = None

    @abstractmethod
    def embed(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Embed images.

        Args:
            images: Each (H, W, 3) uint8 RGB: squares of `crop`, or whole images of any size.

        Returns:
            (N, d): a vector per image, whatever else is in the batch.
        """
