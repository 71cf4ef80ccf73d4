"""An OpenAI-compatible server that misbehaves in the ways that servers do, and otherwise writes simple captions."""

from __future__ import annotations

import contextlib
import http.server
import json
import random
import re
import socket
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2f_llm import openai

from text2face_core import Bag, FusionRequest, Runtime
from text2face_core.models.store import ModelStore
from text2face_core.records import BagItem

if TYPE_CHECKING:
    from t2f_llm.backends.openai import OpenAIFuser

Plan = Callable[[str, int], str]
OPENINGS = ("This is a photo of someone:", "The person is", "We see", "A portrait:", "Shown here:", "The photo shows")
FAULTS = (
    "500",
    "503",
    "429 0.2",
    "429 date",
    "hang",
    "cut",
    "cut half",
    "no json",
    "list",
    "no choices",
    "null",
    "trickle",
)


def write_caption(prompt: str, seed: int | None) -> str:
    """The words that the prompt lists, in a sentence that depends on the seed."""
    bag = ", ".join(re.findall(r"^(?!Add )[A-Z][^:.\n]{3,40}: (.+)$", prompt, re.MULTILINE)) or "a person"
    return f"{random.Random(seed).choice(OPENINGS)} {bag}."


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else " ".join(part.get("text", "[image]") for part in content)


def ask(number: int, count: int = 1, seed: int | None = None) -> FusionRequest:
    """A request that no other number makes."""
    bag = Bag((BagItem("age", 34.0, f"{number} years old", "F1"), BagItem("bangs", True, "bangs", "F2")))
    seed = zlib.crc32(str(number).encode()) << 31 if seed is None else seed
    return FusionRequest(f"{number:016x}", f"{number}.jpg", 0, bag, "short", seed, count)


def is_about(texts: list[str], request: FusionRequest) -> bool:
    """Whether these answer this request, and there is one at least."""
    return bool(texts) and all(f"{request.bag.items[0].phrase}, bangs" in text for text in texts)


def build_fuser(folder: Path, server: LanguageModel | str, **options: Any) -> OpenAIFuser:
    """The fuser for a server or address, its model files and answers in `folder`."""
    given = {"base_url": getattr(server, "url", server), "model": "toy", **options}
    return openai.build(openai.OpenAIOptions(**given), Runtime(ModelStore(folder, offline=True)))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LanguageModel

    def do_GET(self) -> None:
        self.server.listed += 1
        data = [{"id": name, "object": "model"} for name in self.server.models]
        self.answer(200, {"object": "list", "data": data})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["prompt"] if "prompt" in body else "\n".join(_text(part["content"]) for part in body["messages"])
        what = f"{prompt}|{body.get('seed')}|{body.get('n')}"
        with self.server.counting(what) as attempt:
            self.server.keys.add(self.headers.get("Authorization"))
            self.server.bodies.append((self.path, body))
            time.sleep(self.server.seconds)
            fault, _, detail = self.server.plan(what, attempt).partition(" ")
            self.misbehave(fault, detail) if fault else self.write(what, prompt, body)

    def write(self, what: str, prompt: str, body: dict[str, Any]) -> None:
        count = body.get("n", 1) if self.server.knows_n else 1
        texts = [write_caption(prompt, body["seed"] + k if "seed" in body else None) for k in range(count)]
        choices = [
            {"index": k, "finish_reason": "stop"}
            | ({"text": f" {text}"} if "prompt" in body else {"message": {"role": "assistant", "content": text}})
            for k, text in enumerate(texts)
        ]
        self.server.good[what] += 1
        self.answer(200, {"object": "chat.completion", "choices": choices[::-1]})  # in whatever order

    def misbehave(self, fault: str, detail: str) -> None:
        if fault == "429":
            after = formatdate(time.time() + 1.5, usegmt=True) if detail == "date" else detail
            self.answer(
                429, {"error": {"message": "slow down", "code": detail}}, **{"Retry-After": after} if after else {}
            )
        elif fault == "echo":  # some servers repeat the key that they refuse
            self.answer(
                int(detail), {"error": {"message": "x" * 260 + f" wrong key: {self.headers.get('Authorization')}"}}
            )
        elif fault == "moved":
            self.answer(308, {}, Location="http://127.0.0.2:1/v1/chat/completions")
        elif fault.isdigit():
            self.answer(int(fault), {"error": {"message": detail or "something broke"}})
        elif fault == "hang":
            self.server.go_on.wait(20)
            self.close_connection = True
        elif fault == "cut":
            if detail == "half":
                self.head(200, 1000)
                self.wfile.write(b'{"choices": [')
            self.close_connection = True
        elif fault == "trickle":
            self.head(200, 1000)
            for _ in range(1000):
                self.wfile.write(b" ")
                if self.server.go_on.wait(0.05):
                    break
            self.close_connection = True
        else:
            bodies = {"no json": b"<html>hello", "list": b"[1]", "no choices": b'{"choices": []}', "null": b"null"}
            content = bodies[f"{fault} {detail}".strip()]
            self.head(200, len(content))
            self.wfile.write(content)

    def answer(self, status: int, body: dict[str, Any], **headers: str) -> None:
        content = json.dumps(body).encode()
        self.head(status, len(content), **headers)
        self.wfile.write(content)

    def head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


class LanguageModel(http.server.ThreadingHTTPServer):
    """plan: the fault for a request's text and the number of the attempt, "" for none. seconds: how long it writes.

    good: how often each request was answered well. most: how many requests were under way at a time.
    """

    request_queue_size = 128

    def __init__(self, plan: Plan | None = None, *, port: int = 0, seconds: float = 0.0, knows_n: bool = True) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.plan, self.seconds, self.knows_n = plan or (lambda what, attempt: ""), seconds, knows_n
        self.models = ["toy"]
        self.go_on, self._lock = threading.Event(), threading.Lock()
        self.attempts: Counter[str] = Counter()
        self.good: Counter[str] = Counter()
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self.keys: set[str | None] = set()
        self.listed = self.under_way = self.most = 0
        self._connections: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @contextlib.contextmanager
    def counting(self, what: str) -> Iterator[int]:
        with self._lock:
            attempt = self.attempts[what]
            self.attempts[what] += 1
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            yield attempt
        finally:
            with self._lock:
                self.under_way -= 1

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        """Go down: connections that are kept open end too."""
        super().server_close()
        for one in self._connections:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """A client that went away needs no message."""


@contextlib.contextmanager
def serving(plan: Plan | None = None, **how: Any) -> Iterator[LanguageModel]:
    with LanguageModel(plan, **how) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield running
        finally:
            running.go_on.set()
            running.shutdown()
            thread.join()
