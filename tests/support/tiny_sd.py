"""Stable Diffusion pipelines with random weights: tiny ones in the form of 2.1 and 1.5, and the real shape of 2.1.

For tests and benchmarks. A tiny one has everything that the real one has (four levels, heads per level, linear
projections, v-prediction, 77 tokens, a VAE that shrinks by 8) and 650,000 parameters instead of 1.3 billion.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS = (
    "a",
    "photo",
    "of",
    "the",
    "man",
    "woman",
    "with",
    "hair",
    "black",
    "brown",
    "blond",
    "long",
    "short",
    "smile",
    "and",
    "year",
    "old",
    "is",
    "wearing",
    "glasses",
)
START, END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class Shape:
    """Sizes of a pipeline. unet_heads: `attention_head_dim` as the configuration file has it."""

    unet: tuple[int, ...] = (16, 32, 32, 32)
    unet_heads: int | tuple[int, ...] = (2, 4, 4, 4)
    unet_layers: int = 1
    unet_groups: int = 8
    text_width: int = 32
    text_layers: int = 2
    text_heads: int = 4
    text_mlp: int = 64
    text_activation: str = "gelu"
    vae: tuple[int, ...] = (8, 8, 16, 16)
    vae_layers: int = 1
    vae_groups: int = 4
    sample_size: int = 8
    linear_projection: bool = True
    prediction: str = "v_prediction"
    vocabulary: int | None = None
    pad: str = "!"


TINY = Shape()
TINY_15 = Shape(unet_heads=4, linear_projection=False, prediction="epsilon", text_activation="quick_gelu", pad=END)
SD21 = Shape(
    unet=(320, 640, 1280, 1280),
    unet_heads=(5, 10, 20, 20),
    unet_layers=2,
    unet_groups=32,
    text_width=1024,
    text_layers=23,
    text_heads=16,
    text_mlp=4096,
    vae=(128, 256, 512, 512),
    vae_layers=2,
    vae_groups=32,
    sample_size=96,
    vocabulary=49408,
)


def unet(shape: Shape) -> Any:
    """A UNet2DConditionModel; under `torch.device("meta")` without weights."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=shape.sample_size,
        in_channels=4,
        out_channels=4,
        block_out_channels=shape.unet,
        layers_per_block=shape.unet_layers,
        down_block_types=(*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
        up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
        attention_head_dim=shape.unet_heads,
        cross_attention_dim=shape.text_width,
        norm_num_groups=shape.unet_groups,
        use_linear_projection=shape.linear_projection,
        upcast_attention=shape.prediction == "v_prediction",
    )


def text_encoder(shape: Shape, vocabulary: int) -> Any:
    """A CLIPTextModel."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=shape.vocabulary or vocabulary,
            hidden_size=shape.text_width,
            intermediate_size=shape.text_mlp,
            num_hidden_layers=shape.text_layers,
            num_attention_heads=shape.text_heads,
            max_position_embeddings=77,
            hidden_act=shape.text_activation,
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
            pad_token_id=0,
        )
    )


def vae(shape: Shape) -> Any:
    """An AutoencoderKL that shrinks by 8.

    Its latents are about as spread as those of a trained one and nearly certain; with random weights alone they would
    be noise around a point, and what is on the photo would not matter.
    """
    import torch
    from diffusers import AutoencoderKL

    made = AutoencoderKL(
        block_out_channels=shape.vae,
        layers_per_block=shape.vae_layers,
        norm_num_groups=shape.vae_groups,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=4,
        sample_size=8 * shape.sample_size,
        scaling_factor=0.18215,
    )
    with torch.no_grad():
        made.quant_conv.weight[:4] *= 15
        made.quant_conv.weight[4:] = 0
        made.quant_conv.bias[4:] = -8
    return made


def scheduler(shape: Shape) -> Any:
    """A DDIMScheduler with the noise of Stable Diffusion."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=shape.prediction,
    )


def vocabulary(words: Sequence[str] = WORDS) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Byte-level BPE in CLIP's manner: token numbers ("!" is 0) and merges, which make each of `words` one token."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    tokens = letters + [f"{letter}</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in words:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
                tokens.append("".join(pair))
            parts[:2] = ["".join(pair)]
    tokens = list(dict.fromkeys([*tokens, START, END]))
    return {token: number for number, token in enumerate(tokens)}, merges


def write_tokenizer(folder: Path, pad: str = "!") -> int:
    """A CLIP tokenizer's files; returns how many tokens it knows."""
    tokens, merges = vocabulary()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    config = {**special, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return len(tokens)


def write_pipeline(folder: Path, shape: Shape = TINY, seed: int = 0, parts: Mapping[str, Any] | None = None) -> Path:
    """A folder that StableDiffusionPipeline.from_pretrained opens; `parts` stand in for those with random weights."""
    import torch
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPTokenizer

    tokens = write_tokenizer(folder / "tokenizer", shape.pad)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        makers = {
            "unet": lambda: unet(shape),
            "text_encoder": lambda: text_encoder(shape, tokens),
            "vae": lambda: vae(shape),
        }
        made = {name: make() for name, make in makers.items() if name not in (parts or {})}
    pipeline = StableDiffusionPipeline(
        **{**made, **(parts or {})},
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        scheduler=scheduler(shape),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder
