"""Run a torch network where it runs best: through ONNX Runtime on the CPU, through torch on an accelerator.

A verified torch module is the one description of a network; for the CPU it is exported to ONNX once, compared with the
module, and kept in the model store's folder, in `onnx`. ONNX Runtime then needs half of torch's CPU time or less.
torch is imported here only inside functions: a plugin calls `network` from its private module.
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
"""Counts changes in how this file exports, so that older files are not taken for new ones."""

CLOSE = 1e-4
"""How far an export's outputs may be from the module's, in units of the output's largest value or of 1."""


@dataclass(frozen=True, slots=True)
class Free:
    """An axis whose length may change from call to call; `example` is the length it is exported with, 2 or more."""

    example: int


BATCH = Free(2)
"""The axis of a batch."""

Shape = tuple[int | Free, ...]


class Network:
    """Outputs for inputs: `network(images)[0]`.

    Inputs are float32 arrays of the shapes that were declared, outputs float32 arrays whose first axis is the batch.
    Batches larger than `batch` go through in parts, so that memory stays bounded. Outputs for one input may differ in
    their last bits with what else is in the batch: round what you report.
    """

    def __init__(self, compute: Compute, engine: str, batch: int) -> None:
        self._compute = compute
        self._batch = batch
        self.engine = engine
        """"onnx" or "torch"."""

    def __call__(self, *inputs: Array) -> list[Array]:
        """The network's outputs, in the order of their names."""
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
    """A network that runs on `runtime.device`.

    module: a torch.nn.Module (or ScriptModule) in float32 on the CPU, whose forward takes tensors and returns one or a
    tuple of them; it is put in eval mode, and owned by the network from now on. shapes: of each input, `BATCH` or
    `Free` where an axis is not fixed. key: the network's name and the version of its code, such as "farl.attributes 1";
    its weights are hashed here. outputs: a name for each. batch: how many inputs go through at once, at most.

    On the CPU in float32, ONNX Runtime computes, with `runtime.threads`. Where an export cannot be made, written or
    trusted, and on every other device or dtype, torch does; the log says so.
    Raises ImportError where torch, onnx or onnxscript is missing.

    >>> run = network(module, [(BATCH, 3, 224, 224)], runtime, key="example 1")  # doctest: +SKIP
    >>> (scores,) = run(images)  # doctest: +SKIP
    """
    import torch

    module.eval()
    for parameter in module.parameters():  # one by one, because a ScriptModule cannot do it at once
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


def session(path: Path, threads: int, device: str = "cpu") -> Any:
    """An onnxruntime.InferenceSession that leaves cores alone while it waits.

    Where the installed onnxruntime cannot use `device`, the CPU computes; the log says so.
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
        log.warning("the installed onnxruntime cannot use %s: %s runs on the CPU", device, path.name)
    return onnxruntime.InferenceSession(str(path), settings, providers=providers)


def fingerprint(module: Any, *salt: str) -> str:
    """64 hexadecimal digits of the module's weights, of `salt`, and of the versions that an export depends on."""
    import onnx
    import onnxscript
    import torch

    digest = hashlib.sha256(repr((EXPORT, torch.__version__, onnx.__version__, onnxscript.__version__, salt)).encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _exported(module: Any, shapes: Sequence[Shape], outputs: Sequence[str], folder: Path, threads: int) -> Path | None:
    """The export in `folder`, made if it is not there; None where that cannot be done."""
    from filelock import FileLock

    path = folder / "model.onnx"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            # One process exports, the others wait for it; the system frees the lock of one that is killed.
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
    """Export into a folder beside it, compare with the module, and rename: the folder is whole or not there."""
    log.info("exporting %s to ONNX, once", folder.name)
    made = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(made, ignore_errors=True)  # what a process that was killed left behind
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
            # Only a graph of fixed shape can be made of a script: batches then go through one by one.
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
        )  # weights lie beside the graph: protobuf ends at 2 GB


def _takes(module: Any, count: int) -> bool:
    """Whether forward names its inputs one by one."""
    import inspect

    kinds = [one.kind for one in inspect.signature(module.forward).parameters.values()]
    return inspect.Parameter.VAR_POSITIONAL not in kinds[:count]


def _compare(module: Any, shapes: Sequence[Shape], path: Path, threads: int) -> None:
    """Raise ValueError unless the export gives what the module gives, for lengths it was not exported with."""
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
    """Whether most weights are those of convolutions, which like channels last; attention does not."""
    weights = [(one.numel(), one.ndim == 4) for one in module.parameters()]
    return bool(2 * sum(count for count, convolution in weights if convolution) > sum(count for count, _ in weights))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' warnings and progress from the user."""
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
