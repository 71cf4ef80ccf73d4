"""Graph models of TensorFlow.js, written for tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Described = tuple[str, str, Sequence[str], Mapping[str, Any]]
"""Name, operator, inputs, attributes in plain Python."""


def attribute(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"b": value}
        case str():
            return {"s": base64.b64encode(value.encode()).decode()}
        case int():
            return {"i": str(value)}
        case [str(), *_]:
            return {"list": {"s": [base64.b64encode(one.encode()).decode() for one in value]}}
        case _:
            return {"list": {"i": [str(one) for one in value]}}


def write_graph_model(
    folder: Path,
    shape: Sequence[int],
    nodes: Sequence[Described],
    weights: Mapping[str, np.ndarray],
    quantised: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Path, Path]:
    """Write model.json and model.bin with a placeholder "x"; quantised tensors are given as they are stored."""
    sizes = [{"size": str(size)} for size in (-1, *shape)]
    described = [{"name": "x", "op": "Placeholder", "attr": {"shape": {"shape": {"dim": sizes}}}}]
    described += [{"name": name, "op": "Const", "attr": {}} for name in weights]
    described += [
        {"name": name, "op": operator, "input": list(inputs), "attr": {k: attribute(v) for k, v in attributes.items()}}
        for name, operator, inputs, attributes in nodes
    ]
    entries, content = [], b""
    for name, values in weights.items():
        entry = {"name": name, "shape": list(values.shape), "dtype": "int32" if values.dtype == np.int32 else "float32"}
        if quantised and name in quantised:
            entry["quantization"] = {"dtype": str(values.dtype), **quantised[name]}
        entries.append(entry)
        content += values.tobytes()
    model, data = folder / "model.json", folder / "model.bin"
    graph = {"modelTopology": {"node": described}, "weightsManifest": [{"paths": [data.name], "weights": entries}]}
    model.write_text(json.dumps(graph), encoding="utf-8")
    data.write_bytes(content)
    return model, data
