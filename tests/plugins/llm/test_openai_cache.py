"""Answers are kept: nothing is asked twice, whatever happens to processes and to the file."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from functools import partial

import pytest
from support.llm_server import ask, build_fuser, is_about, serving
from t2f_llm.client.cache import Answers

pytest.importorskip("httpx2")


@pytest.fixture(autouse=True)
def _a_quiet_place(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def build(tmp_path):
    """A fuser for a server, its answers kept in the test's folder."""
    return partial(build_fuser, tmp_path / "models")


def start(script, *arguments):
    """A process of its own with `A` as its arguments."""
    prelude = """
        import sys
        from pathlib import Path
        from t2f_llm.client.cache import Answers
        A = sys.argv[1:]
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(script), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_run_asks_nothing(build, tmp_path):
    requests = [ask(number) for number in range(30)] + [ask(100, count=3)]
    with serving() as server:
        texts = build(server).fuse(requests)
        asked = len(server.bodies)
        assert build(server).fuse(requests) == texts
        assert build(server, timeout=5, concurrency=1).fuse(requests[::-1]) == texts[::-1]
        assert len(server.bodies) == asked == 31
    assert build(server).fuse(requests) == texts  # not even a server is needed
    assert (tmp_path / "models" / "answers" / "openai.sqlite").is_file()


@pytest.mark.parametrize(
    "change", [{"model": "other"}, {"temperature": 0.1}, {"system": "Be brief."}, {"extra_body": {"top_k": 2}}]
)
def test_other_questions_are_asked(change, build):
    with serving() as server:
        build(server).fuse([ask(1)])
        build(server, **change).fuse([ask(1)])
        build(server).fuse([ask(1, seed=3)])
        assert len(server.bodies) == 3


def test_texts_that_are_missing_are_asked_for_singly(build):
    with serving() as server:
        (few,) = build(server).fuse([ask(1, count=2)])
        (more,) = build(server).fuse([ask(1, count=4)])
        assert more[:2] == few
        assert len(server.bodies) == 3
        (own,) = build(server, cache="off").fuse([ask(1, count=4)])
        assert own == more


def test_it_can_be_switched_off_or_lie_elsewhere(build, tmp_path):
    with serving() as server:
        for _ in range(2):
            build(server, cache="off").fuse([ask(1)])
        assert len(server.bodies) == 2
        assert not list(tmp_path.rglob("*.sqlite"))
        for _ in range(2):
            build(server, cache=str(tmp_path / "new" / "kept.db")).fuse([ask(1)])
        assert len(server.bodies) == 3


def test_answers_before_a_stop_are_not_asked_for_again(build):
    requests = [ask(number) for number in range(20)]
    with serving() as server:
        server.plan = lambda what, attempt: "401" if server.good.total() >= 12 else ""
        with pytest.raises(Exception, match="key_env"):
            build(server, concurrency=1).fuse(requests)
        server.plan = lambda what, attempt: ""
        texts = build(server).fuse(requests)
        assert all(is_about(one, request) for one, request in zip(texts, requests, strict=True))
        assert server.good.total() == 20


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b"this is no database, and it is longer than a header of sixteen bytes"),
        lambda file: file.write_bytes(file.read_bytes()[:5000]),
        lambda file: file.write_bytes(file.read_bytes()[:4096] + os.urandom(4096) + file.read_bytes()[8192:]),
    ],
    ids=["other", "cut", "garbled"],
)
def test_a_damaged_file_is_set_aside_with_a_warning(damage, build, tmp_path, caplog):
    file = tmp_path / "kept.sqlite"
    requests = [ask(number) for number in range(60)]
    with serving() as server:
        fuser = build(server, cache=str(file))
        texts = fuser.fuse(requests)
        damage(file)
        damaged = file.read_bytes()
        assert fuser.fuse(requests) == texts
        (record,) = caplog.records
        assert "damaged" in record.getMessage()
        assert (tmp_path / "kept.sqlite.damaged-1").read_bytes() == damaged
        asked = len(server.bodies)
        assert fuser.fuse(requests) == texts
        assert len(server.bodies) == asked


def test_a_file_that_cannot_be_used_costs_a_warning_and_no_caption(build, tmp_path, caplog):
    with serving() as server:
        assert build(server, cache=str(tmp_path)).fuse([ask(1), ask(2)])[1]
    (record,) = caplog.records
    assert "cannot be used" in record.getMessage()
    assert "openai.cache" in record.getMessage()


def test_the_warning_names_the_option_of_the_plugin_that_asks(tmp_path, caplog):
    with Answers(tmp_path, "recap.cache"):
        pass
    assert "recap.cache" in caplog.text


def test_a_file_of_another_program_is_left_alone(build, tmp_path, caplog):
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as base:
        base.execute("CREATE TABLE answers (question TEXT)")
    base.close()
    before = file.read_bytes()
    with serving() as server:
        assert build(server, cache=str(file)).fuse([ask(1)])[0]
    assert file.read_bytes() == before
    assert "cannot be used" in caplog.text


def test_processes_share_one_file(tmp_path):
    script = """
        with Answers(Path(A[0])) as answers:
            for number in range(400):
                key = f"{number % 200}".encode()
                answers.put(key, f"text {number % 200}")
                assert answers.get(key) == f"text {number % 200}"
    """
    processes = [start(script, tmp_path / "kept.sqlite") for _ in range(4)]
    assert [process.communicate()[1] for process in processes] == [""] * 4
    with Answers(tmp_path / "kept.sqlite") as answers:
        assert all(answers.get(f"{number}".encode()) == f"text {number}" for number in range(200))


def test_processes_that_find_a_damaged_file_together_set_it_aside_once(tmp_path):
    (tmp_path / "kept.sqlite").write_bytes(b"no database" * 1000)
    script = """
        with Answers(Path(A[0])) as answers:
            answers.put(A[1].encode(), A[1])
    """
    processes = [start(script, tmp_path / "kept.sqlite", number) for number in range(4)]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert [file.name for file in tmp_path.glob("*.damaged-*")] == ["kept.sqlite.damaged-1"]
    with Answers(tmp_path / "kept.sqlite") as answers:
        assert [answers.get(f"{number}".encode()) for number in range(4)] == ["0", "1", "2", "3"]


def test_a_kill_loses_no_answer_that_was_kept(tmp_path):
    script = """
        with Answers(Path(A[0])) as answers:
            number = 0
            while True:
                answers.put(f"{number}".encode(), "x" * 200)
                print(number, flush=True)
                number += 1
    """
    for _ in range(3):
        process = start(script, tmp_path / "kept.sqlite")
        last = [process.stdout.readline() for _ in range(300)][-1]
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with Answers(tmp_path / "kept.sqlite") as answers:
            assert all(answers.get(f"{number}".encode()) for number in range(int(last) + 1))
    assert not list(tmp_path.glob("*.damaged-*"))
