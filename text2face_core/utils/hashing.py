"""Fingerprints of plain data, by which a result is recognised as still current."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def fingerprint(what: Any) -> str:
    """16 hexadecimal digits that change when `what` (plain JSON data) changes."""
    return hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=8).hexdigest()
