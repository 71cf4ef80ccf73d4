"""Replace a folder as a whole: it is complete or absent, and only folders that we made are ever removed."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RunError
from .atomic import explain, sync_folder

if TYPE_CHECKING:
    from filelock import BaseFileLock

MARKER = ".text2face-unfinished"
"""A file in every folder that is being written. A folder next to the target is removed only if it has the marker."""


@contextlib.contextmanager
def replacing_folder(target: Path, check: Callable[[Path], None], is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Hand out an empty folder next to `target`, which takes its place on success and is removed on any error.

    A process that is killed leaves the folder behind under a name of its own, and the next call for the same target
    removes it. If it was killed between the two renames that replace `target`, the earlier content is put back.

    Args:
        target: Absolute path of the folder to write. Its parent is made if it is missing.
        check: Called with `target` before anything is written; raises if what is there must not be replaced.
        is_ours: Whether a folder holds what an earlier call wrote. No other content is ever removed.

    Raises:
        RunError: Another process is writing to `target`, or it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(_lock(target).release)
        try:
            _recover(target, is_ours)
            check(target)
            token = secrets.token_hex(8)
            temporary, earlier = (target.with_name(f".{target.name}.{token}.t2f-{kind}") for kind in ("new", "old"))
            temporary.mkdir(parents=True)
            stack.callback(shutil.rmtree, temporary, ignore_errors=True)
            (temporary / MARKER).touch()
            yield temporary
            if target.exists():
                check(target)  # files may have been put there meanwhile
                target.rename(earlier)
            temporary.rename(target)
            sync_folder(target.parent)
            (target / MARKER).unlink()
            _remove(earlier, is_ours)
        except OSError as error:
            raise RunError(explain(error, target)) from error


def _remove(folder: Path, is_ours: Callable[[Path], bool]) -> None:
    """Remove what an earlier call wrote; a folder that was empty goes only if it still is."""
    if folder.is_dir():
        if is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _recover(target: Path, is_ours: Callable[[Path], bool]) -> None:
    """Remove what killed processes left for this target, and put back content that was being replaced."""
    if not target.parent.is_dir():
        return
    ours = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}\.t2f-(new|old)")
    for folder in sorted(target.parent.iterdir()):
        match = ours.fullmatch(folder.name)
        if not match or folder.is_symlink() or not folder.is_dir():
            continue
        if match[1] == "new" and (folder / MARKER).is_file():
            shutil.rmtree(folder, ignore_errors=True)
        elif match[1] == "old" and not target.exists():
            folder.rename(target)
        elif match[1] == "old":
            _remove(folder, is_ours)


def _lock(target: Path) -> BaseFileLock:
    """One lock per target, kept apart from it so that no folder of the user's gets a lock file."""
    from filelock import FileLock, Timeout
    from platformdirs import user_cache_path

    name = hashlib.blake2b(str(target).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    for folder in (
        user_cache_path("text2face", appauthor=False) / "locks",
        Path(tempfile.gettempdir()) / "text2face-locks",
    ):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{name}.lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise RunError(
                f"another process is writing {target}: wait for it, or choose another folder with --out"
            ) from error
        except OSError:
            continue
        return lock
    raise RunError(f"{target} cannot be locked: neither the cache folder nor the temporary folder can be written")
