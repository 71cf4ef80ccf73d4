"""Weights of torch networks: read as tensors only, loaded strictly, with errors that name the mismatch."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path


def load_weights(make: Callable[[], Any], path: Path, *, what: str, key: str = "") -> Any:
    """Build a network and load its weights strictly.

    The network is built on torch's meta device, so that no time is spent on random numbers that would be overwritten.
    Networks with buffers that are not in the file cannot be loaded this way. The prefix "module.", which training on
    several GPUs adds to each name, is removed.

    Args:
        make: Builds the torch.nn.Module.
        path: The file of weights; it is read with `weights_only=True`, so it cannot run code.
        what: The network's name, for error messages.
        key: Key of the tensors in the file, if it contains other things too.

    Returns:
        The module, float32, on the CPU, in eval mode, without gradients.

    Raises:
        ArtifactError: The file cannot be read, or does not contain exactly the tensors of the network.

    Example:
        >>> network = load_weights(lambda: Trunk(8), path, what="the age network", key="state_dict")  # doctest: +SKIP
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
        raise ArtifactError(f"{path} does not hold the weights of {what}: it is not a plain table of tensors")
    return {name.removeprefix("module."): tensor for name, tensor in found.items()}


def _difference(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> str:
    """Names that are missing, unknown or of another shape, with an example of each; empty if all match."""
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted]
    other = [name for name in wanted if name in found and wanted[name] != found[name]]
    parts = [f"{len(names)} {how} ({names[0]})" for how, names in (("missing", missing), ("unknown", unknown)) if names]
    if other:
        name = other[0]
        parts.append(f"{len(other)} of another shape ({name}: {found[name]}, not {wanted[name]})")
    return ", ".join(parts)
