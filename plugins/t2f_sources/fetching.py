"""Photos at URLs: HTTP and HTTPS with time-outs and limits, other schemes through fsspec.

A list of URLs comes from strangers, so addresses of this machine and its network are refused unless allowed.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from pydantic import Field

from text2face_core.contracts import Options
from text2face_core.errors import BadPhoto, SourceError
from text2face_core.utils import install_command

HTTP = ("https", "http")
CLOUD = ("s3", "gs", "gcs", "hf", "az", "abfs", "memory")
"""Schemes that fsspec opens with a package of each."""
MOST_REDIRECTS = 5
PART = 1 << 16


class FetchOptions(Options):
    """Limits on photos at URLs."""

    connect_seconds: float = Field(10.0, gt=0, le=600, description="time to connect to a server")
    total_seconds: float = Field(60.0, gt=0, le=3600, description="time to fetch a photo, all tries together")
    tries: int = Field(2, ge=1, le=10, description="how often a server that does not answer is asked")
    max_bytes: int = Field(50_000_000, ge=1, description="larger photos are refused, and not read to the end")
    private_hosts: tuple[str, ...] = Field(
        (),
        description="hosts of this machine and its network that may be asked, such as localhost; others are refused",
        json_schema_extra={"reaches": "server"},
    )
    agent: str = Field("text2face", description="User-Agent header, by which servers know who asks")


def is_url(text: str) -> bool:
    """Whether a text is a URL that `fetch` takes.

    >>> is_url("https://example.org/a.jpg"), is_url("photos/a.jpg"), is_url("file:///etc/passwd")
    (True, False, False)
    """
    return text.partition("://")[0].lower() in {*HTTP, *CLOUD} and "://" in text


def fetch(url: str, max_bytes: int, options: FetchOptions) -> bytes:
    """Read the bytes at a URL.

    Raises:
        BadPhoto: It cannot be read, is too large or too slow; the text is the reason recorded for it.
        SourceError: A package that its scheme needs is not installed.
    """
    limit = min(max_bytes, options.max_bytes)
    if url.partition("://")[0].lower() not in HTTP:
        return _from_cloud(url, limit)
    end = time.monotonic() + options.total_seconds
    for left in reversed(range(options.tries)):
        try:
            return _from_web(url, limit, options, end)
        except _TryAgain as error:
            if not left or time.monotonic() >= end:
                raise BadPhoto(f"unreadable: {error}") from error
    raise AssertionError(options.tries)


class _TryAgain(Exception):
    """The server may answer the next time."""


def _from_web(url: str, limit: int, options: FetchOptions, end: float) -> bytes:
    import requests
    import urllib3

    for _ in range(MOST_REDIRECTS):
        _check_host(url, options)
        left = end - time.monotonic()
        if left <= 0:
            raise BadPhoto(f"unreadable: the server was too slow (the limit is {options.total_seconds:g} seconds)")
        try:
            with requests.get(
                url,
                headers={"User-Agent": options.agent},
                timeout=(min(left, options.connect_seconds), left),
                allow_redirects=False,
                stream=True,
            ) as answer:
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["location"])
                    if urlsplit(url).scheme not in HTTP:
                        raise BadPhoto(f"unreadable: the server points to {url!r:.100}")
                    continue
                if answer.status_code >= 500 or answer.status_code == 429:
                    raise _TryAgain(f"the server answers {answer.status_code}")
                if answer.status_code != 200:
                    raise BadPhoto(f"unreadable: the server answers {answer.status_code}")
                return _content(answer, limit, options, end)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError, ValueError) as error:
            raise BadPhoto("unreadable: not a valid URL") from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _TryAgain(f"the server does not answer ({type(error).__name__})") from error
    raise BadPhoto(f"unreadable: more than {MOST_REDIRECTS} redirects")


def _content(answer: Any, limit: int, options: FetchOptions, end: float) -> bytes:
    stated = answer.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limit:
        raise BadPhoto(f"too large: {int(stated) / 1e6:.0f} MB (the limit is {limit / 1e6:g} MB)")
    parts, size = [], 0
    for part in _parts(answer):
        size += len(part)
        if size > limit:
            raise BadPhoto(f"too large: over {limit / 1e6:g} MB")
        if time.monotonic() > end:
            raise BadPhoto(f"unreadable: the server was too slow (the limit is {options.total_seconds:g} seconds)")
        parts.append(part)
    return b"".join(parts)


def _parts(answer: Any) -> Iterator[bytes]:
    """What has arrived, without waiting for a whole part: a server may send a byte a second."""
    if not hasattr(answer.raw, "read1"):  # urllib3 1
        yield from answer.iter_content(1024)
        return
    while part := answer.raw.read1(PART, decode_content=True):
        yield part


def _check_host(url: str, options: FetchOptions) -> None:
    """Refuse addresses that are not of the public internet."""
    try:
        host = urlsplit(url).hostname or ""
        if host in options.private_hosts:
            return
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except (OSError, ValueError) as error:
        raise BadPhoto(f"unreadable: there is no host as in {url!r:.100}") from error
    for address in found:
        if not ipaddress.ip_address(str(address).partition("%")[0]).is_global:
            raise BadPhoto(f"refused: {host} is an address of a private network (fetch.private_hosts may allow it)")


def _from_cloud(url: str, limit: int) -> bytes:
    with open_fsspec(url) as file:
        try:
            content: bytes = file.read(limit + 1)
        except Exception as error:
            raise BadPhoto(f"unreadable: {type(error).__name__}: {error}") from error
    if len(content) > limit:
        raise BadPhoto(f"too large: over {limit / 1e6:g} MB")
    return content


def open_fsspec(url: str) -> Any:
    """Open a URL with fsspec, for reading.

    Raises:
        SourceError: fsspec, or what it needs for this scheme, is not installed.
        BadPhoto: The file cannot be opened.
    """
    fsspec = import_fsspec()
    try:
        return fsspec.open(url, "rb").open()
    except ImportError as error:
        raise SourceError(f"{url.partition('://')[0]}:// addresses need another package: {error}") from error
    except Exception as error:
        raise BadPhoto(f"unreadable: {type(error).__name__}: {error}") from error


def import_fsspec() -> Any:
    """Import fsspec. Raises SourceError with the command that installs it."""
    try:
        import fsspec
    except ImportError as error:
        raise SourceError(f"these addresses need fsspec, which is not installed: {install_command('urls')}") from error
    return fsspec
