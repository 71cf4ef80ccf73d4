"""Faces of people who do not exist, from style vectors, through OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from text2face_core.contracts import Renderer

from .artifacts import LATENT, MAPPING, MAPPING_WEIGHTS, NAME, SYNTHESIS, SYNTHESIS_WEIGHTS

if TYPE_CHECKING:
    from text2face_core import Artifact, Runtime
    from text2face_core.records import Pixels

Styles = npt.NDArray[np.float32]
"""(N, 512) float32: mapped latents, of which the synthesis network makes a face each."""

BATCH = 192
"""Latents that are mapped at once."""


class MobileStyleGan(Renderer):
    """MobileStyleGAN (Belousov 2021) as packaged in random-face 2021.7.21.1, Apache-2.0; trained on FFHQ."""

    name = NAME
    latent_size = LATENT
    size = (1024, 1024)

    def __init__(self, runtime: Runtime) -> None:
        import openvino as ov

        self._core = ov.Core()
        # One hint of precision for every processor, so that equal latents give equal faces
        self._settings = {"INFERENCE_NUM_THREADS": runtime.threads, "INFERENCE_PRECISION_HINT": "f32"}
        self._models = runtime.models
        self._synthesis: Any = None
        self._mapping: Any = None
        self._mean: Styles | None = None

    def latents(self, seeds: Sequence[int], truncation: float = 1.0) -> Styles:
        """A style for each seed. truncation: 1 is the full variety, 0 the mean face."""
        if not len(seeds):
            return np.zeros((0, LATENT), np.float32)
        noise = np.stack([np.random.default_rng(seed).standard_normal(LATENT) for seed in seeds])
        mean = self.mean()
        return np.asarray(mean + truncation * (self._map(noise) - mean), np.float32)

    def mean(self) -> Styles:
        """(512,): the mean style, of fixed draws."""
        if self._mean is None:
            self._mean = self.many(16 * BATCH).mean(axis=0)
        return self._mean

    def many(self, count: int, seed: int = 0) -> Styles:
        """(count, 512): independent styles, to measure their distribution."""
        return self._map(np.random.default_rng(seed).standard_normal((count, LATENT)))

    def render(self, latent: Styles) -> Pixels:
        """(1024, 1024, 3) uint8 RGB of a style, (512,)."""
        if self._synthesis is None:
            self._synthesis = self._load(SYNTHESIS, SYNTHESIS_WEIGHTS)
        values = self._synthesis(np.asarray(latent, np.float32)[None])[0][0].transpose(1, 2, 0)
        pixels: Pixels = np.clip((values + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)
        return pixels

    def _map(self, noise: npt.NDArray[np.float64]) -> Styles:
        if self._mapping is None:
            self._mapping = self._load(MAPPING, MAPPING_WEIGHTS, batch=BATCH)
        rows = len(noise)
        full = np.concatenate([noise, np.zeros((-rows % BATCH, LATENT))]).astype(np.float32)
        # Copies, as the network's answer is overwritten by the next
        parts = [np.array(self._mapping(part)[0], np.float32) for part in np.split(full, len(full) // BATCH)]
        return np.concatenate(parts)[:rows]

    def _load(self, network: Artifact, weights: Artifact, batch: int = 1) -> Any:
        model = self._core.read_model(self._models.path(network), self._models.path(weights))
        if batch > 1:
            model.reshape([batch, LATENT])
        return self._core.compile_model(model, "CPU", self._settings)
