"""For tests of the model store: a web server that behaves badly in the ways that servers do, and other processes."""

import contextlib
import hashlib
import http.server
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator

from support.paths import ROOT
from text2face_core.models.sources import ArtifactSource
from text2face_core.models.store import Artifact, ModelStore

BODY = bytes(range(256)) * 2000  # 512 kB
SHA = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves BODY in the manner that the path names, and notes every request."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        manner = self.path.strip("/").split("/")[0]
        asked = self.headers.get("Range")
        with self.server.lock:
            self.server.requests.append((self.command, self.path, asked))
            nth = sum(path == self.path for _, path, _ in self.server.requests)
        if manner == "missing":
            return self.answer(404, b"no such file")
        if manner.startswith("to?"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if manner == "endless":
            return self.answer_without_end()
        if manner == "login-page":
            return self.answer(200, b"<html>please log in</html>", kind="text/html; charset=utf-8")
        body = BODY[::-1] if manner == "other-bytes" else BODY
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and manner != "no-ranges" else 0
        if start >= len(body):
            return self.answer(416, b"")
        extra = {"ETag": f'"{SHA}"', "X-Repo-Commit": "c" * 40, "Accept-Ranges": "bytes"}
        if start:
            extra["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        stop = None
        if manner == "cut-always":
            stop = 0
        elif manner in {"cut-once", "no-ranges"} and nth == 1:
            stop = 200_000  # the client writes 64 kB at a time: 196,608 of these
        elif manner == "stall" and nth == 1:
            stop = 300_000
        return self.answer(206 if start else 200, body[start:], stop, **extra)

    def answer(self, status: int, body: bytes, stop: int | None = None, kind: str = "", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", kind or "application/octet-stream")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:stop])
        if stop is not None:
            self.wfile.flush()
            if "stall" in self.path:
                self.server.stalled.set()
                self.server.go_on.wait(20)
            self.close_connection = True

    def answer_without_end(self) -> None:
        """No length, and no end before a gigabyte."""
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            for _ in range(2000):
                self.wfile.write(BODY)
                self.server.sent += len(BODY)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.stalled, self.go_on = threading.Lock(), threading.Event(), threading.Event()
        self.sent = 0
        self.requests: list[tuple[str, str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"

    def handle_error(self, *_: object) -> None:
        """A client that was killed needs no message."""

    @property
    def ranges(self) -> list[str | None]:
        return [asked for _, _, asked in self.requests]


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.go_on.set()
        running.shutdown()
        thread.join()


def artifact(*sources: ArtifactSource, name: str = "face.onnx", **given: object) -> Artifact:
    return Artifact(name, sources, **{"licence": "MIT", "sha256": SHA, "size": len(BODY)} | given)


def left_over(store: ModelStore) -> list[str]:
    """What lies in the store apart from whole files, their records and locks."""
    return [
        file.name
        for file in store.folder.rglob("*")
        if file.is_file() and file.suffix not in {".json", ".lock"} and file.parent != store.folder
    ]


def start(script: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """A process of its own that runs `script` with BODY's hash as `SHA` and its arguments as `A`."""
    prelude = f"""
        import sys
        from pathlib import Path
        from text2face_core.models import *
        A, SHA, SIZE = sys.argv[1:], {SHA!r}, {len(BODY)}
        say = lambda line: print(line, file=sys.stderr, flush=True)
    """
    code = textwrap.dedent(prelude) + textwrap.dedent(script)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


PULL = """
    print(ModelStore(Path(A[0]), say=say).path(Artifact("face.onnx", (Url(A[1]),), "MIT", SHA, SIZE)))
"""
