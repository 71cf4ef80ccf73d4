"""Check what captions say against their bags of words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..records import Bag

if TYPE_CHECKING:
    from pathlib import Path

    from ..language.fidelity import Fidelity
    from ..plugins import Plugins


class CheckedCaption(NamedTuple):
    """A caption with what it mentions, misses and invents."""

    text: str
    bag: Bag
    fidelity: Fidelity


def check_captions(
    captions: Iterable[tuple[str, Bag]], *, plugins: str | Sequence[str] = (), available: Plugins | None = None
) -> Iterator[CheckedCaption]:
    """Check captions from any program, as `t2f check` does.

    Args:
        captions: Each caption with the bag of words that it should say.
        plugins: Names of plugins whose words for findings are known as well.
        available: The plugins that may be used; by default all that are installed.

    Yields:
        Each caption, in order, with names of findings that it mentions, misses and invents.

    Raises:
        PluginError: A plugin is unknown.
    """
    from ..language import Vocabulary
    from ..language.fidelity import check_caption
    from ..plugins import Plugins, split_names

    names = split_names(plugins) if isinstance(plugins, str) else list(plugins)
    words: Sequence[Mapping[str, Any] | Path] = ()
    if names:
        found = available or Plugins.load()
        for name in names:
            found.chosen([name])
        words = found.vocabularies(names)
    vocabulary = Vocabulary.load(words)
    return (CheckedCaption(text, bag, check_caption(text, bag, vocabulary)) for text, bag in captions)
