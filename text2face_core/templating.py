"""Sandboxed Jinja over the folder templates/: sentence plans, prompts, cards, the report, the plugin scaffold."""

from __future__ import annotations

from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .language.english import series, with_article
from .resources import templates


def environment(folder: str, *, html: bool = False, **settings: Any) -> ImmutableSandboxedEnvironment:
    """Jinja over one folder of templates/: sandboxed, nothing undefined, with the filters `a` and `series`.

    html: escape what is put in. settings: further ones of Jinja, such as trim_blocks.
    """
    loader = FileSystemLoader(templates() / folder)
    jinja = ImmutableSandboxedEnvironment(loader=loader, undefined=StrictUndefined, autoescape=html, **settings)
    jinja.filters |= {"a": with_article, "series": series}
    return jinja
