"""Names of LoRA tensors: PEFT's, three from the history of diffusers, and those of sd-scripts (kohya, ComfyUI).

Here the name of a tensor is its part ("unet" or "text_encoder"), the path of its layer as published files have it
(in the text encoder it begins with `text_model.`, although transformers 5 has dropped this level), and its kind: "down"
(rank, in), "up" (out, rank) or "alpha".
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

LoraPart = Literal["unet", "text_encoder"]
MatrixKind = Literal["down", "up", "alpha"]
PARTS: tuple[LoraPart, ...] = ("unet", "text_encoder")
KOHYA_PREFIX: dict[LoraPart, str] = {"unet": "lora_unet", "text_encoder": "lora_te"}


class LoraKey(NamedTuple):
    """The name of a LoRA tensor."""

    part: LoraPart
    layer: str
    kind: MatrixKind


def parse_key(key: str) -> LoraKey | None:
    """The tensor that a file's key names; None for an unknown kind of key.

    >>> parse_key("unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight")
    LoraKey(part='unet', layer='mid_block.attentions.0.transformer_blocks.0.attn1.to_q', kind='down')
    >>> parse_key("lora_te_text_model_encoder_layers_3_self_attn_out_proj.alpha")
    LoraKey(part='text_encoder', layer='text_model.encoder.layers.3.self_attn.out_proj', kind='alpha')
    """
    for prefix, part in _KOHYA.items():
        if key.startswith(prefix):
            return _kohya(key.removeprefix(prefix), part)
    found = _ENDING.search(key)
    if not found or key.startswith("lora_"):
        return None
    kind = _KINDS[next(filter(None, found.group("a", "b", "c", "d")), "alpha")]
    layer = key[: found.start()] + _OLD_ATTENTION.get(found["old"] or "", "")
    part = "unet"
    for one in PARTS:
        if layer.startswith(f"{one}."):
            part, layer = one, layer.removeprefix(f"{one}.")
    layer = layer.removeprefix("base_model.model.").replace(".processor", "")
    if layer.startswith("text_model."):
        part = "text_encoder"
    if part == "text_encoder":
        layer = _text_layer(layer)
    return LoraKey(part, layer, kind) if layer else None


def kohya_key(name: LoraKey) -> str:
    """The key that sd-scripts writes for Stable Diffusion 1 and 2.

    >>> kohya_key(LoraKey("unet", "up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0", "down"))
    'lora_unet_up_blocks_1_attentions_0_transformer_blocks_0_attn2_to_out_0.lora_down.weight'
    """
    ending = "alpha" if name.kind == "alpha" else f"lora_{name.kind}.weight"
    return f"{KOHYA_PREFIX[name.part]}_{name.layer.replace('.', '_')}.{ending}"


def peft_key(name: LoraKey) -> str:
    """The key in the diffusers file: PEFT's, after the part."""
    return f"{name.part}.{name.layer}.lora_{'A' if name.kind == 'down' else 'B'}.weight"


def _kohya(rest: str, part: LoraPart) -> LoraKey | None:
    layer, _, ending = rest.partition(".")
    kind = {"lora_down.weight": "down", "lora_up.weight": "up", "alpha": "alpha"}.get(ending)
    if kind is None or not _LAYER.fullmatch(layer):
        return None
    return LoraKey(part, ".".join(_WORD.findall(layer)), kind)  # type: ignore[arg-type]


def _text_layer(layer: str) -> str:
    """Add a missing `text_model.`; replace the old names of diffusers (to_q, …) by the text encoder's own."""
    layer = layer if layer.startswith("text_model.") else f"text_model.{layer}"
    return re.sub(r"\.to_(q|k|v|out)(\.0)?$", r".\1_proj", layer)


_KOHYA: dict[str, LoraPart] = {"lora_unet_": "unet", "lora_te_": "text_encoder"}
_KINDS: dict[str, MatrixKind] = {"A": "down", "down": "down", "B": "up", "up": "up", "alpha": "alpha"}
_OLD_ATTENTION = {"q": ".to_q", "k": ".to_k", "v": ".to_v", "out": ".to_out.0"}
_ENDING = re.compile(
    r"""( \.lora_(?P<a>A|B)(\.\w+)?\.weight             # PEFT, with or without the adapter's name
        | \.lora\.(?P<b>down|up)\.weight               # diffusers to 0.2x
        | \.lora_linear_layer\.(?P<c>down|up)\.weight  # its text encoder, before that
        | \.to_(?P<old>q|k|v|out)_lora\.(?P<d>down|up)\.weight  # its attention processors, in the beginning
        | \.alpha
        )$""",
    re.VERBOSE,
)
# Words of module names that contain an underscore; all others are one word. sd-scripts joins all with underscores.
_COMPOUND = (
    *("down_blocks", "up_blocks", "mid_block", "transformer_blocks", "to_q", "to_k", "to_v", "to_out"),
    *("proj_in", "proj_out", "time_emb_proj", "time_embedding", "linear_1", "linear_2", "conv_shortcut"),
    *("conv_in", "conv_out", "text_model", "self_attn", "q_proj", "k_proj", "v_proj", "out_proj"),
)
_SIMPLE = (
    *("attentions", "attn1", "attn2", "ff", "net", "proj", "resnets", "conv1", "conv2", "conv", "downsamplers"),
    *("upsamplers", "encoder", "layers", "mlp", "fc1", "fc2", r"\d+"),
)
_WORD = re.compile("(?:" + "|".join((*_COMPOUND, *_SIMPLE)) + ")(?=_|$)")
_LAYER = re.compile(f"{_WORD.pattern}(?:_{_WORD.pattern})*")
