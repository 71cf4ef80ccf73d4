"""What several verbs share: logging, the plugins in use, options that many take."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
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
    help="Accept the licence of this model file, once; needed for those that exclude commercial use.",
)
trust_option: Callable[[Any], Any] = click.option(
    "--trust",
    is_flag=True,
    help="Allow the servers, files, key variables and outside plugins that the recipe file or run names; remembered.",
)


CORE = "text2face_core"


def set_up_logging(ctx: click.Context, verbose: int, *, quiet: bool, log_file: str | None) -> None:
    """Messages of the core go to stderr as `t2f: …`; the log file gets everything with time and place."""
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
    screen.setFormatter(logging.Formatter("t2f: %(message)s"))
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
    """The plugins that this command may use; what they log goes where the core's messages go."""
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
    """The model store, saying on stderr what it fetches."""
    from ..models import ModelStore

    quiet = bool((ctx.find_root().obj or {}).get("quiet"))
    return ModelStore(accept=accept, offline=offline, say=None if quiet else lambda text: click.echo(text, err=True))


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
        "licence": artifact.licence,
        "licence_url": artifact.licence_url,
        "non_commercial": artifact.non_commercial,
        "sha256": artifact.sha256,
        "sources": [str(source) for source in artifact.sources],
        "note": artifact.note,
        "present": store.find(artifact) is not None,
        "path": str(store.place(artifact)),
    }
