"""Photos at URLs: a real server that answers well, badly, late or not at all."""

import http.server
import threading
import time
from contextlib import contextmanager

import pytest

from text2face_core import BadPhoto, Plugins, SourceError, caption_photos
from text2face_core.errors import NothingToDo
from text2face_core.sources import Sources, use_sources

PRIVATE = {"urls": {"private_hosts": ["127.0.0.1"], "total_seconds": 2.0, "tries": 2, "max_bytes": 100_000}}


@pytest.fixture(autouse=True)
def _own_sources():
    yield
    use_sources(Sources())


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        served = self.server.served
        self.server.asked.append(self.path)
        if self.path in served:
            self._answer(200, served[self.path])
        elif self.path == "/moved":
            self._answer(302, b"", location="/photo.png")
        elif self.path == "/endless":
            self._answer(302, b"", location="/endless")
        elif self.path == "/to-a-file":
            self._answer(302, b"", location="file:///etc/passwd")
        elif self.path == "/busy":
            self._answer(503, b"")
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b"x" * 70_000 if self.server.wide else b"x")
                self.wfile.flush()
                time.sleep(0.1)
        elif self.path == "/late":
            time.sleep(5)
        else:
            self._answer(404, b"")

    def _answer(self, code, content, **headers):
        self.send_response(code)
        self.send_header("content-length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


@contextmanager
def serving(served, *, wide=False):
    with Server(("127.0.0.1", 0), Handler) as server:
        server.served, server.asked, server.wide = served, [], wide
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield server
        server.shutdown()


@pytest.fixture
def sources():
    return Sources(Plugins.load(builtin_only=True), options=PRIVATE)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/gone", "answers 404"),
        ("/busy", "answers 503"),
        ("/endless", "redirects"),
        ("/to-a-file", "points to"),
        ("/large", "too large"),
        ("/slow", "too slow|does not answer"),
        ("/late", "too slow|does not answer"),
    ],
)
def test_what_cannot_be_fetched_is_a_reason_within_the_limits(sources, path, reason):
    with serving({"/large": bytes(200_000)}) as server:
        began = time.monotonic()
        with pytest.raises(BadPhoto, match=reason):
            sources.open(server.url + path)
        assert time.monotonic() - began < 20
        assert server.asked.count("/busy") in {0, 2}


def test_an_answer_without_a_length_is_not_read_past_the_limit(sources):
    with serving({}, wide=True) as server, pytest.raises(BadPhoto, match="too large"):
        sources.open(f"{server.url}/slow")


def test_a_redirect_is_followed(sources):
    with serving({"/photo.png": b"\x89PNG"}) as server:
        assert sources.open(f"{server.url}/moved") == b"\x89PNG"


@pytest.mark.parametrize("url", ["http://localhost/a.jpg", "http://169.254.169.254/latest", "http://[::1]/a.jpg"])
def test_addresses_of_this_machine_and_its_network_are_refused(url):
    with pytest.raises(BadPhoto, match="private network"):
        Sources(Plugins.load(builtin_only=True)).open(url)


def test_a_url_that_is_not_valid_is_a_reason(sources):
    with pytest.raises(BadPhoto, match="unreadable"):
        sources.open("http://[/a.jpg")


def test_photos_of_a_list_have_the_findings_of_the_same_photos_in_a_folder(
    tmp_path, toy_plugins, toy_recipe, toy_photos
):
    photos = sorted(toy_photos.iterdir())
    with serving({f"/{number}": path.read_bytes() for number, path in enumerate(photos)}) as server:
        lines = [f"{server.url}/{number}" for number in range(len(photos))]
        (tmp_path / "list.txt").write_text("\n".join(["# photos", *lines, lines[0], f"{server.url}/gone", ""]))
        recipe = toy_recipe.model_copy(update={"plugins": PRIVATE})
        at_urls = caption_photos(f"urls:{tmp_path}/list.txt", recipe, available=toy_plugins, out=tmp_path / "urls")
    in_files = caption_photos(toy_photos, toy_recipe, available=toy_plugins, out=tmp_path / "files")
    expected = sorted(repr((row.status, row.reason, row.findings)) for row, _ in in_files)
    gone = [row.reason for row, _ in at_urls if "404" in row.reason]
    assert len(gone) == 1
    assert expected == sorted(
        repr((row.status, row.reason, row.findings)) for row, _ in at_urls if "404" not in row.reason
    )


def test_a_list_with_something_else_is_an_error_that_names_the_line(tmp_path, sources):
    (tmp_path / "list.txt").write_text("https://example.org/a.jpg\n/etc/passwd\n")
    with pytest.raises(SourceError, match="line 2"):
        sources.list_photos(f"urls:{tmp_path}/list.txt", [], print)
    with pytest.raises(SourceError, match=r"gone\.txt"):
        sources.list_photos(f"urls:{tmp_path}/gone.txt", [], print)
    (tmp_path / "list.txt").write_text("# nothing\n")
    with pytest.raises(NothingToDo):
        sources.list_photos(f"urls:{tmp_path}/list.txt", [], print)


def test_a_list_at_a_url_is_read(sources):
    with serving({}) as server:
        server.served["/list.txt"] = f"{server.url}/a.png\n{server.url}/b.png\n".encode()
        assert [photo.uri for photo in sources.list_photos(f"{server.url}/list.txt", [], print)] == [
            f"{server.url}/a.png",
            f"{server.url}/b.png",
        ]


def test_cloud_storage_is_listed_and_read_through_fsspec(sources):
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for name in ("b.png", "a.jpg", "deep/er/c.webp", "notes.txt"):
        system.pipe(f"/t2f-test/{name}", name.encode())
    try:
        photos = sources.list_photos("memory://t2f-test", [], print)
        assert [sources.open(photo.uri) for photo in photos] == [b"a.jpg", b"b.png", b"deep/er/c.webp"]
        assert len(sources.list_photos("memory://t2f-test/*.png", [], print)) == 1
        assert len(sources.list_photos("memory://t2f-test/a.jpg", [], print)) == 1
        with pytest.raises(BadPhoto, match="too large"):
            sources.open(photos[0].uri, max_bytes=3)
        with pytest.raises(SourceError, match="no photos at"):
            sources.list_photos("memory://t2f-gone", [], print)
        with pytest.raises(BadPhoto, match="FileNotFoundError"):
            sources.open("memory://t2f-test/gone.png")
    finally:
        system.rm("/t2f-test", recursive=True)


def test_a_missing_package_is_named(sources, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(SourceError, match=r"urls"):
        sources.open("s3://bucket/a.jpg")
