"""CLIP itself: embeddings of texts and portraits, computed once per portrait and view for all components."""

from __future__ import annotations

import functools
import threading
import warnings
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from text2face_core.errors import ArtifactError, UsageError
from text2face_core.images import BoxCrop
from text2face_core.models import BATCH, network

from . import WEIGHTS
from ._questions import Embeddings, View, unit

if TYPE_CHECKING:
    from text2face_core import Portrait, Runtime

    from . import ClipOptions

FACE = BoxCrop(1.3, 224, border=None)
"""The whole face with a small margin: at 224 pixels a mouth is then about 60 wide."""


class Encoder:
    """A CLIP model. Its text half is used while components are built, and freed when the first photos arrive."""

    def __init__(self, options: ClipOptions, runtime: Runtime) -> None:
        architecture, _, tag = options.model.partition("/")
        known = open_clip.get_pretrained_cfg(architecture, tag) or {}
        self._load = functools.partial(_load, architecture, known, _checkpoint(options, runtime))
        self._tokenizer: Any = open_clip.get_tokenizer(architecture)
        model = self._load()
        looks = PreprocessCfg(**model.visual.preprocess_cfg)
        # Nothing is cut off: the photo is padded with a grey to which the network barely reacts.
        looks.resize_mode = "longest"
        looks.fill_color = round(255 * float(np.mean(looks.mean)))
        self._prepare: Any = image_transform_v2(looks, is_train=False)
        self._side: int = looks.input_size[1]
        shape = (BATCH, 3, self._side, self._side)
        self._network = network(model.visual, [shape], runtime, key=f"clip {options.model} 1")
        del model.visual
        self._texts: Any = model
        self._kept: dict[View, weakref.WeakKeyDictionary[Portrait, Embeddings]] = {
            "photo": weakref.WeakKeyDictionary(),
            "face": weakref.WeakKeyDictionary(),
        }

    def texts(self, texts: Sequence[str]) -> Embeddings:
        """(N, D), each of length 1."""
        if self._texts is None:
            self._texts = self._load()
        with torch.inference_mode():
            return unit(self._texts.encode_text(self._tokenizer(list(texts))).numpy())

    def images(self, portraits: Sequence[Portrait], view: View) -> Embeddings:
        """(N, D), each of length 1; a portrait's embedding is kept for as long as the portrait is."""
        self._texts = None
        kept = self._kept[view]
        new = [portrait for portrait in dict.fromkeys(portraits) if portrait not in kept]
        if new:
            (found,) = self._network(np.stack([self.pixels(portrait, view) for portrait in new]))
            kept.update(zip(new, unit(found), strict=True))
        return np.stack([kept[portrait] for portrait in portraits])

    def pixels(self, portrait: Portrait, view: View) -> Any:
        """The network's input for a portrait: (3, side, side) float32, normalised as the model expects."""
        shown = portrait.photo.pixels if view == "photo" else portrait.crop(FACE)
        image = Image.fromarray(shown)
        # A large photo is first reduced, which is faster, to twice the wanted size: enough to resample from.
        if (k := max(image.size) // (2 * self._side)) > 1:
            image = image.reduce(k)
        return self._prepare(image).numpy()


_built: weakref.WeakValueDictionary[tuple[object, ...], Encoder] = weakref.WeakValueDictionary()
_building = threading.Lock()


def encoder(options: ClipOptions, runtime: Runtime) -> Encoder:
    """The encoder for these options, shared by all components of a process."""
    key = (options.model, options.weights, runtime.device, runtime.dtype, runtime.threads, runtime.models)
    with _building:
        found = _built.get(key)
        if found is None:
            found = _built[key] = Encoder(options, runtime)
        return found


def _checkpoint(options: ClipOptions, runtime: Runtime) -> str:
    if options.weights:
        return options.weights
    if options.model not in WEIGHTS:
        raise UsageError(
            f"no source of the weights of {options.model} is known: set `weights` to the file, "
            f"or choose a model among {', '.join(WEIGHTS)}"
        )
    return str(runtime.models.path(WEIGHTS[options.model]))


def _load(architecture: str, known: dict[str, Any], checkpoint: str) -> Any:
    """The model in float32 on the CPU.

    A checkpoint file does not state how images are normalised, nor whether its activation is QuickGELU (as OpenAI's);
    both come from open_clip's record of the tag.
    """
    if architecture not in open_clip.list_models():
        raise UsageError(f"open_clip has no architecture {architecture}; it has {', '.join(open_clip.list_models())}")
    looks = {name: known[name] for name in ("mean", "std", "interpolation") if known.get(name)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return open_clip.create_model(
                architecture,
                pretrained=checkpoint,
                force_quick_gelu=bool(known.get("quick_gelu")),
                force_preprocess_cfg=looks,
                require_pretrained=True,
            ).eval()
    except Exception as error:
        raise ArtifactError(f"{checkpoint} is not a checkpoint of {architecture}: {error}") from error
