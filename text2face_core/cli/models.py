"""`t2f models`: model files, their licences and their places."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from .common import (
    accept_option,
    describe_artifact,
    json_option,
    plugins_of,
    settle_trust,
    store_of,
    trust_option,
)

if TYPE_CHECKING:
    from ..models import Artifact, ModelStore
    from ..plugins import Plugins, Registered

Declared = dict[str, "tuple[Artifact, list[str]]"]


@click.group()
def models() -> None:
    """Model files: list, fetch, find and check them.

    Files are fetched when a run first needs them; the licence is shown and the sha256 checked. They are kept in one
    folder, the user's cache folder unless T2F_MODELS names another. With T2F_OFFLINE=1 nothing is fetched: what is
    missing can be put into that folder by hand, under the name that `t2f models list` shows.
    """


@models.command("list")
@json_option
@click.pass_context
def list_models(ctx: click.Context, as_json: bool) -> None:
    """List every model file that built-in plugins may need, and whether it is here.

    Plugins from outside are not imported for this: t2f plugins show NAME lists a plugin's files.
    """
    store = store_of(ctx)
    plugins = plugins_of(ctx)
    declared = artifacts_of(plugins, plugins.known_components()).values()
    rows = [{**describe_artifact(artifact, store), "used_by": users} for artifact, users in declared]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _print_table(rows, store)
    for name in (row.found.name for row in plugins.listing() if row.status == "available" and not row.imported):
        text = f"t2f: the plugin {name} is from outside and is not imported for this list: t2f plugins show {name}"
        click.echo(text, err=True)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--recipe", metavar="NAME|FILE", help="Fetch what this recipe needs.")
@click.option("--all", "everything", is_flag=True, help="Fetch what any installed plugin may need.")
@accept_option
@trust_option
@click.pass_context
def pull(
    ctx: click.Context,
    /,
    names: tuple[str, ...],
    recipe: str | None,
    everything: bool,
    accept: tuple[str, ...],
    trust: bool,
) -> None:
    """Fetch model files now, so that later runs need no network.

    NAME is a model file, a plugin or a component. The path of each file is printed.

    \b
    t2f models pull --recipe starter
    t2f models pull farl
    t2f models pull buffalo_l.zip --accept-licence buffalo_l.zip
    """
    from ..errors import ArtifactError

    if not names and not recipe and not everything:
        raise click.UsageError("name what to fetch: model files or plugins, --recipe NAME, or --all")
    plugins = plugins_of(ctx)
    wanted = _select(plugins, names)
    if recipe:
        wanted |= _of_recipe(ctx, plugins, recipe, trust=trust)
    if everything:
        wanted |= _artifacts(artifacts_of(plugins))
    check_accepted(plugins, accept)
    store = store_of(ctx, accept)
    if line := _to_fetch([artifact for artifact in wanted.values() if store.find(artifact) is None]):
        click.echo(line, err=True)
    failures = []
    for artifact in wanted.values():
        try:
            click.echo(store.path(artifact))
        except ArtifactError as error:
            failures.append(error)
    _raise_all(failures)


@models.command()
@click.argument("name")
@click.pass_context
def path(ctx: click.Context, name: str) -> None:
    """Print where model files lie; nothing is fetched. NAME is a model file, a plugin or a component."""
    from ..errors import ArtifactError

    store = store_of(ctx)
    failures = []
    for artifact in _select(plugins_of(ctx), [name]).values():
        found = store.find(artifact)
        if found is None:
            failures.append(ArtifactError(f"{artifact} is not here. Fetch it with: t2f models pull {artifact.name}"))
        else:
            click.echo(found)
    _raise_all(failures)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.pass_context
def verify(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Read model files whole and compare their sha256 with what was declared.

    Without a NAME, everything that is here is checked. A file that fails is fetched again when it is next needed.
    """
    from ..errors import ArtifactError

    plugins = plugins_of(ctx)
    store = store_of(ctx)
    failures = []
    for artifact in (_select(plugins, names) if names else _artifacts(artifacts_of(plugins))).values():
        verdict = store.verify(artifact)
        if verdict.state == "good":
            click.echo(f"good     {artifact.name}  {verdict.sha256}")
        elif verdict.state == "wrong":
            click.echo(f"wrong    {artifact.name}  {verdict.sha256}")
            failures.append(ArtifactError(f"{verdict.path} is not {artifact.name}: {verdict.wrong}"))
        else:
            click.echo(f"missing  {artifact.name}")
            if names:
                failures.append(
                    ArtifactError(f"{artifact} is not here. Fetch it with: t2f models pull {artifact.name}")
                )
    _raise_all(failures)


def artifacts_of(plugins: Plugins, components: Iterable[Registered] | None = None) -> Declared:
    """Every declared model file by name, with the names of the components that may need it.

    components: only their files; by default those of all plugins, which are imported for it.
    The core's own stand under "captions". Raises PluginError if two components mean different files by the same name.
    """
    from ..errors import PluginError
    from ..language import MERGES

    declared: Declared = {MERGES.name: (MERGES, ["captions"])}
    for registered in plugins.components() if components is None else components:
        component = registered.component
        for artifact in component.artifacts:
            known, users = declared.setdefault(artifact.name, (artifact, []))
            if (known.sha256 or known) != (artifact.sha256 or artifact):
                raise PluginError(
                    f"{users[0]} and {component.name} both declare a model file {artifact.name}, but differently"
                )
            if component.name not in users:
                users.append(component.name)
    return dict(sorted(declared.items()))


def check_accepted(plugins: Plugins, names: Sequence[str]) -> None:
    """Raises UsageError for a name in --accept-licence that is neither a model file's nor a licence's."""
    from ..utils import did_you_mean

    def known(declared: Declared) -> set[str]:
        return {one.casefold() for file, (artifact, _) in declared.items() for one in (file, artifact.licence)}

    if {name.casefold() for name in names} <= known(artifacts_of(plugins, plugins.known_components())):
        return
    declared = artifacts_of(plugins)
    for name in names:
        if name.casefold() not in known(declared):
            raise click.BadParameter(
                f'no model file is called "{name}".{did_you_mean(name, declared)} All names: t2f models list',
                param_hint="--accept-licence",
            )


def _select(plugins: Plugins, names: Iterable[str]) -> dict[str, Artifact]:
    """The files meant by names of files, components or plugins."""
    from ..errors import ArtifactError

    selected: dict[str, Artifact] = {}
    for name in names:
        origin = plugins.origin(name)
        if origin is not None and origin.outside:
            plugins.components(origin.name)  # imports that one
        meant = _named(name, artifacts_of(plugins, plugins.known_components()))
        if not meant:  # a file of a plugin from outside, or of none
            declared = artifacts_of(plugins)
            meant = _named(name, declared)
            if not meant:
                raise ArtifactError(_unknown(name, declared))
        selected |= meant
    return selected


def _named(name: str, declared: Declared) -> dict[str, Artifact]:
    """The files that are called so, or that a component or plugin of that name may need."""
    return {
        key: artifact
        for key, (artifact, users) in declared.items()
        if name in {key, *users, *(user.partition(".")[0] for user in users)}
    }


def _of_recipe(ctx: click.Context, plugins: Plugins, recipe: str, *, trust: bool) -> dict[str, Artifact]:
    from ..recipe import Recipe

    written = Recipe.load(recipe)
    settle_trust(written, written, plugins, Recipe.file_of(recipe), trust=trust, ctx=ctx)
    return written.resolve(plugins).artifacts()


def _artifacts(declared: Declared) -> dict[str, Artifact]:
    return {name: artifact for name, (artifact, _) in declared.items()}


def _unknown(name: str, declared: Declared) -> str:
    import difflib

    known = {*declared, *(user for _, users in declared.values() for user in users)}
    near = difflib.get_close_matches(name, known, n=1)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    return f'no model file, and no plugin that needs one, is called "{name}".{hint} All names: t2f models list'


def _print_table(rows: Sequence[dict[str, Any]], store: ModelStore) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # One line a file where another program reads the table.
    console = Console(width=None if sys.stdout.isatty() else 500)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("model file", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for title in ("hash", "licence", "used by", "here"):
        table.add_column(title)
    for row in rows:
        hash_ = "stated" if row["sha256"] else "first use"
        licence = row["licence"] + (", non-commercial" if row["non_commercial"] else "")
        cells = (row["name"], row["shown_size"], hash_, licence, ", ".join(row["used_by"]))
        table.add_row(*map(Text, cells), "yes" if row["present"] else "no")
    console.print(table)
    console.print(Text(f"in {store.folder}"), soft_wrap=True)


def _to_fetch(missing: Sequence[Artifact]) -> str:
    """How much will be fetched, and for how many files no publisher states a hash; empty if nothing is missing."""
    from ..models import human_size

    if not missing:
        return ""
    unknown = sum(artifact.planned_size is None for artifact in missing)
    size = f"about {human_size(sum(artifact.planned_size or 0 for artifact in missing))}"
    size += f" and {unknown} of unknown size" if unknown else ""
    unstated = [artifact.name for artifact in missing if artifact.sha256 is None]
    trusted = f"; no publisher states a hash for {len(unstated)} of them: trusted on first use" if unstated else ""
    return f"{len(missing)} file(s) to fetch, {size}{trusted}"


def _raise_all(failures: Sequence[Exception]) -> None:
    """Raise what went wrong, after everything that could be done was done."""
    from ..errors import ArtifactError

    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ArtifactError("\n".join(str(failure) for failure in failures))
