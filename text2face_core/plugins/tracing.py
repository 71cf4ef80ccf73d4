"""T2F_TRACE: a line on stderr for each call of a hook or component, with its duration."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pluggy


def enabled() -> bool:
    """Whether T2F_TRACE is set."""
    return bool(os.environ.get("T2F_TRACE"))


def attach_trace(manager: pluggy.PluginManager) -> None:
    """Report every call of a hook: the plugins that it reached, and milliseconds."""
    started = threading.local()

    def before(hook: str, implementations: Any, arguments: Any) -> None:  # noqa: ARG001  pluggy calls by position
        started.at = time.perf_counter()

    def after(outcome: Any, hook: str, implementations: Any, arguments: Any) -> None:  # noqa: ARG001
        taken = 1000 * (time.perf_counter() - started.at)
        if names := ", ".join(implementation.plugin_name for implementation in implementations):
            line(f"{hook}({names}) in {taken:.1f} ms")

    manager.add_hookcall_monitoring(before, after)


@contextmanager
def traced(call: str) -> Iterator[None]:
    """Report the duration of an operation: the call of a component on a batch, an import, a build."""
    start = time.perf_counter()
    try:
        yield
    finally:
        if enabled():
            line(f"{call} in {1000 * (time.perf_counter() - start):.1f} ms")


def line(text: str) -> None:
    """Write a line of the trace."""
    sys.stderr.write(f"trace: {text}\n")
