"""LoRA files: write them for diffusers and for kohya's tools and ComfyUI, read all naming styles in use.

Only safetensors files are read: other weight files may run code when they are opened.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from text2face_core.errors import ArtifactError, RunError
from text2face_core.utils import explain, replacing

from .lora_names import PARTS, LoraKey, LoraPart, MatrixKind, kohya_key, parse_key, peft_key

if TYPE_CHECKING:
    import torch

NAME = "pytorch_lora_weights.safetensors"
"""The diffusers file: the name that `load_lora_weights` looks for in a folder."""
KOHYA_NAME = "text2face_lora_kohya.safetensors"
"""The copy for kohya's tools, ComfyUI and web user interfaces, which list files by name."""
ADAPTERS = "lora_adapter_metadata"
"""The header entry in which diffusers, since 0.34, keeps rank and alpha."""
OWN = "text2face."
"""Prefix of our own header entries."""

MATRICES: tuple[MatrixKind, ...] = ("down", "up")

LoraTensors = dict[str, "torch.Tensor"]


@dataclass(frozen=True, slots=True)
class Lora:
    """The tensors of a LoRA.

    unet, text_encoder: by PEFT's names (`….to_q.lora_A.weight` is (rank, in), `….lora_B.weight` (out, rank)), those of
    the text encoder from `text_model.` on, see `for_module`; empty when the LoRA lacks the part.
    alphas: of each part; the effect is B A alpha / rank. metadata: the file's header.
    """

    unet: LoraTensors
    text_encoder: LoraTensors
    alphas: dict[LoraPart, float] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    def part(self, part: LoraPart) -> LoraTensors:
        """The tensors of a part."""
        return self.unet if part == "unet" else self.text_encoder

    def rank(self, part: LoraPart) -> int:
        """The part's rank; 0 without tensors, the largest when ranks differ."""
        return max((tensor.shape[0] for key, tensor in self.part(part).items() if ".lora_A." in key), default=0)

    @property
    def parameters(self) -> dict[LoraPart, int]:
        """The number of parameters of each part."""
        return {part: sum(tensor.numel() for tensor in self.part(part).values()) for part in PARTS if self.part(part)}

    def for_diffusers(self) -> LoraTensors:
        """The state dictionary for `pipeline.load_lora_weights`; it includes alpha / rank, for lack of a header."""
        state: LoraTensors = {}
        for part in PARTS:
            tensors = self.part(part)
            for key, tensor in tensors.items():
                scale = 1.0
                if ".lora_B." in key:
                    rank = tensor.shape[1]
                    scale = self.alphas.get(part, rank) / rank
                state[f"{part}.{key}"] = tensor if scale == 1 else tensor * scale
        return state


def for_module(state: LoraTensors, text_encoder: Any) -> LoraTensors:
    """Rename the tensors as the layers of `text_encoder` are named: transformers 5 has dropped `text_model.`."""
    if any(name.startswith("text_model.") for name, _ in text_encoder.named_modules()):
        return state
    return {key.removeprefix("text_model."): tensor for key, tensor in state.items()}


def save(
    path: Path,
    unet: Mapping[str, torch.Tensor],
    text_encoder: Mapping[str, torch.Tensor] | None,
    alphas: Mapping[str, float],
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write the file for diffusers: float32, keys as in michaeltrs/text2face, alpha and `metadata` in the header.

    unet, text_encoder: PEFT's names, the latter with or without `text_model.`; None or empty when it was not trained.
    alphas: by part; alpha = rank for a part without. metadata: its provenance (base, revision, recipe, data set,
    fusers, …), kept as text under `text2face.`. Raises RunError when the file cannot be written.
    """
    named = _named(unet, text_encoder)
    adapters: dict[str, Any] = {}
    for part, rank in _ranks(named).items():
        # Ends of names, which hold with and without `text_model.`
        targets = {_last(name.layer) for name in named if name.part == part}
        adapters |= {f"{part}.r": rank, f"{part}.lora_alpha": alphas.get(part, rank)}
        adapters[f"{part}.target_modules"] = sorted(targets)
    header = {"format": "pt", ADAPTERS: json.dumps(adapters, sort_keys=True), **_texts(metadata or {})}
    _write(path, {peft_key(name): tensor for name, tensor in named.items()}, header)


def save_kohya(
    path: Path,
    unet: Mapping[str, torch.Tensor],
    text_encoder: Mapping[str, torch.Tensor] | None,
    alphas: Mapping[str, float],
    metadata: Mapping[str, Any] | None = None,
    *,
    v2: bool,
    v_prediction: bool,
) -> None:
    """Write the file for kohya's tools and ComfyUI, with an alpha for each layer, as sd-scripts does for SD 1 and 2.

    v2, v_prediction: of the base model, for the header.
    """
    import torch

    named = _named(unet, text_encoder)
    ranks = _ranks(named)
    tensors = {kohya_key(name): tensor for name, tensor in named.items()}
    for part, layer in {(name.part, name.layer): None for name in named}:
        alpha = torch.tensor(float(alphas.get(part, ranks[part])))
        tensors[kohya_key(LoraKey(part, layer, "alpha"))] = alpha
    first = next(iter(ranks))
    header = {
        "format": "pt",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(ranks[first]),
        "ss_network_alpha": str(float(alphas.get(first, ranks[first]))),
        "ss_v2": str(v2),
        "ss_base_model_version": f"sd_v{2 if v2 else 1}{'_v' if v_prediction else ''}",
        **_texts(metadata or {}),
    }
    _write(path, tensors, header)


def load(path: Path) -> Lora:
    """Read a LoRA of Stable Diffusion 1 or 2 from a file or a folder.

    Keys of PEFT, of all versions of diffusers and of sd-scripts are understood. When alpha or rank differ between
    layers of a part, the tensors include alpha / rank.
    Raises ArtifactError when there is no such file, or when it is of another kind or for another model.
    """
    from safetensors import SafetensorError, safe_open

    path = find_file(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            found = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a dictionary
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path} cannot be read as safetensors ({error}). Download it again") from error
    return from_tensors(found, metadata, str(path))


def from_tensors(found: Mapping[str, torch.Tensor], metadata: Mapping[str, str], source: str) -> Lora:
    """A LoRA from a file's tensors and header; raises ArtifactError as `load` does. source: its name, for messages."""
    named: dict[LoraKey, torch.Tensor] = {}
    unknown = []
    for key, tensor in found.items():
        name = parse_key(key)
        if name is None:
            unknown.append(key)
        else:
            named[name] = tensor
    if unknown or not named:
        raise ArtifactError(f"{source} is not a LoRA of Stable Diffusion 1 or 2: {_why(unknown)}")
    layers = {(name.part, name.layer) for name in named}
    for part, layer in sorted(layers):
        for kind in MATRICES:
            if LoraKey(part, layer, kind) not in named:
                raise ArtifactError(
                    f"{source} is incomplete: {part}.{layer} lacks its {kind} matrix. Download it again"
                )
    return _assembled(named, dict(metadata))


def find_file(path: Path) -> Path:
    """The weight file in a folder, or the file itself.

    Raises ArtifactError if there is no such file, if there are several, or if it may run code.
    """
    if path.is_dir():
        if (path / NAME).is_file():
            return path / NAME
        inside = sorted(path.glob("*.safetensors"))
        if len(inside) != 1:
            has = "none" if not inside else ", ".join(one.name for one in inside)
            raise ArtifactError(f"{path} holds no {NAME}; its safetensors files: {has}. Name the file itself")
        return inside[0]
    if not path.is_file():
        raise ArtifactError(f"there is no LoRA {path}")
    if path.suffix in {".bin", ".pt", ".pth", ".ckpt"}:
        raise ArtifactError(f"{path} is a pickle, which may run code when opened. Convert it to safetensors first")
    return path


def _assembled(named: Mapping[LoraKey, torch.Tensor], metadata: dict[str, str]) -> Lora:
    import torch

    states: dict[LoraPart, LoraTensors] = {part: {} for part in PARTS}
    scales: dict[LoraPart, dict[str, float]] = {part: {} for part in PARTS}
    ranks: dict[LoraPart, set[int]] = {part: set() for part in PARTS}
    header = _adapters(metadata)
    for name, tensor in named.items():
        if name.kind != "up":
            continue
        part, layer, rank = name.part, name.layer, tensor.shape[1]
        own = named.get(LoraKey(part, layer, "alpha"))
        alpha = float(own) if own is not None else _header_alpha(header, part, layer, rank)
        states[part][f"{layer}.lora_A.weight"] = named[LoraKey(part, layer, "down")].to(torch.float32)
        states[part][f"{layer}.lora_B.weight"] = tensor.to(torch.float32)
        scales[part][layer] = alpha / rank
        ranks[part].add(rank)
    alphas: dict[LoraPart, float] = {}
    for part, state in states.items():
        if not state:
            continue
        if len(set(scales[part].values())) == 1 and len(ranks[part]) == 1:
            alphas[part] = next(iter(scales[part].values())) * next(iter(ranks[part]))
            continue
        for layer, scale in scales[part].items():
            key = f"{layer}.lora_B.weight"
            state[key] = state[key] * scale  # not in place: it may be the caller's
    return Lora(states["unet"], states["text_encoder"], alphas, metadata)


def _header_alpha(header: Mapping[str, Any], part: LoraPart, layer: str, rank: int) -> float:
    """A layer's alpha in PEFT's configuration in the header: its own, else that of all layers, else the rank."""
    alpha = float(header.get(f"{part}.lora_alpha", rank))
    for name, own in (header.get(f"{part}.alpha_pattern") or {}).items():
        if f".{layer}".endswith(f".{name.removeprefix('^')}"):
            alpha = float(own)
            break
    # "rank-stabilized" divides alpha by the root of the rank
    return alpha * rank**0.5 if header.get(f"{part}.use_rslora") else alpha


def _adapters(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(metadata.get(ADAPTERS, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _named(
    unet: Mapping[str, torch.Tensor], text_encoder: Mapping[str, torch.Tensor] | None
) -> dict[LoraKey, torch.Tensor]:
    """Copies of the tensors in a fixed order, float32, on the CPU."""
    named: dict[LoraKey, torch.Tensor] = {}
    for part, state in (("unet", unet), ("text_encoder", text_encoder or {})):
        for key, tensor in state.items():
            name = parse_key(f"{part}.{key}")
            if name is None or name.kind == "alpha":
                raise ValueError(f"{part}.{key} is not the name of a LoRA tensor")
            named[name] = tensor.detach().float().cpu().contiguous().clone()
    return dict(sorted(named.items()))


def _ranks(named: Mapping[LoraKey, torch.Tensor]) -> dict[LoraPart, int]:
    found: dict[LoraPart, Counter[int]] = {}
    for name, tensor in named.items():
        if name.kind == "down":
            found.setdefault(name.part, Counter())[tensor.shape[0]] += 1
    if not found or any(len(ranks) > 1 for ranks in found.values()):
        raise ValueError("a LoRA must have at least one part, and a single rank in each part")
    return {part: next(iter(found[part])) for part in PARTS if part in found}


def _last(layer: str) -> str:
    """The end of a layer's name, which shows its type: "to_q", "to_out.0"."""
    *_, parent, own = layer.split(".")
    return f"{parent}.{own}" if own.isdigit() else own


def _texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Header entries, which can only be text."""
    return {
        OWN + name: one if isinstance(one, str) else json.dumps(one)
        for name, one in metadata.items()
        if one is not None
    }


def _write(path: Path, tensors: Mapping[str, torch.Tensor], header: Mapping[str, str]) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(_serialised(tensors, header))
    except OSError as error:
        raise RunError(explain(error, path)) from error


def _serialised(tensors: Mapping[str, torch.Tensor], header: Mapping[str, str]) -> bytes:
    """float32 tensors in the safetensors format: length of the header, header in JSON, data.

    The library's own function orders the header randomly, so that equal trainings would give files of different hashes.
    """
    table: dict[str, Any] = {"__metadata__": dict(sorted(header.items()))}
    data: list[bytes] = []
    end = 0
    for name, tensor in sorted(tensors.items()):
        data.append(tensor.numpy().astype("<f4").tobytes())
        table[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [end, end + len(data[-1])]}
        end += len(data[-1])
    head = json.dumps(table, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)  # the data begin at a multiple of 8
    return b"".join([len(head).to_bytes(8, "little"), head, *data])


def _why(unknown: list[str]) -> str:
    text = " ".join(unknown)
    if not unknown:
        return "it is empty"
    if "lora_te1_" in text or "lora_te2_" in text or "text_encoder_2." in text or "input_blocks" in text:
        return "it was made for SDXL"
    if any(word in text for word in ("hada_", "lokr_", "dora_scale", "lora_magnitude_vector", "oft_")):
        return f"it holds {unknown[0]}, and variants of LoRA (LoHa, LoKr, DoRA, OFT) are not supported"
    return f"{len(unknown)} tensors have unknown names, such as {unknown[0]}"
