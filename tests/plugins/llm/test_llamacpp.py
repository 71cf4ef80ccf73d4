"""llama.cpp in this process, with a tiny model of random weights that the test itself writes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support import tiny_gguf
from support.paths import ROOT
from t2f_llm.llamacpp import DEFAULT, QWEN, LlamaCppOptions, artifact, build, needs, prompt_of

from text2face_core import RunDirectory
from text2face_core.contracts import FusionRequest, Runtime
from text2face_core.errors import ArtifactError, FuserError
from text2face_core.models.store import ModelStore
from text2face_core.records import Bag, BagItem

PHOTOS = ROOT / "examples" / "photos"


def request(number: int, *, style: str = "short", count: int = 1, words: int = 2) -> FusionRequest:
    more = ("smiling", "brown hair", "long hair", "a hat", "glasses")[:words]
    items = [
        BagItem("age", 20.0 + number, f"{20 + number} years old", "F1"),
        BagItem("gender", "female", "woman", "F1"),
    ]
    items += [BagItem("smiling", True, word, "F2") for word in more]
    return FusionRequest(f"{number:016x}", "", 0, Bag(tuple(items)), style, 1000 + number, count)


REQUESTS = [
    request(number, style=("short", "long")[number % 2], count=1 + number % 3, words=number % 5) for number in range(8)
]


@pytest.fixture(scope="module")
def gguf(tmp_path_factory) -> Path:
    pytest.importorskip("xllamacpp")
    return tiny_gguf.write(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def make(gguf, tmp_path_factory):
    store = ModelStore(tmp_path_factory.mktemp("store"))

    def made(**options):
        return build(LlamaCppOptions(**{"path": str(gguf), "max_tokens": 24, **options}), Runtime(store))

    return made


@pytest.fixture(scope="module")
def texts(make) -> list[list[str]]:
    return make().fuse(REQUESTS)


def test_each_request_gets_as_many_texts_as_it_asks_for_and_they_differ(texts):
    assert [len(one) for one in texts] == [one.count for one in REQUESTS]
    said = [text for one in texts for text in one]
    assert all(said)
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("order", ["the same", "backwards", "one by one", "after others", "twice"])
def test_equal_requests_get_equal_texts(make, texts, order):
    """Whatever was asked before: a prompt cache would make floats, and with them words, depend on it."""
    fuser = make()
    match order:
        case "the same":
            again = fuser.fuse(REQUESTS)
        case "backwards":
            again = fuser.fuse(REQUESTS[::-1])[::-1]
        case "one by one":
            again = [fuser.fuse([one])[0] for one in REQUESTS]
        case "after others":
            fuser.fuse([replace(one, seed=1, style="tags") for one in REQUESTS])
            fuser.fuse([replace(one, seed=2, number=1) for one in REQUESTS])
            again = fuser.fuse(REQUESTS)
        case "twice":
            both = fuser.fuse([one for one in REQUESTS for _ in range(2)])
            assert both[::2] == both[1::2]
            again = both[::2]
    assert again == texts


def test_other_seeds_give_other_texts(make, texts):
    other = make().fuse([replace(one, seed=one.seed + 1) for one in REQUESTS])
    assert all(set(a).isdisjoint(b) for a, b in zip(other, texts, strict=True))


def test_what_a_prompt_begins_with_is_read_once(make, monkeypatch):
    """Else each caption would cost the reading of all of its prompt."""
    fuser = make()
    read = []
    engine = fuser._model._server

    class Watched:
        def handle_chat_completions(self, asked):
            answered = engine.handle_chat_completions(asked)
            read.append(answered["timings"]["prompt_n"])
            return answered

    monkeypatch.setattr(fuser._model, "_server", Watched())
    fuser.fuse([request(number) for number in range(10)])
    first, rest = sum(read[:3]), sum(read[3:])
    assert rest < 9 * first / 4


def test_a_prompt_that_does_not_fit_gets_no_text_and_the_others_do(make, caplog):
    fuser = make(context=1024)
    long = replace(request(1), bag=Bag((BagItem("age", 1.0, "very " * 900 + "old", "F1"),)))
    with caplog.at_level("WARNING"):
        one, none, other = fuser.fuse([request(0), long, request(2)])
    assert one
    assert none == []
    assert other
    assert "context" in caplog.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "GGUF"),
        (b"PK\x03\x04 a zip", "GGUF"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_gguf_is_refused_by_name(make, tmp_path, content, says):
    path = tmp_path / "mine.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=says) as refused:
        make(path=str(path))
    assert str(path) in str(refused.value)


def test_a_damaged_gguf_is_refused_with_what_may_be_wrong(make, gguf, tmp_path):
    path = tmp_path / "cut.gguf"
    path.write_bytes(gguf.read_bytes()[:5000])
    with pytest.raises(FuserError, match=r"cannot load .*cut\.gguf.*damaged"):
        make(path=str(path))


def test_nothing_is_left_behind_and_no_port_is_open(make):
    fuser = make()
    address = fuser._model._server.listening_address
    assert address.startswith("unix://")
    room = Path(address.removeprefix("unix://")).parent
    assert room.stat().st_mode & 0o077 == 0
    del fuser
    assert not room.exists()


def test_an_engine_can_be_given_up_as_soon_as_it_is_there(gguf, tmp_path):
    script = """
        import sys
        from pathlib import Path
        from t2f_llm.llamacpp import LlamaCppOptions, build
        from text2face_core.contracts import Runtime
        from text2face_core.models import ModelStore
        for _ in range(50):
            build(LlamaCppOptions(path=sys.argv[1]), Runtime(ModelStore(Path(sys.argv[2]))))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(gguf), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=120)


def test_the_model_gets_the_prompt_and_nothing_else():
    assert "20 years old" in prompt_of(LlamaCppOptions(), request(0))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, QWEN.name),
        ({"model": "someone/models/folder/small.gguf"}, "small.gguf"),
        ({"path": "mine.gguf"}, None),
    ],
)
def test_the_file_that_is_needed_follows_the_options(options, expected):
    assert [one.name for one in needs(LlamaCppOptions(**options))] == ([expected] if expected else [])


def test_the_default_model_is_pinned_and_may_be_used_by_anybody():
    assert artifact(DEFAULT) is QWEN
    assert (QWEN.licence, QWEN.non_commercial) == ("Apache-2.0", False)
    assert QWEN.sha256
    assert all(source.revision != "main" for source in QWEN.sources)


@pytest.mark.parametrize("model", ["small.gguf", "someone/small.gguf", "someone/models/small.bin"])
def test_a_model_that_is_no_file_of_a_repository_is_refused(model):
    with pytest.raises(ValueError, match="OWNER/REPOSITORY"):
        LlamaCppOptions(model=model)


def captions(out: Path) -> dict[str, list[str]]:
    return {row.photo_id: [one.text for one in said.captions] for row, said in RunDirectory.open(out).rows()}


@pytest.mark.models
@pytest.mark.usefixtures("starter_models")
@pytest.mark.nightly
def test_a_killed_run_ends_with_the_captions_of_an_undisturbed_one(tmp_path, gguf):
    """Random weights say nothing that is true, so that nothing is checked: all words come from the model."""
    settings = ["captions.check=false", "captions.per_photo=2", "captions.max_tokens=0", f"llamacpp.path={gguf}"]
    settings += ["llamacpp.max_tokens=16", "captions.retries=0"]

    def command(out: Path) -> list[str]:
        arguments = ["run", str(PHOTOS), "--out", str(out), "--plugins", "llamacpp", "--chunk-size", "3"]
        arguments += ["--no-report", "--threads", "1", *(part for one in settings for part in ("--set", one))]
        return [sys.executable, "-m", "text2face_core", *arguments]

    calm, disturbed = tmp_path / "calm", tmp_path / "disturbed"
    subprocess.run(command(calm), check=True, capture_output=True)
    stops = 0
    for wanted in range(1, 4):
        process = subprocess.Popen(
            command(disturbed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while process.poll() is None and len(list(disturbed.glob("captions/*.parquet"))) < wanted:
            time.sleep(0.005)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            stops += 1
        process.wait()
    assert stops
    subprocess.run(command(disturbed), check=True, capture_output=True)
    written = captions(disturbed)
    assert written == captions(calm)
    assert len(written) == 12
    sources = {one.fuser for _, said in RunDirectory.open(disturbed).rows() for one in said.captions}
    assert "llamacpp" in sources
    shutil.rmtree(disturbed)
