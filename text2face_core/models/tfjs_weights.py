"""Weights in TensorFlow.js's files: a manifest as JSON, and one binary file with all tensors in its order.

Format: the weights manifest of tfjs-converter. Quantised tensors are stored as uint8 or uint16, value = stored × scale
+ min, or as float16.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError

Tensor = npt.NDArray[Any]
TYPES: Mapping[str, Any] = {"float32": np.float32, "int32": np.int64}  # ONNX wants 64 bits for shapes and axes
STORED = ("float32", "int32", "float16", "uint8", "uint16")


def read_tfjs_weights(manifest: Path, data: Path) -> dict[str, Tensor]:
    """Read every tensor by its name.

    Args:
        manifest: The JSON file: a manifest, or a graph model that holds one as "weightsManifest".
        data: The binary file.

    Returns:
        float32 and int64 arrays.

    Raises:
        ArtifactError: The manifest does not describe the binary file.
    """
    try:
        read = json.loads(manifest.read_text(encoding="utf-8"))
        groups = read["weightsManifest"] if isinstance(read, dict) else read
        return _unpack([entry for group in groups for entry in group["weights"]], data.read_bytes())
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{manifest} does not describe the weights of {data}: {error!r}") from error


def _unpack(entries: Sequence[Mapping[str, Any]], content: bytes) -> dict[str, Tensor]:
    tensors, place = {}, 0
    for entry in entries:
        quantisation = entry.get("quantization") or {}
        stored = quantisation.get("dtype", entry["dtype"])
        if stored not in STORED:
            raise ValueError(f"tensors of type {stored} are not supported")
        kind, count = np.dtype(stored).newbyteorder("<"), math.prod(entry["shape"])
        values = np.frombuffer(content, kind, count, place).reshape(entry["shape"])
        place += count * kind.itemsize
        if "scale" in quantisation:
            values = values.astype(np.float32) * np.float32(quantisation["scale"]) + np.float32(quantisation["min"])
        tensors[entry["name"]] = values.astype(TYPES[entry["dtype"]])
    if place != len(content):
        raise ValueError(f"the tensors take {place} bytes, but the file has {len(content)}")
    return tensors
