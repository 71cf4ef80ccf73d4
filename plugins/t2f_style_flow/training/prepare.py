"""Training data: whitened styles and encoded captions of all faces, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from text2face_core.errors import UsageError
from text2face_core.training import Indices, SampleRandom, SampleRef, split_held_out
from text2face_core.utils import stream_seed

from ..faces.artifacts import LATENT
from ..model.words import PAD, WordPieces

if TYPE_CHECKING:
    from text2face_core.contracts import CaptionedDataset

    from ..model.space import StyleSpace
    from ..options import StyleFlowOptions


@dataclass(frozen=True, slots=True)
class FaceTable:
    """Faces with captions, as a data set holds them.

    Attributes:
        latents: (N, 512) float32.
        texts: The captions of each face.
        styles: The caption styles of each face.
        skipped: Faces without a latent.
    """

    latents: npt.NDArray[np.float32]
    texts: Sequence[tuple[str, ...]]
    styles: Sequence[tuple[str, ...]]
    skipped: int

    @classmethod
    def read(cls, dataset: CaptionedDataset) -> FaceTable:
        """All faces of a data set that have a latent. Raises UsageError if none has."""
        latents, texts, styles = [], [], []
        for index in range(len(dataset)):
            latent = dataset.latent(index)
            if latent is None or len(latent) != LATENT:
                continue
            captions = dataset.captions(index)
            latents.append(latent)
            texts.append(tuple(text for text, _ in captions))
            styles.append(tuple(style for _, style in captions))
        if not latents:
            raise UsageError(
                f"no photo of {dataset.path} has the style vector of its face, which style_flow trains on. Make "
                "synthetic portraits with t2f faces, and caption them with t2f run"
            )
        return cls(np.stack(latents).astype(np.float32), texts, styles, len(dataset) - len(latents))


@dataclass(frozen=True, slots=True)
class FaceData:
    """Faces to train and to validate on.

    styles: (N, K) whitened. pieces: of each face's captions. caption_styles: their styles, in the same order.
    trained, held_out: numbers of faces. skipped: how many have no latent.
    """

    styles: torch.Tensor
    pieces: Sequence[Sequence[Sequence[int]]]
    caption_styles: Sequence[tuple[str, ...]]
    trained: Indices
    held_out: Indices
    skipped: int
    bucket: Callable[[int], int] | None = None

    @property
    def captions(self) -> int:
        """How many captions there are."""
        return sum(map(len, self.pieces))


def prepare_faces(table: FaceTable, space: StyleSpace, words: WordPieces, seed: int, wanted: int) -> FaceData:
    """Whiten styles, encode captions, and hold `wanted` faces out, at most a tenth."""
    count = len(table.latents)
    contents = np.array([_number(one) for one in table.latents], np.uint64)
    trained, held_out = split_held_out(seed, count, np.arange(count, dtype=np.int64), contents, wanted)
    pieces = [[words.encode(text) for text in texts] for texts in table.texts]
    styles = torch.from_numpy(space.whiten(table.latents))
    return FaceData(styles, pieces, table.styles, trained, held_out, table.skipped)


def _number(latent: npt.NDArray[np.float32]) -> int:
    return int.from_bytes(hashlib.blake2b(latent.tobytes(), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class Batch:
    """styles, noise: (N, K). times: (N,) in 0 to 1. pieces: (N, L) int64. said: (N,) bool: with its caption.

    seed: of dropout.
    """

    styles: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    pieces: torch.Tensor
    said: torch.Tensor
    seed: int = 0

    def to(self, device: torch.device) -> Batch:
        """Copy to another device."""
        if device.type == "cpu":
            return self
        styles, noise, times, pieces, said = (
            one.to(device) for one in (self.styles, self.noise, self.times, self.pieces, self.said)
        )
        return Batch(styles, noise, times, pieces, said, self.seed)


@dataclass(frozen=True, slots=True)
class FaceLoader:
    """Makes batches from samples and the random choices for each. seed: of these choices."""

    data: FaceData
    options: StyleFlowOptions
    seed: int

    def load_batch(self, samples: Sequence[SampleRef]) -> Batch:
        """Load samples for training."""
        randoms = [SampleRandom(self.seed, sample.epoch, sample.index) for sample in samples]
        said = [not one.drops_caption(self.options.caption_dropout) for one in randoms]
        numbers = [one.choose_caption(self.data.caption_styles[one.index], self.options.styles) for one in randoms]
        times = [one.choose_timestep(TIMES) / TIMES for one in randoms]
        first = samples[0]
        seed = stream_seed(self.seed, "dropout", first.epoch, first.index)
        return self._make(randoms, numbers, times, said, seed)

    def load_validation_batch(self, indices: Sequence[int], times: Sequence[float], round_: int) -> Batch:
        """Load samples for validation, always in the same way: first caption, these times."""
        randoms = [SampleRandom(self.seed, -1 - round_, index) for index in indices]
        return self._make(randoms, [0] * len(randoms), times, [True] * len(randoms))

    def _make(
        self,
        randoms: Sequence[SampleRandom],
        numbers: Sequence[int],
        times: Sequence[float],
        said: Sequence[bool],
        seed: int = 0,
    ) -> Batch:
        styles = self.data.styles[[one.index for one in randoms]]
        noise = torch.stack([one.noise(styles.shape[1:]) for one in randoms])
        pieces = pad([self.data.pieces[one.index][number] for one, number in zip(randoms, numbers, strict=True)])
        return Batch(styles, noise, torch.tensor(list(times)), pieces, torch.tensor(list(said)), seed)


TIMES = 1 << 20
"""Times are drawn from this many, evenly spread."""


def pad(texts: Sequence[Sequence[int]]) -> torch.Tensor:
    """(N, L) int64, as long as the longest and at least 2."""
    longest = max(2, *map(len, texts)) if texts else 2
    return torch.tensor([[*text, *[PAD] * (longest - len(text))] for text in texts])
