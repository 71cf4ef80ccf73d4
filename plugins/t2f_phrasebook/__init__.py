"""Captions without a language model: grammatical, varied English from sentence plans."""

from collections.abc import Iterable

from text2face_core import hookimpl
from text2face_core.contracts import Component, Fuser, Options, Runtime


class PhrasebookOptions(Options):
    """No options: the sentence plans are in templates/phrasebook."""


def build(options: PhrasebookOptions, runtime: Runtime) -> Fuser:  # noqa: ARG001  the signature of every build
    """The fuser, with the words of this run's plugins."""
    from text2face_core.language import Vocabulary

    from ._writer import Phrasebook

    return Phrasebook(runtime.vocabulary or Vocabulary.load())


@hookimpl
def t2f_fusers() -> Iterable[Component]:
    """The fuser `phrasebook`."""
    yield Component(
        "phrasebook",
        build,
        PhrasebookOptions,
        summary="mentions every finding exactly once, from sentence plans; without a language model",
    )
