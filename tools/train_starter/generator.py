"""Faces of people who do not exist: the generator of the package random-face, through OpenVINO."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from text2face_core.records import Pixels

Styles = npt.NDArray[np.float32]
"""(N, 512) float32: mapped latents, of which the synthesis network makes a face each."""

CANDIDATES = 192
"""Draws from which an aimed face is chosen."""


class Generator:
    """MobileStyleGAN (Belousov 2021) as packaged in random-face 2021.7.21.1, Apache-2.0.

    data: the folder `random_face/data` of the wheel, which is a zip file; nothing of the package is run.
    """

    def __init__(self, data: Path, threads: int) -> None:
        self._core = ov.Core()
        self._settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        self._mapping = self._load(data / "MappingNetwork.xml", batch=CANDIDATES)
        self._synthesis = self._load(data / "SynthesisNetwork.xml")
        noise = np.random.default_rng(0).standard_normal((16 * CANDIDATES, 512))
        self._mean = np.concatenate([self._map(part) for part in np.split(noise, 16)]).mean(axis=0)

    def _load(self, path: Path, batch: int = 1) -> Any:
        model = self._core.read_model(path)
        model.reshape([batch, 512]) if batch > 1 else None
        return self._core.compile_model(model, "CPU", self._settings)

    def _map(self, noise: npt.NDArray[np.float64]) -> Styles:
        return np.array(self._mapping(noise.astype(np.float32))[0], np.float32)

    def styles(self, seeds: range, truncation: float, aim: Styles | None = None) -> Iterator[tuple[int, Styles]]:
        """(seed, style) for each seed; with `aim`, the style among many draws that lies farthest along that direction.

        truncation: 1.0 is the full variety, 0.0 the mean face.
        """
        if aim is None:
            for start in range(seeds.start, seeds.stop, CANDIDATES):
                noise = np.stack([np.random.default_rng(start + n).standard_normal(512) for n in range(CANDIDATES)])
                drawn = self._shorten(self._map(noise), truncation)
                yield from zip(range(start, min(start + CANDIDATES, seeds.stop)), drawn, strict=False)
        else:
            for seed in seeds:
                drawn = self._map(np.random.default_rng(seed).standard_normal((CANDIDATES, 512)))
                yield seed, self._shorten(drawn[int((drawn @ aim).argmax())], truncation)

    def _shorten(self, styles: Styles, truncation: float) -> Styles:
        return np.asarray(self._mean + truncation * (styles - self._mean), np.float32)

    def face(self, style: Styles) -> Pixels:
        """(1024, 1024, 3) uint8 RGB."""
        values = self._synthesis(style[None])[0][0].transpose(1, 2, 0)
        return np.clip((values + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)
