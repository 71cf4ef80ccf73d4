"""Plugin hooks: a hook for each role, and a hook for words.

A plugin is a module that an entry point of the group "text2face" names. It declares components and loads nothing:
heavy imports belong in each component's `build`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .contracts import Component, Detector, Embedder, Extractor, Filter, Fuser, Metric, Renderer, Source, Trainer

hookspec = pluggy.HookspecMarker("text2face")
hookimpl = pluggy.HookimplMarker("text2face")


@hookspec
def t2f_sources() -> Iterable[Component[Any, Source]]:  # type: ignore[empty-body]
    """Components that list and open photos: `build` returns a Source, `provides` names its URI schemes."""


@hookspec
def t2f_detectors() -> Iterable[Component[Any, Detector]]:  # type: ignore[empty-body]
    """Components that find faces: `build` returns a Detector."""


@hookspec
def t2f_filters() -> Iterable[Component[Any, Filter]]:  # type: ignore[empty-body]
    """Components that reject portraits: `build` returns a Filter."""


@hookspec
def t2f_extractors() -> Iterable[Component[Any, Extractor]]:  # type: ignore[empty-body]
    """Components that observe characteristics of portraits: `build` returns an Extractor."""


@hookspec
def t2f_fusers() -> Iterable[Component[Any, Fuser]]:  # type: ignore[empty-body]
    """Components that write captions from bags of words: `build` returns a Fuser."""


@hookspec
def t2f_trainers() -> Iterable[Component[Any, Trainer]]:  # type: ignore[empty-body]
    """Components that train a model on a captioned data set: `build` returns a Trainer."""


@hookspec
def t2f_renderers() -> Iterable[Component[Any, Renderer]]:  # type: ignore[empty-body]
    """Components that render faces of people who do not exist: `build` returns a Renderer."""


@hookspec
def t2f_metrics() -> Iterable[Component[Any, Metric | Embedder]]:  # type: ignore[empty-body]
    """Components that measure an evaluation: `build` returns a Metric, or an Embedder for the built-in metrics."""


@hookspec
def t2f_vocabulary() -> Mapping[str, Any] | Path:  # type: ignore[empty-body]
    """Words for the plugin's own findings: a mapping, or the path of a TOML file, in the format of vocabulary.toml."""
