"""Build an ONNX network node by node, and keep it in the model store's folder.

For networks that are published as weights alone, or in a format that ONNX Runtime does not read. Tensors are laid out
as in TensorFlow, (N, H, W, C); ONNX Runtime removes the transpositions around convolutions when it loads the file.
onnx is imported only inside functions: a plugin calls these from its `build`.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import RunError
from ..utils import replacing
from .records import sha256_of

if TYPE_CHECKING:
    from .store import ModelStore

log = logging.getLogger(__name__)

Array = npt.NDArray[Any]
Padding = Literal["SAME", "VALID"]
OPSET = 18
IR = 8
AUTO_PAD: Mapping[str, str] = {"SAME": "SAME_UPPER", "VALID": "VALID"}


class OnnxGraph:
    """A network under construction. Tensors are names; each method adds nodes and returns the name of their output.

    Example:
        >>> graph = OnnxGraph()
        >>> x = graph.input("x", (None, 2))
        >>> doubled = graph.add("Mul", x, graph.constant(np.float32(2)))
        >>> len(graph.serialise({"doubled": doubled})) > 0
        True
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._count = 0

    def input(self, name: str, shape: Sequence[int | None]) -> str:
        """Declare a float32 input; None is an axis of variable length."""
        from onnx import TensorProto, helper

        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return name

    def constant(self, value: Array | np.generic) -> str:
        """Add a constant: float32, or int64 for shapes and axes."""
        from onnx import numpy_helper

        name = self._fresh("constant")
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))  # scalars stay scalars
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with a single output: an operator of ONNX, its inputs, its attributes."""
        from onnx import helper

        name = self._fresh(operator.lower())
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def convolve(
        self, x: str, kernel: Array, stride: Sequence[int] = (1, 1), padding: Padding = "SAME",
        dilation: Sequence[int] = (1, 1),
    ) -> str:  # fmt: skip
        """Convolution; kernel: (height, width, in, out)."""
        weights = self.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        return self._channels_first(
            "Conv", x, weights, strides=list(stride), dilations=list(dilation), auto_pad=AUTO_PAD[padding]
        )

    def convolve_depthwise(
        self, x: str, kernel: Array, stride: Sequence[int] = (1, 1), padding: Padding = "SAME",
        dilation: Sequence[int] = (1, 1),
    ) -> str:  # fmt: skip
        """A convolution of each channel alone; kernel: (height, width, channels, outputs per channel)."""
        height, width, channels, outputs = kernel.shape
        weights = kernel.transpose(2, 3, 0, 1).reshape(channels * outputs, 1, height, width)
        return self._channels_first(
            "Conv", x, self.constant(np.ascontiguousarray(weights)), strides=list(stride), dilations=list(dilation),
            auto_pad=AUTO_PAD[padding], group=channels,
        )  # fmt: skip

    def pool(
        self, operator: Literal["MaxPool", "AveragePool"], x: str, size: Sequence[int], stride: Sequence[int],
        padding: Padding,
    ) -> str:  # fmt: skip
        """Pooling; padding does not count in averages."""
        return self._channels_first(
            operator, x, kernel_shape=list(size), strides=list(stride), auto_pad=AUTO_PAD[padding]
        )

    def serialise(self, outputs: Mapping[str, str]) -> bytes:
        """The file's content, checked by onnx. outputs: the tensor of each output, by the output's name."""
        import onnx
        from onnx import TensorProto, helper

        ends = [helper.make_node("Identity", [tensor], [name]) for name, tensor in outputs.items()]
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        used, kept = set(outputs.values()), list(ends)
        for node in reversed(self._nodes):  # ONNX Runtime computes what nothing needs, and cannot fuse its source
            if node.output[0] in used:
                kept.insert(0, node)
                used.update(node.input)
        constants = [one for one in self._constants if one.name in used]
        graph = helper.make_graph(kept, "converted", self._inputs, values, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)  # the outputs' shapes
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())

    def _channels_first(self, operator: str, x: str, *others: str, **attributes: Any) -> str:
        turned = self.add("Transpose", x, perm=[0, 3, 1, 2])
        return self.add("Transpose", self.add(operator, turned, *others, **attributes), perm=[0, 2, 3, 1])

    def _fresh(self, kind: str) -> str:
        self._count += 1
        return f"{kind}.{self._count}"


def converted(store: ModelStore, key: str, files: Sequence[Path], convert: Callable[[], bytes]) -> Path | bytes:
    """The ONNX file that `convert` makes from `files`; it is made once and kept in the store's folder, in `onnx`.

    Args:
        store: The model store.
        key: The network's name and the version of its conversion, such as "faceres 1".
        files: The published files; another content is another conversion.
        convert: Makes the content.

    Returns:
        The file's path; its content if the store cannot be written. `session` takes either.
    """
    digest = hashlib.sha256(" ".join([key, str(OPSET), *map(sha256_of, files)]).encode()).hexdigest()
    path = store.folder / "onnx" / f"{key.replace(' ', '-')}-{digest[:16]}.onnx"
    with contextlib.suppress(OSError):
        if path.stat().st_size:
            return path
    content = convert()
    try:
        with replacing(path) as part:
            part.write_bytes(content)
    except RunError as error:
        log.warning("%s. The network is converted again next time", error)
        return content
    return path
