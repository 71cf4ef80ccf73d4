"""The model store: what it keeps, what it refuses, what it says, and what it leaves behind when things fail."""

import hashlib
import json
import os
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.model_server import BODY, PULL, SHA, Server, artifact, left_over, serving, start

from text2face_core.errors import ArtifactError, LicenceRefused
from text2face_core.models.store import HubFile, ModelStore, Url, human_size


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


# --- what it says ---


def test_the_licence_and_the_size_are_said_before_the_first_download_only(tmp_path, server):
    said = []
    store = ModelStore(tmp_path, say=said.append)
    wanted = artifact(Url(server.url("good")), licence="CC0-1.0")
    store.path(wanted)
    store.path(wanted)
    assert said == [f"fetching face.onnx (512.0 kB, licence CC0-1.0) from {server.url('good')}"]


# --- is it the right file? ---


def test_a_file_put_there_by_hand_is_used_without_a_network(tmp_path):
    (tmp_path / "face.onnx").write_bytes(BODY)
    assert ModelStore(tmp_path, offline=True).path(artifact()) == tmp_path / "face.onnx"


def test_a_wrong_file_is_moved_aside_and_fetched_anew(tmp_path, server):
    (tmp_path / "face.onnx").write_bytes(b"x" * len(BODY))
    said = []
    store = ModelStore(tmp_path, say=said.append)
    assert store.find(artifact()) is None
    assert store.path(artifact(Url(server.url("good")))).read_bytes() == BODY
    assert (tmp_path / "face.onnx.wrong").read_bytes() == b"x" * len(BODY)
    assert "was not the declared file: its sha256 is" in said[0]


def test_a_wrong_file_is_reported_where_nothing_can_be_fetched(tmp_path):
    (tmp_path / "face.onnx").write_bytes(BODY[:1000])
    with pytest.raises(ArtifactError, match=r"face\.onnx is not used: it has 1000 bytes, not 512000"):
        ModelStore(tmp_path, offline=True).path(artifact())
    assert (tmp_path / "face.onnx").exists()


@pytest.mark.parametrize("sha256", [SHA, None])
def test_a_file_that_changes_after_its_download_is_not_used_any_more(tmp_path, server, sha256):
    wanted = artifact(Url(server.url("good")), sha256=sha256)
    path = ModelStore(tmp_path).path(wanted)
    path.write_bytes(BODY[::-1])
    assert ModelStore(tmp_path).find(wanted) is None
    assert ModelStore(tmp_path).find(wanted) is None  # being found wrong once does not make it right
    assert ModelStore(tmp_path).path(wanted).read_bytes() == BODY


def test_without_a_declared_hash_the_first_download_is_what_later_ones_are_held_against(tmp_path, server):
    ModelStore(tmp_path).path(artifact(Url(server.url("good")), sha256=None)).unlink()
    with pytest.raises(ArtifactError, match=f"not {SHA} .*remove .*face.onnx.json"):
        ModelStore(tmp_path).path(artifact(Url(server.url("other-bytes")), sha256=None))


def test_an_unchanged_file_is_not_hashed_again_but_verify_does(tmp_path, server):
    wanted = artifact(Url(server.url("good")))
    path = ModelStore(tmp_path).path(wanted)
    before = path.stat()
    path.write_bytes(BODY[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # rot: the bytes change, size and time do not
    store = ModelStore(tmp_path)
    assert store.find(wanted) == path
    verdict = store.verify(wanted)
    assert (verdict.state, verdict.sha256) == ("wrong", hashlib.sha256(BODY[::-1]).hexdigest())
    assert store.find(wanted) is None
    assert ModelStore(tmp_path).find(wanted) is None
    assert store.path(wanted).read_bytes() == BODY
    assert store.verify(wanted).state == "good"


def test_verify_tells_what_is_missing(tmp_path):
    assert ModelStore(tmp_path).verify(artifact()).state == "missing"


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"size": 3}'])
def test_a_damaged_record_costs_a_hash_and_nothing_else(tmp_path, server, damage):
    wanted = artifact(Url(server.url("good")))
    path = ModelStore(tmp_path).path(wanted)
    (tmp_path / ".t2f" / "face.onnx.json").write_text(damage)
    assert ModelStore(tmp_path, offline=True).path(wanted) == path
    assert json.loads((tmp_path / ".t2f" / "face.onnx.json").read_text())["sha256"] == SHA


def test_a_local_file_is_used_where_it_lies_if_it_is_the_right_one(tmp_path):
    own = tmp_path / "mine.onnx"
    own.write_bytes(BODY)
    store = ModelStore(tmp_path / "store", offline=True, local={"face.onnx": own})
    assert store.path(artifact()) == store.find(artifact()) == own
    own.write_bytes(b"another")
    with pytest.raises(ArtifactError, match=r"given as face\.onnx, but it has 7 bytes, not 512000"):
        store.path(artifact())
    assert own.read_bytes() == b"another"
    assert store.path(artifact(sha256=None, size=None)) == own  # nothing is declared: the user's word is enough
    own.unlink()
    with pytest.raises(ArtifactError, match=r"mine\.onnx, but there is no such file"):
        store.path(artifact())


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "/etc/passwd"])
def test_an_artifact_is_named_by_a_plain_file_name(name):
    with pytest.raises(ValueError, match="plain file name"):
        artifact(name=name)


def test_a_hash_that_is_none_is_refused_where_it_is_declared():
    with pytest.raises(ValueError, match="64 lower-case hexadecimal digits"):
        artifact(sha256="ABC")


# --- folders that cannot be written, full disks ---


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Root may write anywhere; for the file system, be somebody who may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
@pytest.mark.parametrize("recorded", [True, False])
def test_a_read_only_folder_that_holds_the_file_is_enough(server, recorded):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        if recorded:
            ModelStore(folder).path(artifact(Url(server.url("good"))))
        else:
            (folder / "face.onnx").write_bytes(BODY)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        store = ModelStore(folder)
        with as_ordinary_user():
            assert store.path(artifact()) == folder / "face.onnx"
            with pytest.raises(ArtifactError, match=r"cannot be written: Permission denied.*set T2F_MODELS"):
                store.path(artifact(Url(server.url("good")), name="other.onnx"))
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)


def test_a_file_that_is_larger_than_the_free_space_is_not_begun(tmp_path, server):
    with pytest.raises(ArtifactError, match=r"\(1\.0 PB, licence MIT\) does not fit: .* free"):
        ModelStore(tmp_path).path(artifact(Url(server.url("good")), size=10**15))
    assert server.requests == []


@pytest.mark.skipif(os.name == "nt", reason="needs resource limits")
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, server):
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
    process = start(limit + textwrap.dedent(PULL), tmp_path, server.url("good"))
    _, errors = process.communicate(timeout=60)
    assert "ArtifactError: face.onnx (512.0 kB, licence MIT) is needed" in errors
    assert "cannot be written: File too large" in errors
    assert left_over(ModelStore(tmp_path)) == []
    assert not (tmp_path / "face.onnx").exists()


# --- offline ---


@pytest.mark.parametrize(
    ("environment", "offline"),
    [
        ({}, False),
        ({"T2F_OFFLINE": "1"}, True),
        ({"HF_HUB_OFFLINE": "TRUE"}, True),
        ({"T2F_OFFLINE": "0", "HF_HUB_OFFLINE": "1"}, False),  # ours has the last word
        ({"T2F_OFFLINE": "", "HF_HUB_OFFLINE": "on"}, True),
    ],
)
def test_offline_is_what_the_environment_says(tmp_path, monkeypatch, environment, offline):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ModelStore(tmp_path).offline is offline
    assert ModelStore(tmp_path, offline=True).offline is True


def test_offline_says_what_is_missing_and_where_to_put_it(tmp_path, server):
    wanted = artifact(
        HubFile("somebody/weights", "attributes.pt"),
        Url(server.url("good")),
        name="face attribute.pt",
        size=343_000_000,
    )
    with pytest.raises(ArtifactError) as caught:
        ModelStore(tmp_path / "models", offline=True).path(wanted)
    assert str(caught.value) == (
        "face attribute.pt (343.0 MB, licence MIT) is needed, but could not be fetched (offline).\n"
        f"Put it at {tmp_path}/models/face attribute.pt, or, on a machine with a network: "
        "t2f models pull 'face attribute.pt'\n"
        f"It comes from: Hugging Face somebody/weights/attributes.pt; {server.url('good')}"
    )
    assert server.requests == []
    assert not (tmp_path / "models").exists()


def test_the_folder_is_the_environment_s_or_the_user_s_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert ModelStore().folder.name == "models"
    assert "text2face" in ModelStore().folder.parts
    monkeypatch.setenv("T2F_MODELS", str(tmp_path / "elsewhere"))
    assert ModelStore().folder == tmp_path / "elsewhere"


# --- licences ---


def test_a_non_commercial_licence_is_refused_until_it_is_accepted_and_then_remembered(tmp_path, server):
    wanted = artifact(
        Url(server.url("good")), licence="Research only", non_commercial=True, licence_url="https://example.org/terms"
    )
    with pytest.raises(LicenceRefused) as caught:
        ModelStore(tmp_path).path(wanted)
    assert "https://example.org/terms" in str(caught.value)
    assert str(caught.value).endswith("--accept-licence face.onnx")
    with pytest.raises(LicenceRefused):
        ModelStore(tmp_path, accept=["other.onnx", "MIT"]).path(wanted)
    assert server.requests == []

    ModelStore(tmp_path, accept=["face.onnx"]).path(wanted).unlink()
    ModelStore(tmp_path).path(wanted).unlink()
    changed = artifact(Url(server.url("good")), licence="Research only, version 2", non_commercial=True)
    with pytest.raises(LicenceRefused):
        ModelStore(tmp_path).path(changed)


def test_a_licence_accepted_by_its_own_name_covers_every_file_under_it(tmp_path, server):
    one, two = (
        artifact(Url(server.url("good")), name=name, licence="CC-BY-NC-4.0", non_commercial=True) for name in "ab"
    )
    ModelStore(tmp_path, accept=["cc-by-nc-4.0"]).path(one)
    assert ModelStore(tmp_path).path(two).read_bytes() == BODY


def test_a_file_that_is_already_here_asks_for_no_licence(tmp_path):
    (tmp_path / "face.onnx").write_bytes(BODY)
    assert ModelStore(tmp_path).path(artifact(licence="Research only", non_commercial=True))


# --- as a whole ---


@pytest.mark.parametrize(
    ("size", "said"), [(None, "size unknown"), (999, "999 bytes"), (232_589, "232.6 kB"), (4_081_004_224, "4.1 GB")]
)
def test_sizes_are_said_as_people_say_them(size, said):
    assert human_size(size) == said


def test_declaring_artifacts_imports_no_download_library():
    heavy = ["requests", "pooch", "huggingface_hub", "filelock", "rich", "platformdirs", "onnxruntime"]
    process = start(f"print([name for name in {heavy!r} if name in sys.modules])")
    assert process.communicate(timeout=30)[0].strip() == "[]"
