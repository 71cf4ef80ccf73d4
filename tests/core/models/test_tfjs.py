"""Graph models of TensorFlow.js become ONNX networks that compute the same, operator by operator.

What an operator should give is computed here with numpy; tests/reference compares with TensorFlow.js itself.
"""

import json

import numpy as np
import pytest
from support.tfjs_files import write_graph_model

from text2face_core.errors import ArtifactError
from text2face_core.models import ModelStore, convert_tfjs, converted, read_tfjs_weights, session

RNG = np.random.default_rng(7)


def evaluate(folder, x, nodes, weights=None, output="y"):
    files = write_graph_model(folder, x.shape[1:], nodes, weights or {})
    return session(convert_tfjs(*files, {"found": output}), 1).run(["found"], {"x": x})[0]


def same_padding(x, size, stride, value=0.0):
    """As TensorFlow pads: the odd pixel goes after, not before."""
    widths = [(0, 0)]
    for axis in (1, 2):
        missing = max(0, (-(-x.shape[axis] // stride) - 1) * stride + size - x.shape[axis])
        widths.append((missing // 2, missing - missing // 2))
    return np.pad(x, [*widths, (0, 0)], constant_values=value)


def windows(x, size, stride):
    """(N, H, W, size, size, C) of padded images."""
    view = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return view[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_convolutions_pad_as_tensorflow_does(tmp_path, side, stride, padding):
    x = RNG.normal(size=(2, side, side, 3)).astype(np.float32)
    kernel, bias = RNG.normal(size=(3, 3, 3, 4)).astype(np.float32), np.arange(4, dtype=np.float32)
    about = {"strides": [1, stride, stride, 1], "padding": padding, "fused_ops": ["BiasAdd", "Relu6"]}
    found = evaluate(
        tmp_path, x, [("y", "_FusedConv2D", ["x", "kernel", "bias"], about)], {"kernel": kernel, "bias": bias}
    )
    padded = same_padding(x, 3, stride) if padding == "SAME" else x
    wanted = np.einsum("nhwabc,abcd->nhwd", windows(padded, 3, stride), kernel) + bias
    np.testing.assert_allclose(found, np.clip(wanted, 0, 6), atol=1e-5)


def test_a_depthwise_convolution_with_several_outputs_per_channel(tmp_path):
    x = RNG.normal(size=(1, 6, 6, 3)).astype(np.float32)
    kernel = RNG.normal(size=(3, 3, 3, 2)).astype(np.float32)
    about = {"strides": [1, 2, 2, 1], "padding": "SAME", "dilations": [1, 1, 1, 1], "data_format": "NHWC"}
    found = evaluate(tmp_path, x, [("y", "DepthwiseConv2dNative", ["x", "kernel"], about)], {"kernel": kernel})
    wanted = np.einsum("nhwabc,abcd->nhwcd", windows(same_padding(x, 3, 2), 3, 2), kernel)
    np.testing.assert_allclose(found, wanted.reshape(found.shape), atol=1e-5)


@pytest.mark.parametrize("operator", ["MaxPool", "AvgPool"])
def test_padding_does_not_count_in_pools(tmp_path, operator):
    x = RNG.normal(size=(1, 7, 7, 2)).astype(np.float32) - 3  # all below 0: padding with 0 would win
    about = {"ksize": [1, 3, 3, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}
    found = evaluate(tmp_path, x, [("y", operator, ["x"], about)])
    seen = windows(same_padding(x, 3, 2, np.nan), 3, 2)
    wanted = np.nanmax(seen, axis=(3, 4)) if operator == "MaxPool" else np.nanmean(seen, axis=(3, 4))
    np.testing.assert_allclose(found, wanted, atol=1e-6)


SLICES = [
    ({"begin_mask": 0, "end_mask": 1, "shrink_axis_mask": 2}, [0, 1], [0, 2], lambda x: x[:, 1]),
    ({"begin_mask": 3, "end_mask": 1}, [9, 9], [0, 3], lambda x: x[:, :3]),
    ({"begin_mask": 1, "end_mask": 3}, [0, 2], [0, 0], lambda x: x[:, 2:]),
    ({"begin_mask": 1, "end_mask": 1, "shrink_axis_mask": 2}, [0, -1], [0, 0], lambda x: x[:, -1]),
]


@pytest.mark.parametrize(("masks", "start", "end", "wanted"), SLICES)
def test_slices(tmp_path, masks, start, end, wanted):
    x = RNG.normal(size=(2, 5)).astype(np.float32)
    weights = {"start": np.array(start, np.int32), "end": np.array(end, np.int32), "step": np.ones(2, np.int32)}
    found = evaluate(tmp_path, x, [("y", "StridedSlice", ["x", "start", "end", "step"], masks)], weights)
    np.testing.assert_array_equal(found, wanted(x))


X = RNG.normal(size=(2, 4, 4, 3)).astype(np.float32)
C = RNG.normal(size=3).astype(np.float32)
OPERATORS = [
    ("Add", {"c": C}, {}, X + C),
    ("AddV2", {"c": C}, {}, X + C),
    ("BiasAdd", {"c": C}, {}, X + C),
    ("Sub", {"c": C}, {}, X - C),
    ("Mul", {"c": C}, {}, X * C),
    ("RealDiv", {"c": C}, {}, X / C),
    ("Maximum", {"c": C}, {}, np.maximum(X, C)),
    ("Minimum", {"c": np.float32(0.1)}, {}, np.minimum(X, np.float32(0.1))),
    ("Relu", {}, {}, np.maximum(X, 0)),
    ("Elu", {}, {}, np.where(X > 0, X, np.expm1(X))),
    ("Sigmoid", {}, {}, 1 / (1 + np.exp(-X))),
    ("Tanh", {}, {}, np.tanh(X)),
    ("Prelu", {"c": C}, {}, np.where(X > 0, X, X * C)),
    ("Identity", {}, {}, X),
    ("Softmax", {}, {}, np.exp(X) / np.exp(X).sum(-1, keepdims=True)),
    ("Mean", {"c": np.array([1, 2], np.int32)}, {"keep_dims": False}, X.mean((1, 2))),
    ("Max", {"c": np.array([1, 2], np.int32)}, {"keep_dims": True}, X.max((1, 2), keepdims=True)),
    ("Pad", {"c": np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)}, {},
     np.pad(X, [(0, 0), (1, 2), (0, 1), (0, 0)])),
    ("Reshape", {"c": np.array([-1, 48], np.int32)}, {}, X.reshape(-1, 48)),
    ("ExpandDims", {"c": np.array(1, np.int32)}, {}, X[:, None]),
    ("MatMul", {"c": RNG.normal(size=(3, 5)).astype(np.float32)}, {"transpose_a": False}, None),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "weights", "about", "wanted"), OPERATORS, ids=[one[0] for one in OPERATORS])
def test_operators(tmp_path, operator, weights, about, wanted):
    found = evaluate(tmp_path, X, [("y", operator, ["x", *weights], about)], weights)
    np.testing.assert_allclose(found, X @ weights["c"] if wanted is None else wanted, atol=1e-5)


def test_tensors_are_joined_along_an_axis(tmp_path):
    nodes = [("r", "Relu", ["x"], {}), ("y", "ConcatV2", ["x", "r", "axis"], {})]
    found = evaluate(tmp_path, X, nodes, {"axis": np.array(-1, np.int32)})
    np.testing.assert_array_equal(found, np.concatenate([X, np.maximum(X, 0)], -1))


def test_quantised_weights_are_widened(tmp_path):
    stored = np.array([0, 128, 255], np.uint8)
    half = np.array([1.5, -2, 0.25], np.float16)
    rules = {"c": {"scale": 0.5, "min": -10.0}, "h": {"original_dtype": "float32"}}
    files = write_graph_model(tmp_path, (3,), [], {"c": stored, "h": half}, rules)
    read = read_tfjs_weights(*files)
    assert read["c"].tolist() == [-10, 54, 117.5]
    assert read["h"].tolist() == [1.5, -2, 0.25]
    assert {one.dtype for one in read.values()} == {np.dtype(np.float32)}


def test_what_cannot_be_converted_is_named(tmp_path):
    files = write_graph_model(tmp_path, (3,), [("y", "Rsqrt", ["x"], {})], {})
    with pytest.raises(ArtifactError, match=r"Rsqrt.*node y.*Conv2D"):
        convert_tfjs(*files, {"y": "y"})
    with pytest.raises(ArtifactError, match="nowhere"):
        convert_tfjs(*files, {"y": "nowhere"})


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b""])
def test_weights_that_do_not_fit_their_manifest_are_refused(tmp_path, damage):
    model, data = write_graph_model(tmp_path, (3,), [("y", "Add", ["x", "c"], {})], {"c": np.ones(3, np.float32)})
    data.write_bytes(damage(data.read_bytes()))
    with pytest.raises(ArtifactError, match=r"model\.bin"):
        convert_tfjs(model, data, {"y": "y"})


@pytest.mark.parametrize("text", ["{", "{}", json.dumps({"modelTopology": {"node": [{}]}})])
def test_a_file_that_is_not_a_graph_model_is_refused(tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"model\.json"):
        convert_tfjs(tmp_path / "model.json", tmp_path / "model.bin", {})


def test_a_conversion_is_made_once_for_each_content(tmp_path):
    source, made = tmp_path / "source", []
    source.write_bytes(b"one")
    store = ModelStore(tmp_path / "store")

    def convert():
        made.append(source.read_bytes())
        return b"converted " + source.read_bytes()

    first = converted(store, "net 1", [source], convert)
    assert converted(store, "net 1", [source], convert) == first
    source.write_bytes(b"two")
    second = converted(store, "net 1", [source], convert)
    assert made == [b"one", b"two"]
    assert (first.read_bytes(), second.read_bytes()) == (b"converted one", b"converted two")


def test_a_store_that_cannot_be_written_still_gives_the_network(tmp_path):
    (tmp_path / "store").write_bytes(b"a file where a folder should be")
    assert converted(ModelStore(tmp_path / "store"), "net 1", [], lambda: b"content") == b"content"


CHAINS = [
    ([("a", "Relu", ["x"], {}), ("b", "Minimum", ["a", "six"], {}), ("y", "Maximum", ["b", "zero"], {})], (0, 0.6)),
    ([("a", "Maximum", ["x", "six"], {}), ("y", "Minimum", ["zero", "a"], {})], (0, 0)),  # limits that cross
    ([("a", "Minimum", ["x", "zero"], {}), ("y", "Maximum", ["a", "six"], {})], (0.6, 0.6)),
]


@pytest.mark.parametrize(("nodes", "limits"), CHAINS)
def test_chains_of_limits_become_one(tmp_path, nodes, limits):
    found = evaluate(tmp_path, X, nodes, {"zero": np.zeros((), np.float32), "six": np.full((), 0.6, np.float32)})
    np.testing.assert_allclose(found, np.clip(X, *limits))
