"""`t2f fuse --plugins openai` as a user meets it: a finished run gets a language model's captions."""

import json
import zlib
from pathlib import Path

import pytest
from support.distributions import add_distribution
from support.llm_server import FAULTS, serving

from text2face_core.cli import main
from text2face_core.run.directory import RunDirectory

pytest.importorskip("httpx2")

KEY = "sk-sentinel-0123456789abcdef"
# Without the length limit, which needs the tokenizer's file.
RUN = ["--plugins", "toy", "--no-report", "--set", "captions.max_tokens=0", "--set", "captions.per_photo=2"]


@pytest.fixture
def here(tmp_path, monkeypatch, toy_photos):
    """A folder with a finished run of toy photos in `out`, and a model store of its own."""
    add_distribution(tmp_path / "site", "t2f-toy", "toy = support.toys")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("T2F_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (toy_photos / "text.jpg").unlink()
    assert main(["-q", "run", str(toy_photos), "--out", "out", *RUN]) == 0
    return tmp_path


def fuse(server, *more, out="out", flags=("-q",)):
    url = f"openai.base_url={server if isinstance(server, str) else server.url}"
    return main([*flags, "fuse", out, "--plugins", "openai", "--no-report", "--set", url, *more])


def captions(out="out"):
    return [caption for _, row in RunDirectory(Path(out)).rows() for caption in row.captions]


def test_a_finished_run_gets_the_captions_of_the_server(here):
    before = (here / "out" / "analysis" / "00000.parquet").read_bytes()
    with serving() as server:
        assert fuse(server) == 0
    rows = captions()
    assert len(rows) == 14
    assert {row.fuser for row in rows} == {"openai"}
    assert not any(row.missed for row in rows)
    assert (here / "out" / "analysis" / "00000.parquet").read_bytes() == before
    lines = [json.loads(line) for line in (here / "out" / "dataset" / "metadata.jsonl").read_text().splitlines()]
    assert {len(line["text"]) for line in lines} == {2}


def test_faults_on_the_way_change_no_caption_and_lose_none(here):
    with serving() as server:
        fuse(server)
        undisturbed = captions()

    def plan(what, attempt):
        return FAULTS[zlib.crc32(what.encode()) % len(FAULTS)] if attempt == 0 else ""

    with serving(plan) as server:
        assert fuse(server, "--set", "openai.timeout=2") == 0
        assert captions() == undisturbed
        assert set(server.good.values()) == {1}


def test_the_same_run_in_another_place_asks_nothing(here, toy_photos):
    with serving() as server:
        fuse(server)
        asked = len(server.bodies)
        assert main(["-q", "run", str(toy_photos), "--out", "again", *RUN]) == 0
        assert fuse(server, out="again") == 0
        assert len(server.bodies) == asked
    assert captions("again") == captions()


def test_another_time_out_is_no_reason_to_caption_again(here):
    with serving() as server:
        fuse(server)
        listed, asked = server.listed, len(server.bodies)
        assert fuse(server, "--set", "openai.timeout=9") == 0
        assert (server.listed, len(server.bodies)) == (listed, asked)


def test_a_server_that_is_not_there_ends_it_with_a_sentence_and_the_same_command_goes_on(here, capfd):
    with serving() as server:
        pass
    arguments = ["--set", "openai.patience=1"]
    assert fuse(server, *arguments) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"t2f: {server.url} has answered no request")
    assert "resumes where this one stopped" in said
    with serving(port=server.server_address[1]) as server:
        assert fuse(server, *arguments) == 0
    assert {row.fuser for row in captions()} == {"openai"}


@pytest.mark.parametrize("fault", ["", "echo 401", "echo 400"])
def test_the_key_is_in_no_file_and_no_line(fault, here, monkeypatch, capfd):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("T2F_TRACE", "1")
    with serving(lambda what, attempt: fault) as server:
        assert fuse(server, flags=["-vv", "--log-file", "log.txt"]) == (2 if fault else 0)
        assert server.keys == {f"Bearer {KEY}"}
    said = capfd.readouterr()
    assert KEY not in said.out + said.err
    files = [file for file in here.rglob("*") if file.is_file()]
    assert {"log.txt", "run.toml", "openai.sqlite"} <= {file.name for file in files}
    assert not any(KEY.encode() in file.read_bytes() for file in files)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://ada:hunter2@127.0.0.1:1/v1", "openai: base_url: "),
        ("", "--set openai.base_url=http://127.0.0.1:8000/v1"),
    ],
)
def test_a_wrong_address_is_refused_before_anything_is_written(address, said, here, capfd):
    before = (here / "out" / "run.toml").read_bytes()
    assert fuse(address) == 2
    shown = capfd.readouterr().err
    assert said in shown
    assert "hunter2" not in shown
    assert (here / "out" / "run.toml").read_bytes() == before


def test_the_listing_says_where_answers_are_kept_and_how_not_to(here, capsys):
    assert main(["plugins", "show", "openai"]) == 0
    shown = capsys.readouterr().out
    assert "answers/openai.sqlite" in shown
    assert "'off' disables it" in shown
