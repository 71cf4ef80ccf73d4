"""HTTP exchanges with an OpenAI-compatible server; error types say whether to retry: never, not this request, later."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import math
import os
import time
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from text2face_core import __version__
from text2face_core.errors import FuserError

LARGEST_ANSWER = 16 * 2**20  # bytes
AWAY = frozenset({429, 502, 503, 504, *range(520, 531)})  # too busy, loading, restarting; 52x: a proxy cannot reach it
AGAIN = frozenset({408, 409, 425})
OUT_OF_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


class RequestRefused(Exception):
    """The server refuses this request; sending it again would not help."""


class NotNow(Exception):
    """No answer this time; sending the request again may help.

    after: seconds that the server asks to wait. away: whether the server fails independently of the request.
    """

    def __init__(self, text: str, *, after: float | None = None, away: bool = False) -> None:
        super().__init__(text)
        self.after = after
        self.away = away


class Client:
    """Connections to a server; use it in an `async with` block.

    The key is read from the environment when the block is entered, and stored only in the header it is sent in.
    """

    def __init__(self, name: str, base_url: str, key_env: str, timeout: float) -> None:
        self._name = name
        self.base_url = base_url
        self._key_env = key_env
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        key = _key(self._key_env)
        self._secret = key
        headers = {"User-Agent": f"text2face/{__version__}", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._http = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(None, connect=min(self._timeout, 10.0)),  # the whole exchange is timed below
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            verify=self.base_url.startswith("https:"),
            trust_env=not _on_this_machine(self.base_url),  # a proxy does not lead there
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._secret = ""
        await self._http.aclose()

    async def exchange(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return the answer's JSON object. Raises NotNow, RequestRefused or FuserError."""
        try:
            async with asyncio.timeout(self._timeout):
                status, headers, content = await self._send(method, path, body)
        except TimeoutError:
            raise NotNow(f"no answer within {self._name}.timeout = {self._timeout:g} s") from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            said = self._shown(_why(error))
            if "CERTIFICATE" in said.upper():
                raise FuserError(f"{self.base_url} shows a certificate that is not trusted: {said}") from None
            raise NotNow(said, away=True) from None
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise FuserError(f"{self.base_url} is not a valid address: {error}") from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise NotNow(f"the connection was cut ({self._shown(str(error)) or type(error).__name__})") from None
        if not 200 <= status < 300:
            self._explain(status, headers, self._shown(_message(content)), _code(content))
        return self._parsed(content)

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[int, httpx2.Headers, bytes | bytearray]:
        content = bytearray()
        async with self._http.stream(method, f"{self.base_url}/{path}", json=body) as response:
            async for part in response.aiter_bytes():
                content += part
                if len(content) > LARGEST_ANSWER:
                    raise NotNow(f"an answer of more than {LARGEST_ANSWER >> 20} MB")
            return response.status_code, response.headers, content

    def _explain(self, status: int, headers: httpx2.Headers, message: str, code: str) -> None:
        """Raise the error for this status."""
        said = f"{status}" + (f": {message}" if message else "")
        if code in OUT_OF_MONEY or status == 402:
            raise FuserError(f"{self.base_url} requires payment: {said}. After payment, run the same command again")
        if status in {401, 403}:
            sent = (
                f"the key in {self._key_env}" if self._secret else f"a request without key ({self._key_env} is not set)"
            )
            raise FuserError(
                f"{self.base_url} refuses {sent}: {said}. Put the right key into that environment variable, or set "
                f"{self._name}.key_env to another variable"
            )
        if status in {404, 405}:
            raise FuserError(
                f"{self.base_url} does not know this model or address: {said}. Check that {self._name}.model is one of "
                f"those listed at {self.base_url}/models, and that {self._name}.base_url is complete: most end in /v1"
            )
        if 300 <= status < 400:
            place = self._shown(_place(headers))
            raise FuserError(f"{self.base_url} has moved to {place}: set {self._name}.base_url to the new address")
        if status in AWAY | AGAIN or status >= 500:
            raise NotNow(said, after=_retry_after(headers), away=status in AWAY)
        raise RequestRefused(said)

    def _parsed(self, content: bytes | bytearray) -> dict[str, Any]:
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            raise NotNow("an answer that is not JSON") from None
        if not isinstance(found, dict):
            raise NotNow("an answer that is not a JSON object")
        if found.get("error"):  # some hosted servers say 200 first
            raise NotNow(self._shown(_message(content)) or "an error without a message")
        return found

    def _shown(self, text: str) -> str:
        """Text from outside as a single line of at most 300 characters, without the key, which some servers repeat."""
        if len(self._secret) > 3:  # a shorter key, such as "x", is not a secret
            text = text.replace(self._secret, "…")
        text = " ".join(text.split())
        return text if len(text) <= 300 else f"{text[:300]}…"


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip() if variable else ""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise FuserError(
            f"the environment variable {variable} does not hold a valid key: it contains spaces or special characters"
        )
    return key


def _on_this_machine(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds, from a number or an HTTP date; None if there is neither."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _message(content: bytes | bytearray) -> str:
    """The server's error message."""
    text = content.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        inner = found.get("error", found)
        inner = inner.get("message", inner) if isinstance(inner, dict) else inner
        text = inner if isinstance(inner, str) else json.dumps(inner)
    elif "<" in text[:200]:
        text = ""  # a proxy's HTML page
    return text


def _code(content: bytes | bytearray) -> str:
    try:
        return str(json.loads(content)["error"]["code"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""


def _why(error: BaseException) -> str:
    """The system's reason: httpx2 only reports that all attempts failed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        cause = cause.__cause__ or cause.__context__
    return str(error) or "it cannot be reached"


def _place(headers: httpx2.Headers) -> str:
    parts = urlsplit(headers.get("location", ""))
    where = parts.netloc.rpartition("@")[2]  # without a password
    return f"{parts.scheme}://{where}{parts.path}" if where else "another address"
