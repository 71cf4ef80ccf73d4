"""Random numbers that depend on what they are for, and on nothing else.

Each photo draws from (seed, photo id, purpose), so that results are the same whatever the batch size,
order or engine, and after a restart.
"""

from __future__ import annotations

import hashlib
import json
import random


def stream_seed(seed: int, *purpose: str | int) -> int:
    """A number of 64 bits for this seed and purpose; the same on every machine and Python version.

    >>> stream_seed(0, "0123456789abcdef", "bag", 1) == stream_seed(0, "0123456789abcdef", "bag", 1)
    True
    >>> stream_seed(0, "1") == stream_seed(0, 1)
    False
    """
    # JSON keeps 1 apart from "1" and ("a", "b") from ("ab",); ASCII also takes names that are not valid Unicode
    text = json.dumps([seed, *purpose], ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(text.encode("ascii"), digest_size=8).digest(), "big")


def random_stream(seed: int, *purpose: str | int) -> random.Random:
    """A generator of its own for this seed and purpose."""
    return random.Random(stream_seed(seed, *purpose))
