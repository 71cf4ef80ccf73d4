"""Templates of model cards, with the filters they need."""

from __future__ import annotations

import shlex
from typing import Any

from ..utils import environment

METRICS = {
    "loss": "training loss, last 100 steps",
    "validation_loss_before": "validation loss before training, fixed noise",
    "validation_loss": "validation loss after training, fixed noise",
}
"""What cards call the figures of `summarize_metrics`."""


def card_template(name: str) -> Any:
    """A Jinja template of a model card."""
    jinja = environment("modelcard")
    jinja.filters |= {
        "thousands": _thousands,
        "number": short_number,
        "line": escape_line,
        "shell": shlex.quote,
    }
    return jinja.get_template(name)


def _thousands(count: int) -> str:
    return f"{count:,}"


def short_number(value: float) -> str:
    """Three significant digits, without an exponent if that is short: 8, 0.00001, 1.24."""
    if value == int(value):
        return f"{int(value):,}"
    short = f"{value:.3g}"
    return f"{value:.10f}".rstrip("0") if "e" in short and abs(value) >= 1e-7 else short


def escape_line(text: object) -> str:
    """Text as a single line, with all markup of Markdown and HTML escaped."""
    return "".join(f"\\{c}" if c in "\\|`*_[]<>#" else c for c in " ".join(str(text).split()))
