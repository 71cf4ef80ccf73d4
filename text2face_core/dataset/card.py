"""The data set's card: what it is, how it was made, and what it must not be mistaken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..utils import environment

if TYPE_CHECKING:
    from ..run import RunDirectory


def render_card(
    run: RunDirectory,
    count: int,
    *,
    usage: str,
    pictures: bool,
    names_sources: bool = False,
    whole_run: bool = False,
    format: str = "",  # noqa: A002  the word of the command line
) -> str:
    """The card as Markdown.

    Args:
        run: The run that the data set comes from.
        count: Photos in the data set.
        usage: How to open it.
        pictures: Whether it holds crops.
        names_sources: Whether it says where photos were read from.
        whole_run: Whether photos without captions are in it too.
        format: Format of an export; empty for the run's own data set.
    """
    template = environment("modelcard").get_template("dataset.md.j2")
    text = template.render(
        count=count,
        settings=run.settings,
        recipe=run.settings.get("recipe", {}),
        usage=usage,
        pictures=pictures,
        names_sources=names_sources,
        whole_run=whole_run,
        format=format,
    )
    return text + "\n"
