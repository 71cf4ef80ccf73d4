"""Find, select and build plugins.

Names are read from entry points without importing anything; a plugin is imported when it is used, and its heavy
packages only when a component is built.
"""

from __future__ import annotations

import difflib
import importlib.util
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

from .. import hookspecs
from ..contracts import (
    Component,
    Detector,
    Embedder,
    Extractor,
    Filter,
    Fuser,
    Metric,
    Renderer,
    Role,
    Runtime,
    Source,
    Trainer,
)
from ..errors import MissingExtra, PluginError, Text2FaceError
from ..utils import install_command
from .discovery import THIS_PROCESS, DiscoveredPlugin, discover
from .tracing import attach_trace, enabled, traced

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

ROLES: tuple[Role, ...] = get_args(Role)
SINGLE: frozenset[Role] = frozenset({"detector", "fuser", "trainer"})
BASES: Mapping[Role, tuple[type, ...]] = {
    "source": (Source,),
    "detector": (Detector,),
    "filter": (Filter,),
    "extractor": (Extractor,),
    "fuser": (Fuser,),
    "trainer": (Trainer,),
    "renderer": (Renderer,),
    "metric": (Metric, Embedder),
}


@dataclass(frozen=True, slots=True)
class Registered:
    """A component with its role and the plugin that offers it."""

    kind: Role
    component: Component
    plugin: DiscoveredPlugin

    @property
    def name(self) -> str:
        """The component's name."""
        return self.component.name


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin as listed; `error` is the reason why it cannot be used, if any.

    imported: whether its components are known; else it is an outside plugin of which only the metadata were read.
    """

    found: DiscoveredPlugin
    status: Literal["available", "disabled", "replaced", "broken"]
    components: tuple[Registered, ...] = ()
    error: str = ""
    imported: bool = True


class Plugins:
    """The plugins that this process may use.

    >>> plugins = Plugins.load()
    >>> plugins.component("phrasebook", "fuser").summary  # doctest: +SKIP
    'fluent captions from sentence plans, no language model'
    """

    def __init__(self, found: Iterable[DiscoveredPlugin], disabled: Iterable[DiscoveredPlugin] = ()) -> None:
        import pluggy

        self._disabled = tuple(disabled)
        self._replaced: list[DiscoveredPlugin] = []
        self._found = self._settle(found)
        self._modules: dict[str, ModuleType] = {}
        self._components: dict[str, tuple[Registered, ...]] = {}
        self._manager = pluggy.PluginManager("text2face")
        self._manager.add_hookspecs(hookspecs)
        if enabled():
            attach_trace(self._manager)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what was found; another process imports it again."""
        return Plugins, ((*self._found.values(), *self._replaced), self._disabled)

    @classmethod
    def load(cls, *, builtin_only: bool = False) -> Plugins:
        """Find the installed plugins that the environment variable T2F_LOAD_PLUGINS allows; imports nothing.

        T2F_LOAD_PLUGINS names outside plugins or their distributions: unset for all, empty for none.

        Args:
            builtin_only: Leave out every outside plugin.

        Raises:
            PluginError: Two outside plugins have the same name.
        """
        found = discover()
        allowed = None if (wanted := os.environ.get("T2F_LOAD_PLUGINS")) is None else split_names(wanted)
        if builtin_only:
            allowed = []
        if allowed is None:
            return cls(found)
        for name in allowed:
            if not any(name in {one.name, one.distribution} for one in found):
                log.warning('T2F_LOAD_PLUGINS names "%s", which is not installed', name)
        used = [one for one in found if one.builtin or one.name in allowed or one.distribution in allowed]
        return cls(used, [one for one in found if one not in used])

    def register(self, name: str, module: ModuleType | object, distribution: str = THIS_PROCESS) -> None:
        """Add a plugin without an entry point: an object with hook implementations, from a notebook or a test."""
        found = DiscoveredPlugin(name, f"{name}", distribution, "", builtin=False, load=lambda: module)
        others = [one for one in self._found.values() if (one.name, one.distribution) != (name, distribution)]
        self._found = self._settle([*others, found])
        if name in self._modules:
            self._manager.unregister(self._modules.pop(name))
            self._components.pop(name, None)

    def names(self) -> list[str]:
        """Names of the plugins, in alphabetical order; imports nothing."""
        return sorted(self._found)

    def origin(self, name: str) -> DiscoveredPlugin | None:
        """Find the plugin of a component's name, by its metadata; None if it does not exist. Imports nothing."""
        return self._found.get(name.partition(".")[0])

    def packages(self) -> set[str]:
        """Return the top-level packages that hold the plugins; imports nothing."""
        return {_top_level(found.module) for found in self._found.values()}

    def listing(self, *, import_outside: bool = False) -> list[Plugin]:
        """List every plugin with its components or its error.

        Built-in plugins are imported, without their heavy packages. Of outside plugins, only the metadata of their
        distributions are read, unless `import_outside` is true: a plugin that is merely installed executes nothing.
        """
        rows = []
        for name in self.names():
            found = self._found[name]
            try:
                if import_outside or self._is_known(found):
                    rows.append(Plugin(found, "available", self.components(name)))
                elif _is_installed(top := _top_level(found.module)):
                    rows.append(Plugin(found, "available", imported=False))
                else:
                    why = f'the plugin "{name}" from {found.label} cannot be imported: no module is called {top}'
                    rows.append(Plugin(found, "broken", error=why, imported=False))
            except PluginError as error:
                rows.append(Plugin(found, "broken", error=str(error)))
        return rows + self._replaced_or_disabled()

    def _replaced_or_disabled(self) -> list[Plugin]:
        replaced = [Plugin(found, "replaced", imported=False) for found in self._replaced]
        return replaced + [Plugin(found, "disabled", imported=False) for found in self._disabled]

    def _is_known(self, found: DiscoveredPlugin) -> bool:
        """Whether the plugin's components are known, or may be found by importing it."""
        return not found.outside or found.name in self._components

    def plugin(self, name: str) -> Plugin:
        """Import a plugin and return it with its components. Raises PluginError if it is unknown or broken."""
        if name in self._found:
            return Plugin(self._found[name], "available", self.components(name))
        for row in self._replaced_or_disabled():
            if row.found.name == name:
                return row
        raise PluginError(self._unknown(name))

    def known_components(self) -> tuple[Registered, ...]:
        """List the components of built-in and already imported plugins; imports no outside plugin."""
        return tuple(one for plugin in self.listing() for one in plugin.components)

    def components(self, name: str | None = None) -> tuple[Registered, ...]:
        """List the components of a plugin; without a name, of all plugins that can be imported.

        Raises:
            PluginError: The named plugin is unknown or fails to import.
        """
        if name is None:
            return tuple(one for plugin in self.listing(import_outside=True) for one in plugin.components)
        if name not in self._components:
            self._components[name] = self._collect(name)
        return self._components[name]

    def chosen(self, names: Sequence[str]) -> dict[Role, list[str]]:
        """Resolve `--plugins a,b.c` to the names of components by role, in the order given.

        Raises:
            PluginError: A name is unknown, or a role that has a single component gets two.
        """
        picked: dict[Role, list[str]] = {}
        for name in names:
            plugin = name.partition(".")[0]
            if plugin not in self._found:
                raise PluginError(self._unknown(name))
            offered = [one for one in self.components(plugin) if name in {plugin, one.name}]
            if name == plugin and not offered:
                raise PluginError(f'the plugin "{name}" offers nothing that a run could use')
            if not offered:
                raise PluginError(self._unknown(name))
            for one in offered:
                picked.setdefault(one.kind, []).append(one.name)
        for kind, components in picked.items():
            if kind in SINGLE and len(components) > 1:
                raise PluginError(f"a run has one {kind}, and {' and '.join(components)} were named: name one of them")
        return {kind: list(dict.fromkeys(components)) for kind, components in picked.items()}

    def component(self, name: str, kind: Role) -> Registered:
        """Find a component by its name and role.

        Raises:
            PluginError: It does not exist; the message lists the choices."""
        plugin = name.partition(".")[0]
        if plugin in self._found:
            for one in self.components(plugin):
                if one.name == name and one.kind == kind:
                    return one
        raise PluginError(self._unknown(name, kind))

    def build(self, registered: Registered, options: Any, runtime: Runtime) -> Any:
        """Call the component's `build`.

        Raises:
            MissingExtra: A package is missing or does not fit the others; the message has the command that fixes it.
        """
        component = registered.component
        try:
            with traced(f"build {component.name}"):
                built = component.build(options, runtime)
        except ImportError as error:
            raise MissingExtra(_missing(registered, error)) from error
        except Text2FaceError:
            raise
        except Exception as error:
            raise PluginError(f'the plugin "{component.name}" could not be built: {error!r}') from error
        roles = BASES[registered.kind]
        if not isinstance(built, roles):
            what, wanted = type(built).__name__, " or ".join(role.__name__ for role in roles)
            raise PluginError(f'the plugin "{component.name}" built {what}, which is not a {wanted}')
        return built

    def vocabularies(self, names: Iterable[str]) -> list[Mapping[str, Any] | Path]:
        """Return the vocabularies of the plugins that offer these components."""
        behind = dict.fromkeys(name.partition(".")[0] for name in names)
        return [words for name in behind if self.components(name) for words in self._call(name, "t2f_vocabulary")]

    def _settle(self, found: Iterable[DiscoveredPlugin]) -> dict[str, DiscoveredPlugin]:
        settled: dict[str, DiscoveredPlugin] = {}
        for one in sorted(found, key=lambda one: not one.builtin):
            before = settled.get(one.name)
            if before and not before.builtin:
                raise PluginError(
                    f'two plugins are called "{one.name}": one from {before.label}, one from {one.label}. '
                    f"Uninstall one of them, or say which to use, as in T2F_LOAD_PLUGINS={one.distribution}"
                )
            if before:
                log.warning('"%s" from %s replaces the built-in plugin of that name', one.name, one.label)
                self._replaced.append(before)
            settled[one.name] = one
        return settled

    def _collect(self, name: str) -> tuple[Registered, ...]:
        found = self._found[name]
        try:
            with traced(f"import {found.module}"):
                module = found.load()
            self._manager.register(module, name)
            self._modules[name] = module
            self._manager.check_pending()
            offered = [
                Registered(kind, component, found)
                for kind in ROLES
                for components in self._call(name, f"t2f_{kind}s")
                for component in components
            ]
            _check_names(found, offered)
        except PluginError:
            self._forget(name)
            raise
        except (Exception, SystemExit) as error:  # a plugin's import may fail in any way, and must not take t2f with it
            self._forget(name)
            raise PluginError(f'the plugin "{name}" from {found.label} cannot be imported: {error!r}') from error
        return tuple(offered)

    def _forget(self, name: str) -> None:
        self._modules.pop(name, None)
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)

    def _call(self, plugin: str, hook: str) -> list[Any]:
        others = [module for name, module in self._modules.items() if name != plugin]
        results: list[Any] = self._manager.subset_hook_caller(hook, others)()
        return results

    def _unknown(self, name: str, kind: Role | None = None) -> str:
        offered = [one for one in self.known_components() if kind in {None, one.kind}]
        known = {one.name for one in offered} | {one.name for one in self._found.values() if not self._is_known(one)}
        known |= {one.plugin.name for one in offered} if kind is None else set()
        near = difflib.get_close_matches(name, known, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        lists = [
            f"{listed.capitalize()}s: {', '.join(sorted(one.name for one in offered if one.kind == listed))}"
            for listed in ROLES
            if any(one.kind == listed for one in offered)
        ]
        what = kind or "plugin"
        plugin = name.partition(".")[0]
        if any(found.name == plugin for found in self._disabled):
            return f'the plugin "{plugin}" is installed, but T2F_LOAD_PLUGINS or --no-plugins leaves it out'
        broken = [row.error for row in self.listing() if row.status == "broken" and row.found.name == name]
        return "; ".join(broken) or f'no {what} is called "{name}".{hint} {". ".join(lists)}'.strip()


def _top_level(module: str) -> str:
    """The package that holds the module of an entry point."""
    return re.split("[.:]", module)[0]


def _check_names(found: DiscoveredPlugin, offered: Sequence[Registered]) -> None:
    for one in offered:
        if one.name != found.name and not one.name.startswith(f"{found.name}."):
            raise PluginError(
                f'the plugin "{found.name}" from {found.label} offers "{one.name}"; '
                f'its components must be called "{found.name}" or "{found.name}.something"'
            )


def _missing(registered: Registered, error: ImportError) -> str:
    component, plugin = registered.component, registered.plugin
    needed = (error.name or str(error)).partition(".")[0]
    missing = isinstance(error, ModuleNotFoundError) and error.name and not _is_installed(needed)
    if component.extra:
        install = install_command(component.extra, distribution=plugin.distribution, upgrade=not missing)
    else:
        install = f"pip install {'' if missing else '--upgrade '}{needed.replace('_', '-')}"
    if missing:
        return f'the plugin "{component.name}" needs {needed}, which is not installed: {install}'
    return (
        f'the plugin "{component.name}" cannot use the packages that are installed: {str(error).strip().rstrip(".")}. '
        f"Install versions that fit each other: {install} (t2f doctor shows what each of them requires)"
    )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # without a parent or a specification
        return False


def split_names(names: str) -> list[str]:
    """Split "a, b,c" into names."""
    return [name.strip() for name in names.split(",") if name.strip()]
