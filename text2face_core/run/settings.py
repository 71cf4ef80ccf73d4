"""run.toml with its checksum and its copy, which reveal damage and edits by hand.

The first line of run.toml is a comment with the checksum of the rest. run.toml.copy has the same content. A run.toml of
an older release has neither, and is accepted as it is.
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from typing import Any, Literal

from ..errors import DamagedFile, RunError
from ..utils import parse_toml, write_text

log = logging.getLogger(__name__)

State = Literal["sound", "unsigned", "edited", "damaged"]

_FIRST_LINE = re.compile(r"# checksum of the lines below: ([0-9a-f]{32})\n")


class SettingsFile:
    """run.toml at `path`, and its copy next to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.copy = path.with_name(f"{path.name}.copy")

    def read(self) -> dict[str, Any]:
        """Read the settings; an edited file is used with a warning.

        Raises:
            DamagedFile: The file is damaged.
            RunError: It cannot be read.
        """
        content = _content(self.path)
        state, run = self.judge(content), self.path.parent
        if state == "damaged":
            raise DamagedFile(
                f"{self.path} is damaged: {self._damage(content)}. To restore it: t2f repair {run} (if you edited "
                f"it yourself, keep the edit with: t2f repair {run} --keep-edits)"
            )
        if state == "edited":
            log.warning(
                "%s was edited after text2face wrote it, and is used as it is now. To accept the edit: "
                "t2f repair %s --keep-edits; to undo it: t2f repair %s",
                *(self.path, run, run),
            )
        return parse_toml(content)

    def write(self, text: str) -> None:
        """Replace the file, unless it has the same content already."""
        signed = _sign(text)
        for path in (self.copy, self.path):  # in this order a killed process leaves a run.toml with its checksum
            if not path.is_file() or _content(path) != signed.encode():
                write_text(path, signed)

    def judge(self, content: bytes) -> State:
        """Compare the content with its checksum and the copy.

        "damaged": it is not valid TOML, or a single bit was flipped; "edited": it differs in another way.
        """
        try:
            text = content.decode()
            parse_toml(text)
        except ValueError:
            return "damaged"
        if _is_sound(text):
            return "sound"
        if (kept := self.kept()) is not None:
            return "damaged" if _flipped_bits(content, kept.encode()) == 1 else "edited"
        return "edited" if _FIRST_LINE.match(text) else "unsigned"

    def kept(self) -> str | None:
        """The content of the copy; None if no copy has a correct checksum."""
        try:
            text = _content(self.copy).decode()
        except (RunError, UnicodeDecodeError):
            return None
        return text if _is_sound(text) else None

    def accept(self) -> bool:
        """Give the file in its current state a new checksum and copy, and return whether it is valid TOML."""
        try:
            text = _content(self.path).decode()
            parse_toml(text)
        except ValueError:
            return False
        stated = _FIRST_LINE.match(text)
        self.write(text[stated.end() :] if stated else text)
        return True

    def _damage(self, content: bytes) -> str:
        kept = self.kept()
        if kept is not None and _flipped_bits(content, kept.encode()) == 1:
            pairs = enumerate(zip(content, kept.encode(), strict=True), 1)
            return f"one bit of byte {next(place for place, (a, b) in pairs if a != b)} is flipped"
        try:
            parse_toml(content)
        except ValueError as error:
            return str(error)
        return "its checksum is wrong"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes().replace(b"\r\n", b"\n")
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error


def _sign(text: str) -> str:
    return f"# checksum of the lines below: {_checksum(text)}\n{text}"


def _is_sound(text: str) -> bool:
    stated = _FIRST_LINE.match(text)
    return stated is not None and stated[1] == _checksum(text[stated.end() :])


def _checksum(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _flipped_bits(one: bytes, other: bytes) -> int:
    """How many bits differ; -1 for contents of different lengths."""
    if len(one) != len(other):
        return -1
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()
