"""The two networks: layers from the published weights, and what they give for squares around the face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from text2face_core.images import BoxCrop
from text2face_core.models import OnnxGraph, converted, read_tfjs_weights, session

from . import EXPRESSION, PEOPLE

if TYPE_CHECKING:
    from pathlib import Path

    from text2face_core import Artifact, Runtime
    from text2face_core.records import Pixels

CROP = BoxCrop(scale=1.0, size=112, border=None)
"""Sensitive: a square of 1.2 boxes makes ages four years too low."""
MEAN_COLOUR = (122.782, 117.001, 104.298)
MIDDLE_BLOCKS = 2
DENSE_BLOCKS = 4
VERSION = 1
"""Of this file's layers."""
LARGEST_BATCH = 32

Weights = Mapping[str, npt.NDArray[np.float32]]
Values = npt.NDArray[np.float32]


class _Layers:
    """Layers of a network under construction; `weights` by the names of the published files."""

    def __init__(self, weights: Weights) -> None:
        self.graph = OnnxGraph()
        self.weights = weights
        x = self.graph.input("faces", (None, CROP.size, CROP.size, 3))
        centred = self.graph.add("Sub", x, self.graph.constant(np.array(MEAN_COLOUR, np.float32)))
        self.image = self.graph.add("Div", centred, self.graph.constant(np.float32(255)))

    def relu(self, x: str) -> str:
        return self.graph.add("Relu", x)

    def sum(self, x: str, *others: str) -> str:
        for other in others:
            x = self.graph.add("Add", x, other)
        return x

    def convolution(self, x: str, name: str, stride: int = 1) -> str:
        made = self.graph.convolve(x, self.weights[f"{name}/filters"], (stride, stride))
        return self._biased(made, f"{name}/bias")

    def separable(self, x: str, name: str, stride: int = 1) -> str:
        """A convolution of each channel alone, then one of a pixel over all channels."""
        each = self.graph.convolve_depthwise(x, self.weights[f"{name}/depthwise_filter"], (stride, stride))
        return self._biased(self.graph.convolve(each, self.weights[f"{name}/pointwise_filter"]), f"{name}/bias")

    def dense(self, x: str, name: str) -> str:
        made = self.graph.add("MatMul", x, self.graph.constant(self.weights[f"{name}/weights"]))
        return self._biased(made, f"{name}/bias")

    def mean(self, x: str) -> str:
        """Mean over the remaining pixels, 7 x 7 or fewer."""
        return self.graph.add("ReduceMean", x, self.graph.constant(np.array([1, 2])), keepdims=0)

    def _biased(self, x: str, name: str) -> str:
        return self.graph.add("Add", x, self.graph.constant(self.weights[name]))


def people_network(weights: Weights) -> bytes:
    """A small Xception (Chollet, CVPR 2017) with two middle blocks, and two heads on its mean features."""
    layers = _Layers(weights)

    def shrink(x: str, name: str, *, active: bool = True) -> str:
        main = layers.separable(layers.relu(x) if active else x, f"{name}/separable_conv0")
        main = layers.separable(layers.relu(main), f"{name}/separable_conv1")
        main = layers.graph.pool("MaxPool", main, (3, 3), (2, 2), "SAME")
        return layers.sum(main, layers.convolution(x, f"{name}/expansion_conv", 2))

    x = layers.relu(layers.convolution(layers.image, "entry_flow/conv_in", 2))
    x = shrink(x, "entry_flow/reduction_block_0", active=False)
    x = shrink(x, "entry_flow/reduction_block_1")
    for block in range(MIDDLE_BLOCKS):
        main = x
        for number in range(3):
            main = layers.separable(layers.relu(main), f"middle_flow/main_block_{block}/separable_conv{number}")
        x = layers.sum(main, x)
    x = shrink(x, "exit_flow/reduction_block")
    features = layers.mean(layers.relu(layers.separable(x, "exit_flow/separable_conv")))
    age = layers.dense(features, "fc/age")
    gender = layers.graph.add("Softmax", layers.dense(features, "fc/gender"), axis=-1)
    return layers.graph.serialise({"age": age, "gender": gender})


def expression_network(weights: Weights) -> bytes:
    """Four blocks in which each separable convolution sees the sum of those before it (after DenseNet, CVPR 2017)."""
    layers = _Layers(weights)
    x = layers.image
    for number in range(DENSE_BLOCKS):
        name = f"dense{number}"
        first = layers.separable if number else layers.convolution
        outputs = [layers.relu(first(x, f"{name}/conv0", 2))]
        outputs.append(layers.separable(outputs[0], f"{name}/conv1"))
        for part in (2, 3):
            outputs.append(layers.separable(layers.relu(layers.sum(*outputs)), f"{name}/conv{part}"))
        x = layers.relu(layers.sum(*outputs))
    shares = layers.graph.add("Softmax", layers.dense(layers.mean(x), "fc"), axis=-1)
    return layers.graph.serialise({"expressions": shares})


class Figures(NamedTuple):
    """What the networks give for N faces.

    Attributes:
        years: (N,).
        male: (N,) probability.
        expressions: (N, 7) probabilities: neutral, happy, sad, angry, fearful, disgusted, surprised.
    """

    years: Values
    male: Values
    expressions: Values


class Networks:
    """Both networks on crops of `CROP`."""

    def __init__(self, people: Any, expression: Any) -> None:
        self._people = people
        self._expression = expression

    @classmethod
    def load(cls, runtime: Runtime) -> Networks:
        """Write the networks as ONNX, once, and open them."""

        def opened(name: str, artifacts: tuple[Artifact, ...], make: Any) -> Any:
            files: list[Path] = [runtime.models.path(artifact) for artifact in artifacts]
            key = f"face-api-{name} {VERSION}"
            content = converted(runtime.models, key, files, lambda: make(read_tfjs_weights(files[0], files[1])))
            return session(content, runtime.threads)

        return cls(opened("people", PEOPLE, people_network), opened("expression", EXPRESSION, expression_network))

    def __call__(self, squares: Pixels) -> Figures:
        """Run on (N, 112, 112, 3) uint8 RGB."""
        parts = [
            self._batch(squares[start : start + LARGEST_BATCH])
            for start in range(0, max(1, len(squares)), LARGEST_BATCH)
        ]
        return Figures(*(np.concatenate(rows) for rows in zip(*parts, strict=True)))

    def _batch(self, squares: Pixels) -> Figures:
        faces = {"faces": squares.astype(np.float32)}
        age, gender = self._people.run(["age", "gender"], faces)
        (expressions,) = self._expression.run(["expressions"], faces)
        return Figures(age[:, 0], gender[:, 0], expressions)
