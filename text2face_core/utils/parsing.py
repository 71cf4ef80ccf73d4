"""Parse JSON and TOML of others: whatever is wrong with it is a ValueError, also if it is nested without end."""

from __future__ import annotations

import json
import tomllib
from typing import Any


def parse_json(content: str | bytes) -> Any:
    """What a JSON text holds.

    Raises ValueError if it is not JSON, not UTF-8, nested too deeply, or has a number with thousands of digits.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_toml(content: str | bytes) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError as `parse_json` does."""
    try:
        return tomllib.loads(content.decode("utf-8") if isinstance(content, bytes) else content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
