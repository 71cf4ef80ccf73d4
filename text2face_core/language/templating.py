"""Sandboxed Jinja over the folder templates/."""

from __future__ import annotations

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..resources import templates
from .english import series, with_article


def environment(folder: str) -> ImmutableSandboxedEnvironment:
    """Jinja over one folder of templates/: sandboxed, nothing undefined, with the filters `a` and `series`."""
    loader = FileSystemLoader(templates() / folder)
    jinja = ImmutableSandboxedEnvironment(loader=loader, undefined=StrictUndefined, autoescape=False)  # plain text
    jinja.filters["a"] = with_article
    jinja.filters["series"] = series
    return jinja
