"""Shared by several verbs: logging, the plugins in use, common options."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from ..models import Artifact, ModelStore
    from ..plugins import Plugins
    from ..recipe import Recipe

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
accept_option: Callable[[Any], Any] = click.option(
    "--accept-licence",
    "accept",
    multiple=True,
    metavar="NAME",
    help="Licence to accept, by model file, once; needed if it excludes commercial use.",
)
trust_option: Callable[[Any], Any] = click.option(
    "--trust",
    is_flag=True,
    help="Allow the servers, files, key variables and outside plugins that the recipe file or run names; remembered.",
)


CORE = "text2face_core"


def quiet_of(ctx: click.Context) -> bool:
    """Whether --quiet was given."""
    return bool((ctx.find_root().obj or {}).get("quiet"))


@contextlib.contextmanager
def resumable(*, show: bool = True) -> Iterator[None]:
    """Say, if the work inside is interrupted, that the same command resumes it."""
    try:
        yield
    except KeyboardInterrupt:
        if show:
            click.echo("t2f: stopped; the same command resumes from here", err=True)
        raise


class _OnScreen(logging.Formatter):
    """Messages as they can be printed on any terminal."""

    def format(self, record: logging.LogRecord) -> str:
        from ..utils import printable

        return printable(super().format(record))


def set_up_logging(ctx: click.Context, verbose: int, *, quiet: bool, log_file: str | None) -> None:
    """Send messages of the core to stderr as `t2f: …`, and all of them to the log file with time and place."""
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
    screen.setFormatter(_OnScreen("t2f: %(message)s"))
    handlers: list[logging.Handler] = [screen]
    if log_file:
        try:
            file = logging.FileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise click.BadParameter(
                f"{log_file} cannot be written: {error.strerror}", param_hint="--log-file"
            ) from error
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(file)
        ctx.call_on_close(file.close)
    _hear(CORE, handlers)


def plugins_of(ctx: click.Context) -> Plugins:
    """The plugins that this command may use; their log messages go where the core's go."""
    from ..plugins import Plugins

    plugins = Plugins.load(builtin_only=bool((ctx.find_root().obj or {}).get("no_plugins")))
    for package in plugins.packages():
        _hear(package, logging.getLogger(CORE).handlers)
    return plugins


def _hear(package: str, handlers: Sequence[logging.Handler]) -> None:
    logger = logging.getLogger(package)
    logger.handlers[:] = handlers
    logger.setLevel(logging.DEBUG)
    logger.propagate = False


def store_of(ctx: click.Context, accept: tuple[str, ...] = (), *, offline: bool | None = None) -> ModelStore:
    """The model store, which reports on stderr what it fetches."""
    from ..models import ModelStore

    return ModelStore(
        accept=accept, offline=offline, say=None if quiet_of(ctx) else lambda text: click.echo(text, err=True)
    )


def settle_trust(
    written: Recipe, used: Recipe, plugins: Plugins, where: Path | None, *, trust: bool, ctx: click.Context
) -> Recipe:
    """`used`, if the user has allowed what the file at `where` makes it reach; None is a recipe of text2face's own.

    Raises UntrustedError if not.
    """
    from ..trust import require_trust

    if where is not None:
        quiet = bool((ctx.find_root().obj or {}).get("quiet"))
        say = None if quiet else lambda text: click.echo(f"t2f: {text}", err=True)
        require_trust(written, used, plugins, where, trust=trust, say=say)
    return used


def describe_artifact(artifact: Artifact, store: ModelStore) -> dict[str, Any]:
    """One model file for a listing, as plain data that JSON can hold."""
    return {
        "name": artifact.name,
        "size": artifact.size,
        "approximate_size": artifact.approximate_size,
        "shown_size": artifact.shown_size,
        "licence": artifact.licence,
        "licence_url": artifact.licence_url,
        "non_commercial": artifact.non_commercial,
        "sha256": artifact.sha256,
        "sources": [str(source) for source in artifact.sources],
        "note": artifact.note,
        "present": store.find(artifact) is not None,
        "path": str(store.place(artifact)),
    }
