"""Weights of torch networks: read as tensors and nothing else, loaded strictly, with errors that name what is wrong."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path


def load_weights(make: Callable[[], Any], path: Path, *, what: str, key: str = "") -> Any:
    """The torch.nn.Module that `make` makes, with the tensors of the file at `path`; float32, on the CPU, in eval mode.

    what: the network's name, for errors. key: under which the file keeps the tensors, if it keeps other things too.
    The module is made without memory, so that no time goes into random numbers that are overwritten; buffers that no
    file holds are not for it. The "module." that training on several GPUs puts before each name is left out.
    Raises ArtifactError where the file cannot be read, or holds not exactly the tensors of the network.
    """
    import torch

    state = _tensors(path, what, key)
    with torch.device("meta"):
        module = make()
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if wrong := _difference(wanted, found):
        raise ArtifactError(f"{path} does not hold the weights of {what}: {wrong}")
    module.load_state_dict(state, strict=True, assign=True)
    return module.float().eval().requires_grad_(requires_grad=False)


def _tensors(path: Path, what: str, key: str) -> dict[str, Any]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, pickle.UnpicklingError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise ArtifactError(f"{path} cannot be read as the weights of {what} ({reason})") from error
    if key and isinstance(found, Mapping) and key in found:
        found = found[key]
    if not isinstance(found, Mapping) or not all(isinstance(one, torch.Tensor) for one in found.values()):
        raise ArtifactError(f"{path} does not hold the weights of {what}: it is no plain table of tensors")
    return {name.removeprefix("module."): tensor for name, tensor in found.items()}


def _difference(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> str:
    """What is missing, unknown or of another shape, with one example of each; empty where all is as wanted."""
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted]
    other = [name for name in wanted if name in found and wanted[name] != found[name]]
    parts = [f"{len(names)} {how} ({names[0]})" for how, names in (("missing", missing), ("unknown", unknown)) if names]
    if other:
        name = other[0]
        parts.append(f"{len(other)} of another shape ({name}: {found[name]}, not {wanted[name]})")
    return ", ".join(parts)
