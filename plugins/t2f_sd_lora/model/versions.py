"""Explain errors of the libraries that come from incompatible versions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from importlib import metadata
from types import TracebackType

from text2face_core.errors import PluginError, Text2FaceError
from text2face_core.utils import install_command

PACKAGES = ("torch", "diffusers", "transformers", "peft", "accelerate", "safetensors", "numpy")

MISMATCH = re.compile(r"version of \w+ you|[\w-]+ ?[<>=!~]=|incompatible|failed to import|cannot import", re.IGNORECASE)
"""What diffusers, transformers, peft and accelerate write when another package is too old or too new for them."""


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Raise PluginError, with the versions and what to do, when a library refuses the version of another library.

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
    """The message: the library and its reason, the installed versions, and how to get compatible versions."""
    library = _library(error.__traceback__)
    says = f"{library} says" if library else "the reason is"
    versions = ", ".join(f"{name} {version_of(name)}" for name in PACKAGES)
    text = str(error).strip().rstrip(".")
    return (
        f"sd_lora cannot {doing}, because installed packages do not fit each other; {says}: {text}. Installed are "
        f"{versions}. Install versions that do: {install_command('train', upgrade=True)} "
        "(t2f doctor shows what each of them requires)"
    )


def _library(traceback: TracebackType | None) -> str:
    """The watched package of the innermost function in a traceback."""
    found = ""
    while traceback:
        package = str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        found = package if package in PACKAGES else found
        traceback = traceback.tb_next
    return found and f"{found} {version_of(found)}"


def version_of(name: str) -> str:
    """The installed version; a word in brackets when the package is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(missing)"
