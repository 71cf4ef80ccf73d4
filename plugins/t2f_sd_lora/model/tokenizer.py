"""The tokenizer of a base model: token ids of captions, and the pad token."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

POSITIONS = 77
PAD_FILES = ("tokenizer_config.json", "special_tokens_map.json")


def positions_of(tokenizer: Any) -> int:
    """The number of tokens that a caption is cut or padded to: the tokenizer's own limit, 77 when it states none."""
    limit = int(getattr(tokenizer, "model_max_length", POSITIONS))
    return limit if 2 < limit <= 4096 else POSITIONS


def encode_texts(tokenizer: Any, texts: list[str]) -> tuple[list[list[int]], list[int]]:
    """Token ids of each text, cut and padded to the tokenizer's positions, and its number of tokens before that."""
    positions = positions_of(tokenizer)
    whole = tokenizer(texts, padding=False, truncation=False, verbose=False)["input_ids"]
    pad = tokenizer.pad_token_id
    rows = [ids if len(ids) <= positions else [*ids[: positions - 1], tokenizer.eos_token_id] for ids in whole]
    return [ids + [pad] * (positions - len(ids)) for ids in rows], [len(ids) for ids in whole]


def hash_tokenizer(tokenizer: Any) -> str:
    """A hash of all that can change a token, 32 hexadecimal digits: vocabulary, rules, special tokens, length."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.loads(backend.to_str()) if backend is not None else {"vocab": tokenizer.get_vocab()}
    rules = {name: rule for name, rule in rules.items() if name not in {"padding", "truncation"}}
    content = [rules, encode_texts(tokenizer, ["", "A 34-year-old woman."])[0], positions_of(tokenizer)]
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def declared_pads(folder: Path) -> dict[str, str]:
    """The pad token that each file of a tokenizer's folder declares; files without a pad token are left out."""
    found = {}
    for name in PAD_FILES:
        try:
            token = json.loads((folder / name).read_text(encoding="utf-8")).get("pad_token")
        except (OSError, ValueError, AttributeError):
            continue
        if token:
            found[name] = token["content"] if isinstance(token, Mapping) else str(token)
    return found


def settle_pad(tokenizer: Any, folder: Path | None = None, wanted: int | None = None) -> str:
    """Make `tokenizer` pad with the id that the base model was trained with; returns a line for the user, or nothing.

    wanted: 0 for Stable Diffusion 2.x, whose text encoder is OpenCLIP's, the end token for 1.x; None: what the
    tokenizer declares, unless files in `folder` contradict each other. Those of SD 2.1 do: tokenizer_config.json has
    "<|endoftext|>", special_tokens_map.json "!" (id 0), and which applies depends on the version of transformers.
    """
    before = tokenizer.pad_token
    declared = declared_pads(folder) if folder else {}
    if wanted is not None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(wanted)
    elif len(set(declared.values())) > 1:
        tokenizer.pad_token = declared["special_tokens_map.json"]
    if tokenizer.pad_token == before:
        return ""
    declarations = " and ".join(f"{token} in {name}" for name, token in declared.items())
    return (
        f"captions are padded with {tokenizer.pad_token!r} (id {tokenizer.pad_token_id}), as the base model was "
        f"trained, and not with {before!r}" + (f" (the tokenizer has {declarations})" if declarations else "")
    )
