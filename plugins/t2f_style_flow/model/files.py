"""Files of models: a model of its own, or a LoRA for a base, each a safetensors file that says what it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from text2face_core.errors import ArtifactError, RunError
from text2face_core.utils import explain, replacing

from .network import Sizes, StyleFlow
from .space import StyleSpace
from .words import WordPieces

MODEL, LORA = "model.safetensors", "lora.safetensors"
FORMAT = "text2face style_flow 1"


@dataclass(frozen=True, slots=True)
class StyleModel:
    """A model with everything that turns texts into styles.

    Attributes:
        network: Text encoder and flow.
        words: Its vocabulary.
        space: The style space of its generator.
        about: Facts about its training, as JSON.
    """

    network: StyleFlow
    words: WordPieces
    space: StyleSpace
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A LoRA as read from its file. tensors: by "part.layer.lora_A.weight"."""

    tensors: Mapping[str, torch.Tensor]
    about: Mapping[str, Any]


def save_model(path: Path, model: StyleModel) -> None:
    """Write a model; weights in float16, which hold what is learned and halve the file."""
    tensors = {f"network.{name}": one.detach().half() for name, one in model.network.state_dict().items()}
    for name in ("mean", "axes", "spread"):
        tensors[f"space.{name}"] = torch.from_numpy(getattr(model.space, name)).half()
    header = {
        "kind": "model",
        "sizes": model.network.sizes.plain(),
        "context": model.words.context,
        "pieces": list(model.words.pieces),
        "about": dict(model.about),
    }
    _write(path, tensors, header)


def load_model(path: Path) -> StyleModel:
    """Read a model, float32, in eval mode. Raises ArtifactError if it is not one."""
    tensors, header = _read(path, "model")
    network = StyleFlow(Sizes(**header["sizes"]))
    own = {name.removeprefix("network."): one.float() for name, one in tensors.items() if name.startswith("network.")}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise ArtifactError(f"{path} does not hold the weights that its header names. Fetch it again") from error
    space = StyleSpace(*(tensors[f"space.{name}"].float().numpy() for name in ("mean", "axes", "spread")))
    return StyleModel(network.eval(), WordPieces(header["pieces"], header["context"]), space, header["about"])


def save_lora(path: Path, tensors: Mapping[str, torch.Tensor], about: Mapping[str, Any]) -> None:
    """Write a LoRA."""
    _write(path, {name: one.detach().half() for name, one in tensors.items()}, {"kind": "lora", "about": dict(about)})


def load_lora(path: Path) -> LoraFile:
    """Read a LoRA. Raises ArtifactError if it is not one."""
    tensors, header = _read(path, "lora")
    return LoraFile({name: one.float() for name, one in tensors.items()}, header["about"])


def find_model(place: str) -> Path:
    """The file of a model or LoRA that a user named: the file itself, or in a folder. Raises ArtifactError if none."""
    path = Path(place).expanduser()
    if path.is_file():
        return path
    for name in (LORA, MODEL):
        if (path / name).is_file():
            return path / name
    raise ArtifactError(f"{place} is not a model of style_flow: it should be a folder with {MODEL} or {LORA}")


def hash_file(path: Path) -> str:
    """64 hexadecimal digits that identify the weights."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any]) -> None:
    content = {"format": FORMAT, "content": json.dumps(header, sort_keys=True, ensure_ascii=False)}
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(_ordered(save({name: one.contiguous() for name, one in tensors.items()}, content)))
    except OSError as error:
        raise RunError(explain(error, path)) from error


def _ordered(data: bytes) -> bytes:
    """The same file with its header's metadata in a fixed order, so that equal trainings give equal files."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    return b"".join([len(head).to_bytes(8, "little"), head, data[8 + length :]])


def _read(path: Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            header = json.loads(metadata.get("content", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dictionary
    except (OSError, SafetensorError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read as safetensors ({error}). Fetch it again") from error
    if metadata.get("format") != FORMAT or header.get("kind") != kind:
        raise ArtifactError(f"{path} is not a {kind} of style_flow (its format is {metadata.get('format')})")
    if not all(np.isfinite(one.float().sum().item()) for one in tensors.values()):
        raise ArtifactError(f"{path} holds values that are not finite. Train it again")
    return tensors, header
