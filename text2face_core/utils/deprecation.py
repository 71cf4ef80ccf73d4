"""Deprecated public names, which work for another release and warn with the new name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping


def warn_renamed(old: str, new: str, *, stacklevel: int = 2) -> None:
    """Warn that `old` is now called `new`.

    Args:
        old: The deprecated name.
        new: The name to use instead.
        stacklevel: As for `warnings.warn`, counted from the calling function: 2 is its caller.
    """
    warnings.warn(
        f"{old} is now called {new}; the old name works until text2face 0.3", DeprecationWarning, stacklevel + 1
    )


def new_name(module: str, name: str, renamed: Mapping[str, str]) -> str:
    """Return the new name of a module's attribute, for its `__getattr__`, and warn the code that used the old name.

    Raises:
        AttributeError: `name` is not among the old names.
    """
    if name not in renamed:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    warn_renamed(f"{module}.{name}", f"{module}.{renamed[name]}", stacklevel=3)
    return renamed[name]
