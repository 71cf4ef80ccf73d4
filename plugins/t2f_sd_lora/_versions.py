"""Explain errors of the libraries that come from versions which do not fit each other."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from importlib import metadata
from types import TracebackType

from text2face_core.errors import PluginError, Text2FaceError

from ._settings import PACKAGES

MISMATCH = re.compile(r"version of \w+ you|[\w-]+ ?[<>=!~]=|incompatible|failed to import|cannot import", re.IGNORECASE)
"""What diffusers, transformers, peft and accelerate write when another package is too old or too new for them."""
FIX = "pip install --upgrade --upgrade-strategy eager 'text2face[train]'"


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Raise PluginError, with the versions and what to do, where a library refuses the version of another one.

    doing: what fails, as in "attach the LoRA". Other errors pass.
    """
    try:
        yield
    except Text2FaceError:
        raise
    except (ImportError, ValueError, RuntimeError) as error:
        if not isinstance(error, ImportError) and not MISMATCH.search(str(error)):
            raise
        raise PluginError(mismatch(error, doing)) from error


def mismatch(error: Exception, doing: str) -> str:
    """The message: which library says what, the versions that are installed, and how to get ones that fit."""
    library = _library(error.__traceback__)
    says = f"{library} says" if library else "the reason is"
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    text = str(error).strip().rstrip(".")
    return (
        f"sd_lora cannot {doing}, because installed packages do not fit each other; {says}: {text}. Installed are "
        f"{versions}. Install versions that do: {FIX} (t2f doctor shows what each of them requires)"
    )


def _library(traceback: TracebackType | None) -> str:
    """The package of the innermost function that belongs to one of ours to watch."""
    found = ""
    while traceback:
        package = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        found = package if package in PACKAGES else found
        traceback = traceback.tb_next
    return found and f"{found} {_version(found)}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(missing)"
