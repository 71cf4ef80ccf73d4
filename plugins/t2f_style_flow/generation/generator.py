"""Generate faces: text to style by the flow, style to image by the face generator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from text2face_core.contracts import GenerationRequest, ImageGenerator, Rejection, Runtime
from text2face_core.errors import ArtifactError, PluginError

from ..faces.artifacts import NAME as GENERATOR
from ..faces.generator import MobileStyleGan
from ..model.files import LORA, StyleModel, find_model, hash_file, load_lora, load_model
from ..model.lora import Adapter, attach_lora, load_into
from ..model.sampling import sample_styles
from ..training.prepare import pad

if TYPE_CHECKING:
    from text2face_core.records import Pixels

    from ..options import StyleFlowOptions

LARGEST = 4096
"""Pixels; a side of an image."""


def open_generator(model: str | None, options: StyleFlowOptions, runtime: Runtime) -> StyleImageGenerator:
    """Load a model with its base, if it has one.

    model: a folder or file of a model or of a LoRA; None for the base alone. The base is that of the options, else the
    one that a LoRA was trained on. Raises ArtifactError when either cannot be found, or they do not fit.
    """
    torch.set_num_threads(runtime.threads)
    path = find_model(model) if model else None
    if path is None and not options.base:
        raise ArtifactError("style_flow has no base of its own: name the folder of one with --base")
    if path is not None and path.name != LORA:
        trained = load_model(path)
        about = {"lora": path.parent.name, "lora_sha256": hash_file(path)}
        if not options.base:
            return StyleImageGenerator(trained, runtime, options, about)
        base_path = find_model(options.base)
        base = load_model(base_path)
        about |= _names(base_path)
        return StyleImageGenerator(trained, runtime, options, about, blend=_Blend(base, trained))
    lora = load_lora(path) if path else None
    place = options.base or (str(lora.about.get("base_path", "")) if lora else "")
    if not place:
        raise ArtifactError(f"{model} is a LoRA, and its base is not known: name the folder of the base with --base")
    base_path = find_model(place)
    base = load_model(base_path)
    about = _names(base_path)
    if lora is None or path is None:
        return StyleImageGenerator(base, runtime, options, about)
    if lora.about.get("base_sha256") not in {None, about["revision"]}:
        raise ArtifactError(f"the LoRA {model} was trained on another base than {place}: name that one with --base")
    parts = tuple(lora.about["parts"])
    adapter = attach_lora(base.network, parts, int(lora.about["rank"]), float(lora.about["alpha"]))
    load_into(adapter, lora.tensors, str(model))
    base.network.eval()
    about |= {"lora": path.parent.name, "lora_sha256": hash_file(path)}
    return StyleImageGenerator(base, runtime, options, about, adapter=adapter)


def _names(path: Path) -> dict[str, str]:
    return {"base": path.parent.name, "revision": hash_file(path)}


class _Blend:
    """Weights between those of a base and of a model that was trained from it in full."""

    def __init__(self, base: StyleModel, trained: StyleModel) -> None:
        ours, theirs = trained.network.state_dict(), base.network.state_dict()
        if {name: one.shape for name, one in ours.items()} != {name: one.shape for name, one in theirs.items()}:
            raise ArtifactError("the model was not trained from this base, whose networks have other sizes")
        self._network = trained.network
        self._trained = {name: one.clone() for name, one in ours.items()}
        self._base = theirs
        self._scale = 1.0

    def set(self, scale: float) -> None:
        """Use base + scale (trained - base)."""
        if scale != self._scale:
            mixed = {name: torch.lerp(self._base[name], one, scale) for name, one in self._trained.items()}
            self._network.load_state_dict(mixed)
            self._scale = scale


class StyleImageGenerator(ImageGenerator):
    """Images of texts by a style flow; the scale of a LoRA, or of full training from a base, can differ for each."""

    size = (1024, 1024)
    steps = 24
    guidance = 2.0

    def __init__(
        self,
        model: StyleModel,
        runtime: Runtime,
        options: StyleFlowOptions,
        about: Mapping[str, str],
        adapter: Adapter | None = None,
        blend: _Blend | None = None,
    ) -> None:
        self._model = model
        self._renderer = MobileStyleGan(runtime)
        self._radius = options.radius
        self._about = {"sampler": "flow, Euler", "generator": GENERATOR, **about}
        self._adapter, self._blend = adapter, blend

    def identity(self, request: GenerationRequest) -> dict[str, str]:
        """Base, generator and sampler; the LoRA and its hash, unless its scale is 0."""
        trained = () if request.scale else ("lora", "lora_sha256")
        return {name: one for name, one in self._about.items() if name not in trained} | {"radius": f"{self._radius:g}"}

    def unread(self, prompts: Sequence[str]) -> list[str]:
        """The end of each prompt beyond the text encoder's context."""
        return [self._model.words.unread(prompt) for prompt in prompts]

    def generate(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """Generate requests; those with the same steps, guidance and scale are sampled together."""
        return [
            self._render(style, request)
            for style, request in zip(self.styles(requests, on_step), requests, strict=True)
        ]

    def styles(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[np.ndarray[Any, Any]]:
        """The style vector of each request's face, (512,) float32."""
        alike: dict[Any, list[int]] = defaultdict(list)
        for place, one in enumerate(requests):
            alike[one.steps, one.guidance, one.scale].append(place)
        found: dict[int, np.ndarray[Any, Any]] = {}
        for places in alike.values():
            found |= zip(places, self._sample([requests[place] for place in places], on_step), strict=True)
        return [found[place] for place in range(len(requests))]

    def _sample(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None
    ) -> list[np.ndarray[Any, Any]]:
        like = requests[0]
        self._set_scale(like.scale)
        words = self._model.words
        negative = pad([words.encode(one.negative) for one in requests]) if any(o.negative for o in requests) else None
        axes = self._model.network.sizes.axes
        noise = torch.stack([torch.randn(axes, generator=torch.Generator().manual_seed(one.seed)) for one in requests])
        whitened = sample_styles(
            self._model.network,
            noise,
            pad([words.encode(one.prompt) for one in requests]),
            negative,
            steps=like.steps,
            guidance=like.guidance,
            radius=self._radius,
            on_step=on_step,
        )
        return list(self._model.space.restore(whitened.numpy()))

    def _set_scale(self, scale: float) -> None:
        if self._adapter:
            self._adapter.scale.value = scale
        elif self._blend:
            self._blend.set(scale)
        elif scale not in {0.0, 1.0} or (scale == 0 and "lora" in self._about):
            raise PluginError("this model was trained without a base, so that there is no scale between both")

    def _render(self, style: np.ndarray[Any, Any], request: GenerationRequest) -> Pixels | Rejection:
        import cv2

        if not np.isfinite(style).all():
            return Rejection("the network's output contains NaN")
        if max(request.width, request.height) > LARGEST:
            raise PluginError(f"sides must be at most {LARGEST} px")
        pixels = self._renderer.render(style)
        if (request.width, request.height) != (pixels.shape[1], pixels.shape[0]):
            smaller = request.width < pixels.shape[1]
            how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
            pixels = cv2.resize(pixels, (request.width, request.height), interpolation=how)
        return pixels
