"""Sandboxed Jinja over the folder templates/: sentence plans, prompts, cards, the report, the plugin scaffold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .resources import templates


def environment(
    folder: str, *, html: bool = False, filters: Mapping[str, Callable[..., str]] | None = None, **settings: Any
) -> ImmutableSandboxedEnvironment:
    """Make a sandboxed Jinja environment for a folder of templates/; undefined names are errors.

    Args:
        folder: Name of the folder, such as "prompts".
        html: Whether to escape what is inserted.
        filters: Filters of the templates by name, in addition to Jinja's own.
        settings: Further settings of Jinja, such as trim_blocks.
    """
    loader = FileSystemLoader(templates() / folder)
    jinja = ImmutableSandboxedEnvironment(loader=loader, undefined=StrictUndefined, autoescape=html, **settings)
    jinja.filters |= filters or {}
    return jinja
