"""The network on images of any size."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from text2face_core import Embedder
from text2face_core.images import BoxCrop
from text2face_core.models import converted, session

from . import WEIGHTS

if TYPE_CHECKING:
    from text2face_core import Runtime
    from text2face_core.records import Crop, Pixels

    from . import InceptionOptions

SIDE = 299
EXPORT = 1
"""Version of the export below."""
OPSET = 17
LARGEST_BATCH = 16
FACE = BoxCrop(scale=1.6, size=SIDE, border=None)
"""Face, hair and neck: what a detection by class would frame."""


class Inception(Embedder):
    """Features of the last pooling layer, before the classes."""

    purpose: Literal["quality"] = "quality"

    def __init__(self, options: InceptionOptions, runtime: Runtime, crop: Crop | None = None) -> None:
        plain = "" if options.resize == "antialiased" else ", not antialiased"
        self.space = f"inception-2015{' faces' if crop else ''} 2048-d{plain}"
        self.crop = crop
        self._resize = resize_antialiased if options.resize == "antialiased" else resize_plain
        path = runtime.models.path(WEIGHTS)
        content = converted(runtime.models, f"inception-2015 {EXPORT}", [path], lambda: export(path))
        self._session = session(content, runtime.threads)

    def embed(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """(N, 2048)."""
        starts = range(0, len(images), LARGEST_BATCH)
        return np.concatenate([self._batch(images[start : start + LARGEST_BATCH]) for start in starts])

    def _batch(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        squares = np.stack([self._resize(image) for image in images])
        normal = (squares.transpose(0, 3, 1, 2) - np.float32(128)) / np.float32(128)
        (features,) = self._session.run(None, {"images": np.ascontiguousarray(normal, np.float32)})
        return np.asarray(features, np.float32)


def export(path: Path) -> bytes:
    """The network as ONNX."""
    import torch

    module = torch.jit.load(str(path), map_location="cpu").eval()
    content = io.BytesIO()
    batch = {0: "batch"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter that reads TorchScript is the older one, and says so
        torch.onnx.export(
            module, (torch.zeros(2, 3, SIDE, SIDE),), content, opset_version=OPSET, input_names=["images"],
            output_names=["features"], dynamic_axes={"images": batch, "features": batch}, dynamo=False,
        )  # fmt: skip
    return content.getvalue()


def resize_antialiased(image: Pixels) -> npt.NDArray[np.float32]:
    """(299, 299, 3) float32: each channel resized bilinearly over the area that a pixel covers, not rounded."""
    if image.shape[:2] == (SIDE, SIDE):
        return image.astype(np.float32)
    from PIL import Image

    channels = [
        np.asarray(
            Image.fromarray(image[..., channel].astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        )
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)


def resize_plain(image: Pixels) -> npt.NDArray[np.float32]:
    """(299, 299, 3) float32: bilinear between the four nearest pixels, corners as TensorFlow 1 has them.

    Pixel i of the result lies at i × scale of the source, not in the middle of its area.
    """
    rows, columns = (np.arange(SIDE) * (side / SIDE) for side in image.shape[:2])
    along = _between(image.astype(np.float32), rows, 0)
    return _between(along, columns, 1)


def _between(image: npt.NDArray[np.float32], places: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float32]:
    below = np.floor(places).astype(np.intp)
    above = np.minimum(below + 1, image.shape[axis] - 1)
    shape = [1, 1, 1]
    shape[axis] = len(places)
    share = (places - below).astype(np.float32).reshape(shape)
    mixed: npt.NDArray[np.float32] = np.take(image, below, axis) * (1 - share) + np.take(image, above, axis) * share
    return mixed
