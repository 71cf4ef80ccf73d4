"""Atomic replacement of a folder: it is complete or absent, and only folders of text2face are ever removed."""

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
    """Yield an empty folder next to `target`, which replaces it on success and is removed on any error.

    A killed process leaves the folder behind under a recognisable name, and the next call for the same target removes
    it. If the process was killed between the two renames that replace `target`, the earlier content is put back.

    Args:
        target: Absolute path of the folder to write. Its parent is made if it is missing.
        check: Called with `target` before anything is written; raises if the present content must not be replaced.
        is_ours: Whether an earlier call wrote a folder's content. Other content is never removed.

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
    """Remove the result of an earlier call; a folder that was empty is removed only if it is still empty."""
    if folder.is_dir():
        if is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _recover(target: Path, is_ours: Callable[[Path], bool]) -> None:
    """Remove remains of killed processes for this target, and put back content that was being replaced."""
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
    """Lock a target with a file kept elsewhere, so that the user's folders hold no lock files."""
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
