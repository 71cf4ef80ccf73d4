"""Inference of torch networks: through ONNX Runtime on the CPU, through torch on an accelerator.

A verified torch module defines the network; for the CPU it is exported to ONNX once, compared with the module, and
stored in the model store's folder, in `onnx`. ONNX Runtime then takes at most half of torch's CPU time.
torch is imported only inside functions: a plugin calls `network` from its private module.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..utils import sync_folder

if TYPE_CHECKING:
    from ..contracts import Runtime

log = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]
Compute = Callable[[Sequence[Array]], list[Array]]

EXPORT = 1
"""Version of the export; exports of older versions are made again."""

CLOSE = 1e-4
"""Largest allowed difference between the export's and the module's outputs, relative to max(1, largest output)."""


@dataclass(frozen=True, slots=True)
class Free:
    """An axis of variable length.

    Attributes:
        example: The length it is exported with, 2 or more.
    """

    example: int


BATCH = Free(2)
"""The axis of a batch."""

Shape = tuple[int | Free, ...]


class Network:
    """A network that is called with arrays: `(scores,) = network(images)`.

    Inputs are float32 arrays of the declared shapes, outputs float32 arrays whose first axis is the batch. Batches
    larger than `batch` are split, so that memory stays bounded. Outputs for one input may differ in their last bits
    with the rest of the batch: so round what you report.
    """

    def __init__(self, compute: Compute, engine: str, batch: int) -> None:
        self._compute = compute
        self._batch = batch
        self.engine = engine
        """"onnx" or "torch"."""

    def __call__(self, *inputs: Array) -> list[Array]:
        """Run the network.

        Args:
            inputs: Arrays of the declared shapes; they are converted to float32.

        Returns:
            float32 arrays, in the order of the outputs' names.
        """
        inputs = tuple(np.ascontiguousarray(one, np.float32) for one in inputs)
        if len(inputs[0]) <= self._batch:
            return self._compute(inputs)
        starts = range(0, len(inputs[0]), self._batch)
        parts = [self._compute([one[start : start + self._batch] for one in inputs]) for start in starts]
        return [np.concatenate(rows) for rows in zip(*parts, strict=True)]


def network(
    module: Any,
    shapes: Sequence[Shape],
    runtime: Runtime,
    *,
    key: str,
    outputs: Sequence[str] = ("output",),
    batch: int = 8,
) -> Network:
    """Make a network that runs on `runtime.device`.

    On the CPU in float32, ONNX Runtime computes, with `runtime.threads`. If an export cannot be made, written or
    trusted, and on every other device or dtype, torch computes; the log says so.

    Args:
        module: A torch.nn.Module (or ScriptModule) in float32 on the CPU, whose forward takes tensors and returns a
            tensor or a tuple of tensors. It is put in eval mode, and must not be used elsewhere afterwards.
        shapes: Shape of each input; `BATCH` or `Free` for an axis of variable length.
        runtime: Device, dtype, threads and model store.
        key: The network's name and the version of its code, such as "farl.attributes 1". Weights are hashed here.
        outputs: Name of each output.
        batch: Largest number of inputs that are computed at once.

    Returns:
        The network.

    Raises:
        ImportError: torch, onnx or onnxscript is missing.

    Example:
        >>> run = network(module, [(BATCH, 3, 224, 224)], runtime, key="example 1")  # doctest: +SKIP
        >>> (scores,) = run(images)  # doctest: +SKIP
    """
    import torch

    module.eval()
    for parameter in module.parameters():  # a ScriptModule cannot do this for all at once
        parameter.requires_grad_(requires_grad=False)
    if runtime.device == "cpu" and runtime.dtype == "float32":
        digest = fingerprint(module, f"{key} {list(shapes)} {list(outputs)}")
        name = re.sub("[^a-z0-9.]+", "-", key.lower())
        folder = runtime.models.folder / "onnx" / f"{name}-{digest[:16]}"
        if (path := _exported(module, shapes, outputs, folder, runtime.threads)) is not None:
            return Network(_onnx(session(path, runtime.threads)), "onnx", batch)
    if runtime.device == "cpu":
        torch.set_num_threads(runtime.threads)
    return Network(_torch(module, runtime.device, getattr(torch, runtime.dtype)), "torch", batch)


PROVIDERS = {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}


def session(model: Path | bytes, threads: int, device: str = "cpu") -> Any:
    """Open an ONNX file as an onnxruntime.InferenceSession that does not spin while it waits.

    If the installed onnxruntime cannot use `device`, the CPU computes; the log says so.

    Args:
        model: The ONNX file, or its content.
        threads: Number of threads inside an operator.
        device: "cpu", "cuda", "cuda:1" or "mps".

    Returns:
        The session.

    Example:
        >>> detector = session(runtime.models.path(ARTIFACT), runtime.threads)  # doctest: +SKIP
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    # Threads that wait by spinning double the time spent on cores that decoding could use.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    kind, _, number = device.partition(":")
    providers: list[Any] = ["CPUExecutionProvider"]
    if (wanted := PROVIDERS.get(kind)) in onnxruntime.get_available_providers():
        providers.insert(0, (wanted, {"device_id": number}) if number else wanted)
    elif kind != "cpu":
        name = model.name if isinstance(model, Path) else "a network"
        log.warning("the installed onnxruntime cannot use %s: %s runs on the CPU", device, name)
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), settings, providers=providers
    )


def fingerprint(module: Any, *salt: str) -> str:
    """64 hexadecimal digits that depend on the weights, on `salt`, and on the versions of the export's packages."""
    import onnx
    import onnxscript
    import torch

    digest = hashlib.sha256(repr((EXPORT, torch.__version__, onnx.__version__, onnxscript.__version__, salt)).encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _exported(module: Any, shapes: Sequence[Shape], outputs: Sequence[str], folder: Path, threads: int) -> Path | None:
    """Path of the export in `folder`, which is made if it is not there; None if it cannot be made."""
    from filelock import FileLock

    path = folder / "model.onnx"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            # A single process exports, the others wait for it; the system frees the lock of a killed process.
            with FileLock(folder.with_name(f"{folder.name}.lock")):
                if not path.is_file():
                    _export(module, shapes, outputs, folder, threads)
    except OSError as error:
        log.warning("%s cannot be written (%s): torch computes instead, more slowly", folder, error.strerror or error)
        return None
    except Exception as error:  # an exporter may fail in any way; the module itself still works
        log.warning("%s: no ONNX export (%s): torch computes instead, more slowly", folder.name, _first_line(error))
        log.debug("export of %s failed", folder.name, exc_info=True)
        return None
    return path


def _export(module: Any, shapes: Sequence[Shape], outputs: Sequence[str], folder: Path, threads: int) -> None:
    """Export into a temporary folder, compare with the module, and rename: the folder is whole or not there."""
    log.info("exporting %s to ONNX, once", folder.name)
    made = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(made, ignore_errors=True)  # left behind by a killed process
        made.mkdir()
        _write(module, shapes, outputs, made / "model.onnx")
        _compare(module, shapes, made / "model.onnx", threads)
        for file in made.iterdir():
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    sync_folder(folder.parent)


def _write(module: Any, shapes: Sequence[Shape], outputs: Sequence[str], path: Path) -> None:
    import torch

    inputs = [f"input{index}" for index in range(len(shapes))]
    examples = tuple(torch.from_numpy(one) for one in _examples(shapes, 0))
    free = [[axis for axis, size in enumerate(shape) if isinstance(size, Free)] for shape in shapes]
    names: dict[str, Any] = {"input_names": inputs, "output_names": list(outputs)}
    with torch.inference_mode(mode=False), torch.no_grad(), _quiet():
        if isinstance(module, torch.jit.ScriptModule):
            # A script can only be exported with a fixed shape: inputs are then run singly.
            from torch._export.converter import TS2EPConverter  # type: ignore[import-untyped,import-not-found,unused-ignore]

            one = tuple(
                example[:1] if shape[0] == BATCH else example for example, shape in zip(examples, shapes, strict=True)
            )
            program = TS2EPConverter(module, one).convert()
            torch.onnx.export(program, one, str(path), dynamo=True, verbose=False, **names)
            return
        dynamic = [dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in free]
        # A star argument is one tuple to the exporter.
        starred = tuple(dynamic) if _takes(module, len(shapes)) else (tuple(dynamic),)
        torch.onnx.export(
            module, examples, str(path), dynamo=True, verbose=False, dynamic_shapes=starred, **names
        )  # weights are in a separate file: protobuf ends at 2 GB


def _takes(module: Any, count: int) -> bool:
    """Whether forward names each of its inputs."""
    import inspect

    kinds = [one.kind for one in inspect.signature(module.forward).parameters.values()]
    return inspect.Parameter.VAR_POSITIONAL not in kinds[:count]


def _compare(module: Any, shapes: Sequence[Shape], path: Path, threads: int) -> None:
    """Raise ValueError unless the export's outputs equal the module's, for lengths it was not exported with."""
    import torch

    inputs = _examples(shapes, 1)
    wanted = _torch(module, "cpu", torch.float32)(inputs)
    found = _onnx(session(path, threads))(inputs)
    for one, other in zip(wanted, found, strict=True):
        far = float(np.abs(one - other).max(initial=0)) / max(1.0, float(np.abs(one).max(initial=0)))
        if one.shape != other.shape or not far <= CLOSE:
            raise ValueError(f"the export's output is {far:.2g} away from the module's")


def _examples(shapes: Sequence[Shape], seed: int) -> list[Array]:
    """Inputs in [0, 1); batches are larger by `seed`."""
    random = np.random.default_rng(seed)
    return [
        random.random([one.example + seed * (one == BATCH) if isinstance(one, Free) else one for one in shape], "f4")
        for shape in shapes
    ]


def _onnx(loaded: Any) -> Compute:
    entries = loaded.get_inputs()
    names = [one.name for one in entries]
    fixed = entries[0].shape[0] == 1

    def run(inputs: Sequence[Array]) -> list[Array]:
        return [np.asarray(one, np.float32) for one in loaded.run(None, dict(zip(names, inputs, strict=True)))]

    def compute(inputs: Sequence[Array]) -> list[Array]:
        if not fixed:
            return run(inputs)
        rows = [run([one[number : number + 1] for one in inputs]) for number in range(len(inputs[0]))]
        return [np.concatenate(outputs) for outputs in zip(*rows, strict=True)]

    return compute


def _torch(module: Any, device: str, dtype: Any) -> Compute:
    import torch

    module = module.to(device, dtype)
    layout = torch.channels_last if _convolves(module) else torch.contiguous_format
    if layout == torch.channels_last:
        module = module.to(memory_format=layout)

    def tensor(one: Array) -> Any:
        shared = torch.from_numpy(one if one.flags.writeable else one.copy())
        return shared.to(device, dtype, memory_format=layout if one.ndim == 4 else torch.preserve_format)

    def compute(inputs: Sequence[Array]) -> list[Array]:
        with torch.inference_mode():
            results = module(*map(tensor, inputs))
        results = (results,) if isinstance(results, torch.Tensor) else results
        return [one.float().cpu().contiguous().numpy() for one in results]

    return compute


def _convolves(module: Any) -> bool:
    """Whether most weights are in convolutions, which are faster with channels last; attention is not."""
    weights = [(one.numel(), one.ndim == 4) for one in module.parameters()]
    return bool(2 * sum(count for count, convolution in weights if convolution) > sum(count for count, _ in weights))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the exporters' warnings and progress from the user."""
    loud = [
        logging.getLogger(name) for name in ("torch.onnx", "torch.export", "torch._export", "onnxscript", "onnx_ir")
    ]
    levels = [one.level for one in loud]
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore")
        for one in loud:
            one.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for one, level in zip(loud, levels, strict=True):
                one.setLevel(level)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
