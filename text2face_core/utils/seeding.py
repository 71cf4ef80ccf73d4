"""Random streams that depend only on the seed and their purpose.

Each photo's random numbers come from (seed, photo id, purpose), so that results do not depend on batch size, order,
engine or restarts.
"""

from __future__ import annotations

import hashlib
import json
import random


def stream_seed(seed: int, *purpose: str | int) -> int:
    """Derive a 64-bit number from a seed and a purpose; equal on every machine and Python version.

    >>> stream_seed(0, "0123456789abcdef", "bag", 1) == stream_seed(0, "0123456789abcdef", "bag", 1)
    True
    >>> stream_seed(0, "1") == stream_seed(0, 1)
    False
    """
    # JSON distinguishes 1 from "1" and ("a", "b") from ("ab",); ASCII also encodes names that are not valid Unicode
    text = json.dumps([seed, *purpose], ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(text.encode("ascii"), digest_size=8).digest(), "big")


def random_stream(seed: int, *purpose: str | int) -> random.Random:
    """Return a random generator for this seed and purpose."""
    return random.Random(stream_seed(seed, *purpose))
