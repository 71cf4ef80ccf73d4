"""A GGUF file with a Llama of random weights that speaks in English words: what llama.cpp needs to run, and no more.

GGUF: github.com/ggml-org/ggml, docs/gguf.md. Little-endian; strings are a length of 64 bits and UTF-8.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

WORDS = (
    *("a", "the", "of", "with", "and", "is", "in", "her", "his", "one", "woman", "man", "girl", "person", "child"),
    *("portrait", "photo", "young", "old", "adult", "smiling", "happy", "calm", "brown", "black", "long", "short"),
    *("hair", "eyes", "nose", "face", "big", "open", "mouth", "lips", "glasses", "beard", "hat", "wearing", "looks"),
)
TEMPLATE = (
    "{% for message in messages %}<|user|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|model|>{% endif %}"
)
NORMAL, CONTROL = 1, 3
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
F32 = 0
ALIGNMENT = 32


def write(path: Path, *, seed: int = 0, width: int = 64, layers: int = 2, context: int = 2048) -> Path:
    """Write the file and return its path; equal arguments give equal bytes."""
    words = [f"Ġ{word}" for word in WORDS]
    tokens = [*_byte_letters(), *words, ".", "<|user|>", "<|model|>", "<|end|>"]
    tokens = list(dict.fromkeys(tokens))
    control = [token.startswith("<|") for token in tokens]
    spoken = [place for place, token in enumerate(tokens) if token in {*words, ".", "<|end|>"}]
    metadata = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "llama.context_length": context,
        "llama.embedding_length": width,
        "llama.block_count": layers,
        "llama.feed_forward_length": 2 * width,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": width // 4,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [CONTROL if one else NORMAL for one in control],
        "tokenizer.ggml.merges": ["t h", "Ġ t"],
        "tokenizer.ggml.eos_token_id": tokens.index("<|end|>"),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }
    path.write_bytes(_file(metadata, _weights(len(tokens), spoken, width, layers, seed)))
    return path


def _weights(tokens: int, spoken: list[int], width: int, layers: int, seed: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, scale: float = 1.0) -> np.ndarray:
        return (draw.standard_normal((rows, columns)) * scale / columns**0.5).astype(np.float32)

    # Whatever is not spoken points against all that the network can say.
    output = matrix(tokens, width, 3.0)
    output[[place for place in range(tokens) if place not in set(spoken)]] = 0
    output[spoken, 0] += 3.0
    embedding = matrix(tokens, width, 8.0)
    embedding[:, 0] = 8.0
    found = {
        "token_embd.weight": embedding,
        "output_norm.weight": np.ones(width, np.float32),
        "output.weight": output,
    }
    for layer in range(layers):
        found |= {
            f"blk.{layer}.attn_norm.weight": np.ones(width, np.float32),
            f"blk.{layer}.attn_q.weight": matrix(width, width, 2.0),
            f"blk.{layer}.attn_k.weight": matrix(width // 2, width, 2.0),
            f"blk.{layer}.attn_v.weight": matrix(width // 2, width),
            f"blk.{layer}.attn_output.weight": matrix(width, width),
            f"blk.{layer}.ffn_norm.weight": np.ones(width, np.float32),
            f"blk.{layer}.ffn_gate.weight": matrix(2 * width, width),
            f"blk.{layer}.ffn_up.weight": matrix(2 * width, width),
            f"blk.{layer}.ffn_down.weight": matrix(width, 2 * width),
        }
    return found


def _byte_letters() -> list[str]:
    """The 256 letters that stand for bytes in a GPT-2 vocabulary: printable ones for themselves, others moved up."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    moved = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(moved)) for byte in range(256)]


def _file(metadata: dict[str, Any], tensors: dict[str, np.ndarray]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(_string(key) + _value(value) for key, value in metadata.items())
    data = b""
    for name, tensor in tensors.items():
        shape = tensor.shape[::-1]
        head += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, F32, len(data))
        data += _padded(tensor.tobytes())
    return _padded(head) + data


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", BOOL, value)
        case int():
            return struct.pack("<II", UINT32, value)
        case float():
            return struct.pack("<If", FLOAT32, value)
        case str():
            return struct.pack("<I", STRING) + _string(value)
        case [str(), *_]:
            return struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(_string, value))
        case _:
            return struct.pack("<IIQ", ARRAY, INT32, len(value)) + struct.pack(f"<{len(value)}i", *value)


def _string(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % ALIGNMENT)
