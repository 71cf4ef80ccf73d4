"""Fingerprints of plain data and names, which identify results and photos."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any


def fingerprint(what: Any) -> str:
    """Return 16 hexadecimal digits that change when `what` (plain JSON data) changes."""
    return hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=8).hexdigest()


def photo_id_of(key: str) -> str:
    """Return a photo's id: 16 hexadecimal digits of a key that is unique in its source, such as a path below a folder.

    >>> photo_id_of("holidays/ann.jpg")
    'c5bbcf6a4a4ea2aa'
    """
    return hashlib.blake2b(os.fsencode(key), digest_size=8).hexdigest()


def content_digest(content: bytes) -> str:
    """32 hexadecimal digits of a file's content, by which a photo is recognised under another name."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
