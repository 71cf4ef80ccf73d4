"""What the user has allowed: sets of reaches, remembered by their hash in the user's configuration folder."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RunError, UntrustedError
from ..utils import fingerprint, replacing
from .reaches import Kind, Reach, find_reaches

if TYPE_CHECKING:
    from ..plugins import Plugins
    from ..recipe import Recipe

log = logging.getLogger(__name__)

_WORDS: dict[Kind, str] = {
    "server": "a server, which is sent prompts and, if the plugin does so, photos",
    "file": "a file or folder that is read or written",
    "variable": "an environment variable, whose value is sent to the server as the key",
    "model": "a model that is loaded, from the Hugging Face hub or from a folder",
    "plugin": "a plugin that does not come with text2face",
}


def require_trust(
    written: Recipe,
    used: Recipe,
    plugins: Plugins,
    where: str | Path,
    *,
    trust: bool = False,
    may_import: bool = True,
    say: Callable[[str], None] | None = None,
) -> None:
    """Check that the user allowed what a recipe file or a run makes text2face reach; call it before `used` is resolved.

    A run that was made on this machine, and what was allowed once, is not asked about again.

    Args:
        written: The recipe as the file has it.
        used: The same after the user's options in the command: a value that was replaced reaches nothing any more.
        plugins: The plugins of this process. One from outside is not imported before it is allowed.
        where: The file, for messages.
        trust: Whether the user allows all of it now; it is then remembered.
        may_import: Whether plugins from outside that were allowed before may be imported, to read what their options
            reach.
        say: Receives what was allowed, line by line.

    Raises:
        UntrustedError: The file reaches out and was not allowed to, or it names an environment variable that no plugin
            lists as a variable with a key.
    """
    known = _remembered()
    importable = None if trust else {reach for one in known for reach in one if reach.kind == "plugin" and may_import}
    wanted = find_reaches(written, plugins, may_import=importable) & find_reaches(used, plugins, may_import=importable)
    if never := sorted(reach for reach in wanted if reach.forbidden):
        raise UntrustedError(
            f"{where} wants the value of an environment variable sent as a key, and the plugin does not list that "
            f"variable as one that holds a key:\n{_listed(never)}\nName another with --set {never[0].name}=NAME"
        )
    if any(wanted <= one for one in known) or not wanted:
        return
    if not trust:
        raise UntrustedError(
            f"{where} reaches outside of text2face, and you have not allowed that yet:\n{_listed(sorted(wanted))}\n"
            "If you want all of this, give the same command once with --trust; otherwise set other values with --set"
        )
    (say or log.info)(f"allowed for {where}, and remembered in {_file()}:\n{_listed(sorted(wanted))}")
    _remember(wanted, where)


def record_own(recipe: Recipe, plugins: Plugins, run: Path) -> None:
    """Remember that the user made this run, so that what it reaches is not asked about later."""
    wanted = find_reaches(recipe, plugins)
    if wanted and not any(wanted <= one for one in _remembered()):
        _remember(wanted, run)


def _listed(reaches: Iterable[Reach]) -> str:
    return "\n".join(
        f"  {_shown(reach.name)}{f' = {_shown(reach.value)}' if reach.option else ''}: {_WORDS[reach.kind]}"
        f"{f' ({_shown(reach.value)})' if not reach.option else ''}"
        for reach in reaches
    )


def _shown(text: str) -> str:
    """The text without anything that a terminal obeys."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _file() -> Path:
    from platformdirs import user_config_path

    given = os.environ.get("T2F_CONFIG")
    return (Path(given) if given else user_config_path("text2face", appauthor=False)) / "trusted.json"


def _remembered() -> list[frozenset[Reach]]:
    """Sets that were allowed together. A damaged file allows nothing."""
    try:
        kept = json.loads(_file().read_text(encoding="utf-8"))
        sets = {key: frozenset(Reach(*one) for one in entry["reaches"]) for key, entry in kept.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []
    return [one for key, one in sets.items() if key == _key(one)]


def _key(reaches: Iterable[Reach]) -> str:
    return fingerprint(_plain(reaches))


def _plain(reaches: Iterable[Reach]) -> list[list[str]]:
    return [[one.component, one.option, one.kind, one.value] for one in sorted(reaches)]


def _remember(reaches: frozenset[Reach], where: str | Path) -> None:
    from filelock import FileLock

    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            kept = {}
            with contextlib.suppress(OSError, ValueError):
                kept = json.loads(path.read_text(encoding="utf-8"))
            kept[_key(reaches)] = {"for": str(where), "reaches": _plain(reaches)}
            with replacing(path) as temporary:
                temporary.touch(mode=0o600)
                temporary.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    except (OSError, RunError) as error:
        log.warning("%s cannot be written, so it is not remembered what you allowed: %s", path, error)
