"""Convert a TensorFlow.js graph model (a JSON graph of TensorFlow operators, and its weights) to ONNX.

For small convolutional networks: the operators are those in OPERATORS; another one is an error that names it. Outputs
and their order are the caller's choice. Tested against TensorFlow.js itself, in tests/reference.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError
from .onnx_graph import OnnxGraph, Padding
from .tfjs_weights import Tensor, read_tfjs_weights

CONVERSION = 1
"""Version of this file's results; conversions of older versions are made again."""


def convert_tfjs(model: Path, weights: Path, outputs: Mapping[str, str]) -> bytes:
    """Convert a graph model.

    Args:
        model: The JSON file.
        weights: The binary file.
        outputs: Name of each wanted output, and the node that computes it: {"age": "age_pred/Softmax"}.

    Returns:
        The content of an ONNX file; its input has the placeholder's name and layout, (N, H, W, C) for images.

    Raises:
        ArtifactError: The files are damaged, hold an operator that is not supported, or lack an output.
        ImportError: onnx is missing.
    """
    try:
        described = json.loads(model.read_text(encoding="utf-8"))["modelTopology"]["node"]
        nodes = {one["name"]: Node.of(one) for one in described}
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{model} is not a TensorFlow.js graph model: {error!r}") from error
    if unknown := sorted(set(outputs.values()) - set(nodes)):
        raise ArtifactError(f"{model} has no node {', '.join(unknown)}")
    conversion = _Conversion(OnnxGraph(), read_tfjs_weights(model, weights))
    for node in _in_order(nodes, outputs.values()):
        conversion.convert(node)
    return conversion.graph.serialise({name: conversion.tensors[node] for name, node in outputs.items()})


@dataclass(frozen=True, slots=True)
class Node:
    """An operator of the graph: its inputs are names of nodes."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Node:
        """From the JSON; "name:0" is the first output of "name", "^name" only asks for an order."""
        inputs = [one.partition(":")[0] for one in described.get("input", ()) if not one.startswith("^")]
        return cls(described["name"], described["op"], tuple(inputs), described.get("attr", {}))

    def integers(self, name: str) -> list[int]:
        """A list of numbers; JSON has them as text."""
        return [int(one) for one in self.attributes.get(name, {}).get("list", {}).get("i", ())]

    def text(self, name: str) -> str:
        """A text; JSON has it in base 64."""
        return base64.b64decode(self.attributes[name]["s"]).decode()

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        return [base64.b64decode(one).decode() for one in self.attributes.get(name, {}).get("list", {}).get("s", ())]

    def is_set(self, name: str) -> bool:
        """A flag; False if it is missing."""
        return bool(self.attributes.get(name, {}).get("b", False))


def _in_order(nodes: Mapping[str, Node], wanted: Iterable[str]) -> list[Node]:
    """The nodes that the wanted ones need, each after its inputs."""
    found: dict[str, Node] = {}
    stack = [(name, False) for name in wanted]
    while stack:
        name, ready = stack.pop()
        if name in found:
            continue
        if name not in nodes:
            raise ArtifactError(f"the graph names a node that it does not hold: {name}")
        if ready:
            found[name] = nodes[name]
        else:
            stack += [(name, True), *((one, False) for one in nodes[name].inputs)]
    return list(found.values())


class _Conversion:
    """The ONNX graph so far: which tensor is which node's output."""

    def __init__(self, graph: OnnxGraph, weights: Mapping[str, Tensor]) -> None:
        self.graph = graph
        self.weights = weights
        self.tensors: dict[str, str] = {}
        self._bounded: dict[str, tuple[str, float, float]] = {}

    def convert(self, node: Node) -> None:
        """Add the node; its inputs are there already."""
        if node.operator == "Const":  # becomes a constant only if an operator takes it as a tensor
            if node.name not in self.weights:
                raise ArtifactError(f"the weights hold no tensor {node.name}")
            return
        operator = OPERATORS.get(node.operator)
        if operator is None:
            raise ArtifactError(
                f"the operator {node.operator} (node {node.name}) is not supported; these are: {', '.join(OPERATORS)}"
            )
        self.tensors[node.name] = operator(self, node)

    def tensor(self, name: str) -> str:
        """The tensor of a node."""
        if name not in self.tensors:
            self.tensors[name] = self.graph.constant(self.weights[name])
        return self.tensors[name]

    def bound(self, x: str, low: float, high: float) -> str:
        """Values held between two limits, in one node for a chain of such: ONNX Runtime fuses it into a convolution."""
        source, before_low, before_high = self._bounded.get(x, (x, -math.inf, math.inf))
        low, high = (min(max(end, low), high) for end in (before_low, before_high))
        if (low, high) == (0, math.inf):
            made = self.graph.add("Relu", source)
        else:
            made = self.graph.add("Clip", source, *(self.graph.constant(np.float32(end)) for end in (low, high)))
        self._bounded[made] = source, low, high
        return made

    def value(self, node: Node, number: int) -> Tensor:
        """The value of an input that must be constant, such as a kernel or a shape."""
        name = node.inputs[number]
        if name not in self.weights:
            raise ArtifactError(f"input {number} of {node.operator} (node {node.name}) is not a constant")
        return self.weights[name]


Convert = Callable[[_Conversion, Node], str]


def _same(operator: str) -> Convert:
    """An operator that ONNX has too, on the same inputs."""
    return lambda at, node: at.graph.add(operator, *map(at.tensor, node.inputs))


def _limit(operator: Literal["Max", "Min"]) -> Convert:
    """The larger or smaller of two: a limit if one of them is a single number."""

    def convert(at: _Conversion, node: Node) -> str:
        numbers = [at.weights[one] for one in node.inputs if one in at.weights and at.weights[one].size == 1]
        others = [one for one in node.inputs if one not in at.weights]
        if len(numbers) != 1 or len(others) != 1:
            return at.graph.add(operator, *map(at.tensor, node.inputs))
        limit = float(numbers[0].ravel()[0])
        return at.bound(at.tensor(others[0]), *((limit, math.inf) if operator == "Max" else (-math.inf, limit)))

    return convert


def _relu(at: _Conversion, node: Node) -> str:
    return at.bound(at.tensor(node.inputs[0]), 0, math.inf)


def _fused(at: _Conversion, node: Node, x: str) -> str:
    """Bias and activation that TensorFlow has fused into an operator."""
    extra = iter(node.inputs[2:])
    for one in node.texts("fused_ops"):
        if one == "BiasAdd":
            x = at.graph.add("Add", x, at.tensor(next(extra)))
        elif one == "Prelu":
            x = at.graph.add("PRelu", x, at.tensor(next(extra)))
        elif one == "Relu6":
            x = at.bound(x, 0, 6)
        elif one == "Relu":
            x = at.bound(x, 0, math.inf)
        elif one in {"Elu", "Sigmoid", "Tanh"}:
            x = at.graph.add(one, x)
        else:
            raise ArtifactError(f"{one}, fused into {node.operator} (node {node.name}), is not supported")
    return x


def _convolution(at: _Conversion, node: Node) -> str:
    kernel = at.value(node, 1)
    make = at.graph.convolve_depthwise if "Depthwise" in node.operator else at.graph.convolve
    strides, dilations = node.integers("strides")[1:3], node.integers("dilations")[1:3] or [1, 1]
    return _fused(at, node, make(at.tensor(node.inputs[0]), kernel, strides, _padding(node), dilations))


def _padding(node: Node) -> Padding:
    found = node.text("padding")
    if found not in {"SAME", "VALID"} or (node.attributes.get("data_format") and node.text("data_format") != "NHWC"):
        raise ArtifactError(f"{node.operator} (node {node.name}) has an unusual padding or layout: {found}")
    return cast("Padding", found)


def _matrix_product(at: _Conversion, node: Node) -> str:
    if node.is_set("transpose_a") or node.is_set("transpose_b"):
        raise ArtifactError(f"{node.operator} (node {node.name}) transposes, which is not supported")
    return _fused(at, node, at.graph.add("MatMul", *map(at.tensor, node.inputs[:2])))


def _pool(operator: Literal["MaxPool", "AveragePool"]) -> Convert:
    def convert(at: _Conversion, node: Node) -> str:
        size, stride = node.integers("ksize")[1:3], node.integers("strides")[1:3]
        return at.graph.pool(operator, at.tensor(node.inputs[0]), size, stride, _padding(node))

    return convert


def _reduce(operator: str) -> Convert:
    def convert(at: _Conversion, node: Node) -> str:
        axes = at.graph.constant(np.atleast_1d(at.value(node, 1)))
        return at.graph.add(operator, at.tensor(node.inputs[0]), axes, keepdims=int(node.is_set("keep_dims")))

    return convert


def _pad(at: _Conversion, node: Node) -> str:
    widths: npt.NDArray[np.int64] = at.value(node, 1)  # (axes, 2); ONNX wants all starts, then all ends
    return at.graph.add("Pad", at.tensor(node.inputs[0]), at.graph.constant(np.ascontiguousarray(widths.T).ravel()))


def _slice(at: _Conversion, node: Node) -> str:
    """x[start:end:step] along leading axes; a bit of a mask stands for an axis."""
    starts, ends, steps = (at.value(node, number).copy() for number in (1, 2, 3))
    masks = {
        name: int(node.attributes.get(f"{name}_mask", {}).get("i", 0))
        for name in ("begin", "end", "shrink_axis", "ellipsis", "new_axis")
    }
    if masks["ellipsis"] or masks["new_axis"] or (steps < 1).any():
        raise ArtifactError(f"{node.operator} (node {node.name}) slices in a way that is not supported")
    axes = np.arange(len(starts))
    starts[(masks["begin"] >> axes) % 2 == 1] = 0
    shrink = (masks["shrink_axis"] >> axes) % 2 == 1
    ends[shrink] = starts[shrink] + 1
    ends[((masks["end"] >> axes) % 2 == 1) | (shrink & (ends == 0))] = np.iinfo(np.int64).max
    parts = [at.graph.constant(one.astype(np.int64)) for one in (starts, ends, axes, steps)]
    x = at.graph.add("Slice", at.tensor(node.inputs[0]), *parts)
    return at.graph.add("Squeeze", x, at.graph.constant(axes[shrink])) if shrink.any() else x


def _placeholder(at: _Conversion, node: Node) -> str:
    sizes = [int(one.get("size", -1)) for one in node.attributes["shape"]["shape"].get("dim", ())]
    return at.graph.input(node.name, [None if size < 0 else size for size in sizes])


def _reshape(at: _Conversion, node: Node) -> str:
    return at.graph.add("Reshape", at.tensor(node.inputs[0]), at.graph.constant(np.atleast_1d(at.value(node, 1))))


def _expand(at: _Conversion, node: Node) -> str:
    return at.graph.add("Unsqueeze", at.tensor(node.inputs[0]), at.graph.constant(np.atleast_1d(at.value(node, 1))))


def _concatenate(at: _Conversion, node: Node) -> str:
    axis = int(at.value(node, len(node.inputs) - 1))
    return at.graph.add("Concat", *map(at.tensor, node.inputs[:-1]), axis=axis)


def _softmax(at: _Conversion, node: Node) -> str:
    return at.graph.add("Softmax", at.tensor(node.inputs[0]), axis=-1)


OPERATORS: Mapping[str, Convert] = {
    "Placeholder": _placeholder,
    "Conv2D": _convolution,
    "_FusedConv2D": _convolution,
    "DepthwiseConv2dNative": _convolution,
    "FusedDepthwiseConv2dNative": _convolution,
    "MatMul": _matrix_product,
    "_FusedMatMul": _matrix_product,
    "MaxPool": _pool("MaxPool"),
    "AvgPool": _pool("AveragePool"),
    "Mean": _reduce("ReduceMean"),
    "Max": _reduce("ReduceMax"),
    "Pad": _pad,
    "Reshape": _reshape,
    "ExpandDims": _expand,
    "StridedSlice": _slice,
    "ConcatV2": _concatenate,
    "Softmax": _softmax,
    "Add": _same("Add"),
    "AddV2": _same("Add"),
    "BiasAdd": _same("Add"),
    "Sub": _same("Sub"),
    "Mul": _same("Mul"),
    "RealDiv": _same("Div"),
    "Maximum": _limit("Max"),
    "Minimum": _limit("Min"),
    "Relu": _relu,
    "Elu": _same("Elu"),
    "Sigmoid": _same("Sigmoid"),
    "Tanh": _same("Tanh"),
    "Prelu": _same("PRelu"),
    "Identity": _same("Identity"),
}
"""What each operator of TensorFlow becomes."""
