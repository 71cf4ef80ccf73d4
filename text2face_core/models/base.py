"""Shared by all sources of model files: their error, and sizes and errors as text."""

from __future__ import annotations


class SourceFailed(Exception):
    """A source did not provide the file; the message is the reason, in plain words."""


def human_size(size: int | None) -> str:
    """Human-readable size: "232.6 kB", or "size unknown" for None.

    >>> human_size(10_768_819)
    '10.8 MB'
    """
    from rich.filesize import decimal

    return "size unknown" if size is None else decimal(size)


def first_line(error: BaseException) -> str:
    """First line of an error's text, or its type if it has no text."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
