"""Captions without a language model: grammatical, varied English from sentence plans."""

from collections.abc import Iterable

from text2face_core.contracts import Component, Fuser, Options, Runtime
from text2face_core.hookspecs import hookimpl


class PhrasebookOptions(Options):
    """The phrasebook needs none: its plans lie in templates/phrasebook."""


def build(options: PhrasebookOptions, runtime: Runtime) -> Fuser:  # noqa: ARG001  every build takes both
    """The fuser, with the words of this run's plugins."""
    from text2face_core.language import Vocabulary

    from ._writer import Phrasebook

    return Phrasebook(runtime.vocabulary or Vocabulary.load())


@hookimpl
def t2f_fusers() -> Iterable[Component]:
    """The one component."""
    yield Component(
        "phrasebook",
        build,
        PhrasebookOptions,
        summary="every finding said exactly once, by sentence plans; needs no language model",
    )
