"""Members of published npm packages: a single regular file from a verified tarball; nothing in it ever runs.

npm downloads the tarball, because it knows the user's registry, credentials, proxies and certificates. It neither
installs the package nor runs any script of it. npm keeps tarballs in its own cache, so that a second member of the same
package is not downloaded again.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from .base import SourceFailed, first_line, human_size

LARGEST_UNPACKED = 1024**3
"""Largest number of bytes that are unpacked in search of a member; larger packages are refused."""

NAME = re.compile(r"(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*")
VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+([+-][0-9A-Za-z.+-]+)?")


@dataclass(frozen=True, slots=True)
class NpmMember:
    """A file inside a published npm package. npm downloads the tarball without installing it; no script runs.

    Attributes:
        package: Name of the package, such as "@scope/name".
        version: Exact version.
        member: Path of the file inside the tarball, most often beginning with "package/".
        sha256: Of the tarball: 64 lower-case hexadecimal digits; it is checked before the tarball is opened.

    Raises:
        ValueError: `package` is not a plain name, `version` not an exact version, or `sha256` not of this form. Names
            and versions are strict because npm would take an address or a folder for a package, and build it.
    """

    package: str
    version: str
    member: str
    sha256: str

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.package):
            raise ValueError(f"{self.package!r} is not the name of an npm package")
        if not VERSION.fullmatch(self.version):
            raise ValueError(f"{self.version!r} is not an exact version of {self.package}, such as 1.2.3")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(
                f"the sha256 of {self.package}'s tarball must be 64 lower-case hexadecimal digits, not {self.sha256!r}"
            )

    def __str__(self) -> str:
        return f"the npm package {self.package} {self.version}"


def fetch_npm_member(source: NpmMember, folder: Path, size: int, *, exact: bool) -> Path:
    """Download the package's tarball with npm and copy a member out of it.

    Args:
        source: The package and its member.
        folder: Where the file goes, as `part`; the tarball is removed again.
        size: Exact or largest size of the member, in bytes.
        exact: Whether the size is exact.

    Returns:
        Path of the file.

    Raises:
        SourceFailed: npm is missing or fails, or the tarball has another hash or no such regular member.
        OSError: `folder` cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        tarball = _download(source, Path(scratch))
        with tarball.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != source.sha256:
            raise SourceFailed(f"the tarball's sha256 is {found}, not {source.sha256}")
        part = folder / "part"
        copy_member(tarball, source.member, part, size, exact=exact)
        return part


def copy_member(tarball: Path, member: str, to: Path, size: int, *, exact: bool) -> None:
    """Copy a regular file out of a gzipped tarball to `to`; no name in the tarball becomes a path.

    Args:
        tarball: The .tgz file.
        member: The member's name, exactly as it is in the tarball.
        to: Path of the file to write.
        size: Exact or largest size of the member, in bytes.
        exact: Whether the size is exact.

    Raises:
        SourceFailed: There is no such member, it is not a regular file, it has another size, or the tarball is damaged
            or unpacks to too much.
        OSError: `to` cannot be written.
    """
    try:
        # As a stream: reading stops at the member, and the bytes unpacked on the way are counted.
        with _Counted(tarball) as raw, tarfile.open(fileobj=raw, mode="r|") as archive:
            info = next((info for info in archive if info.name == member), None)
            if info is None:
                raise SourceFailed(f"the tarball has no {member}")
            if info.type not in {tarfile.REGTYPE, tarfile.AREGTYPE}:
                raise SourceFailed(f"{member} is not a regular file in the tarball")
            if exact and info.size != size:
                raise SourceFailed(f"{member} has {info.size} bytes, not {size}")
            if info.size > size:
                raise SourceFailed(f"{member} would unpack to {human_size(info.size)}")
            content = archive.extractfile(info)
            if content is None:  # only if it is not a regular file
                raise SourceFailed(f"{member} is not a regular file in the tarball")
            with content, to.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceFailed(f"the tarball is damaged: {first_line(error)}") from error


class _Counted(gzip.GzipFile):
    """A gzipped file that fails after LARGEST_UNPACKED bytes: a small tarball may unpack to anything."""

    _read = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self._read += len(content)
        if self._read > LARGEST_UNPACKED:
            raise SourceFailed(f"the tarball unpacks to more than {human_size(LARGEST_UNPACKED)}")
        return content


def _download(source: NpmMember, scratch: Path) -> Path:
    """Let npm download the package's tarball into `scratch`, from the registry that the user's npm is set to."""
    npm = shutil.which("npm")
    if npm is None:
        raise SourceFailed(
            "needs npm, which is not on the PATH: install Node.js, or extract "
            f"{source.member} from the package's tarball on another machine"
        )
    command = [npm, "pack", "--ignore-scripts", "--prefer-offline", "--loglevel=error", f"--pack-destination={scratch}"]
    command.append(f"{source.package}@{source.version}")
    # Few retries: with npm's own settings, a blocked network costs minutes per file.
    environment = {"npm_config_fetch_retries": "1"} | os.environ
    done = subprocess.run(  # noqa: S603
        command, env=environment, cwd=scratch, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    tarballs = list(scratch.glob("*.tgz"))
    if done.returncode == 0 and len(tarballs) == 1:
        return tarballs[0]
    lines = [re.sub(r"^npm (error|ERR!)", "", line).strip() for line in done.stderr.splitlines()]
    said = [line for line in lines if line]
    if any(line in {"code ENOSPC", "code EDQUOT"} for line in said):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    reasons = [line for line in said if not re.match(r"(code|errno|syscall|path) |A complete log", line)]
    raise SourceFailed(f"npm: {reasons[0] if reasons else f'exit code {done.returncode}'}")
