"""The openai fuser against a server of its own that misbehaves in the ways that servers do."""

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import zlib
from collections import Counter
from concurrent.futures import wait
from functools import partial

import pytest
from support.llm_server import FAULTS, ask, build_fuser, is_about, serving, write_caption
from t2f_llm import openai

from text2face_core.errors import FuserError

pytest.importorskip("httpx2")


class Forgetful(Counter):
    """Remembers nothing."""

    def __setitem__(self, key, value):
        pass

    def append(self, one):
        pass


@pytest.fixture(autouse=True)
def _a_quiet_place(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def build(tmp_path):
    """A fuser for a server, its answers kept in the test's folder."""
    return partial(build_fuser, tmp_path / "models")


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_every_request_is_answered_once_and_in_order(fault, build, caplog):
    requests = [ask(number) for number in range(12)]
    with serving(lambda what, attempt: fault if attempt == 0 and "1 years" in what else "") as server:
        texts = build(server, timeout=2).fuse(requests)
        assert [len(one) for one in texts] == [1] * 12
        assert all(is_about(one, request) for one, request in zip(texts, requests, strict=True))
        assert set(server.good.values()) == {1}
        assert server.good.total() == 12
    assert not caplog.records


def test_a_hundred_requests_survive_every_fault_at_once(build):
    def plan(what, attempt):
        draw = zlib.crc32(what.encode())
        return FAULTS[draw % len(FAULTS)] if attempt < draw // 16 % 3 else ""

    requests = [ask(number) for number in range(100)]
    with serving(plan) as server:
        texts = build(server, timeout=3, concurrency=32).fuse(requests)
        assert all(is_about(one, request) and len(one) == 1 for one, request in zip(texts, requests, strict=True))
        assert set(server.good.values()) == {1}
        assert server.attempts.total() > 150


def test_equal_requests_are_asked_once_and_get_equal_texts(build):
    with serving() as server:
        fuser = build(server, cache="off")
        texts = fuser.fuse([ask(1), ask(2), ask(1), ask(1, seed=5)])
        assert texts[0] == texts[2]
        assert server.good.total() == 3
        assert fuser.fuse([ask(1)]) == texts[:1]


@pytest.mark.parametrize(
    ("fault", "least"),
    [
        ("429 1", 0.95),
        ("429 date", 0.4),
        ("429", 0.2),
        ("429 soon", 0.2),
    ],  # a date has whole seconds; "soon" is neither
)
def test_it_waits_as_long_as_the_server_asks(fault, least, build):
    with serving(lambda what, attempt: "" if attempt else fault) as server:
        start = time.monotonic()
        assert build(server).fuse([ask(1)])[0]
        assert least < time.monotonic() - start < 4


def test_everybody_waits_when_one_is_told_to(build):
    with serving(lambda what, attempt: "429 1" if "|" in what and server.attempts.total() <= 1 else "") as server:
        build(server, concurrency=1).fuse([ask(number) for number in range(3)])
        assert server.attempts.total() == 4


def test_a_wait_longer_than_patience_ends_the_run_at_once(build):
    with (
        serving(lambda what, attempt: "429 3600") as server,
        pytest.raises(FuserError, match=r"3600 s.*resumes"),
    ):
        build(server).fuse([ask(1)])


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "request without key .OPENAI_API_KEY is not set.*key_env"),
        ("403", "key_env"),
        ("404 no such model: toy", "no such model: toy.*openai.model.*openai.base_url"),
        ("402", "payment"),
        ("429 insufficient_quota", "payment"),
        ("moved", "has moved to http://127.0.0.2:1/v1/chat/completions"),
    ],
)
def test_what_would_befall_every_request_is_an_error_that_names_the_fix(fault, said, build):
    with serving(lambda what, attempt: fault) as server:
        with pytest.raises(FuserError, match=said):
            build(server).fuse([ask(number) for number in range(4)])
        assert max(server.attempts.values()) == 1


def test_one_refused_request_leaves_the_others_alone(build, caplog):
    with serving(lambda what, attempt: "400 too long" if "3 years" in what else "") as server:
        texts = build(server).fuse([ask(number) for number in range(9)])
        assert [len(one) for one in texts] == [1, 1, 1, 0, 1, 1, 1, 1, 1]
        assert server.attempts.total() == 9
    assert [record.getMessage() for record in caplog.records] == [
        f"{server.url} refuses a request, which gets no text: 400: too long"
    ]


def test_one_request_that_always_breaks_the_server_is_given_up_after_its_retries(build):
    with serving(lambda what, attempt: "500" if "3 years" in what else "") as server:
        texts = build(server, retries=1).fuse([ask(number) for number in range(9)])
        assert [len(one) for one in texts] == [1, 1, 1, 0, 1, 1, 1, 1, 1]
        assert max(server.attempts.values()) == 2


@pytest.mark.parametrize("number", [3, 40])
def test_a_server_that_refuses_everything_stops_the_run_and_not_after_every_photo(number, build):
    with serving(lambda what, attempt: "400 unknown field seed") as server:
        with pytest.raises(FuserError, match=r"unknown field seed.*send_seed=false"):
            build(server, concurrency=4).fuse([ask(n) for n in range(number)])
        assert server.attempts.total() < 15


@pytest.mark.parametrize("fault", ["500", "no json", "cut", "trickle"])
def test_a_server_that_fails_at_every_request_is_not_said_to_refuse_a_field(fault, build, caplog):
    with (
        serving(lambda what, attempt: fault) as server,
        pytest.raises(FuserError, match=r"answers no request.*2 times.*resumes where this one stopped") as caught,
    ):
        build(server, retries=1, timeout=0.5).fuse([ask(number) for number in range(3)])
    assert "send_seed" not in str(caught.value)
    assert "refuses" not in caplog.text
    assert "gives up on a request" in caplog.text


def test_after_the_first_answer_a_batch_of_refused_requests_is_no_reason_to_stop(build):
    with serving(lambda what, attempt: "400" if "3 years" in what else "") as server:
        fuser = build(server)
        fuser.fuse([ask(1)])
        assert fuser.fuse([ask(3)]) == [[]]


def test_many_refused_requests_in_a_row_are_no_reason_to_stop_once_others_were_answered(build):
    with serving(lambda what, attempt: "" if "1 years" in what or "59 years" in what else "400 too long") as server:
        texts = build(server, concurrency=1).fuse([ask(1), *(ask(number) for number in range(22, 31)), ask(59)])
        assert [len(one) for one in texts] == [1, *[0] * 9, 1]


def test_the_captions_of_two_photos_that_are_refused_are_no_reason_to_stop(build):
    requests = [
        dataclasses.replace(ask(number), photo_id=ask(number // 5).photo_id, number=number % 5) for number in range(12)
    ]
    with serving(lambda what, attempt: "" if "11 years" in what else "400 too long") as server:
        texts = build(server, concurrency=1).fuse(requests)
        assert [len(one) for one in texts] == [*[0] * 11, 1]


def test_a_server_that_is_not_there_is_waited_for_and_then_an_error_says_how_to_go_on(build, caplog):
    with serving() as server:
        pass
    start = time.monotonic()
    with pytest.raises(
        FuserError, match=r"has answered no request .*connection refused.*resumes where this one stopped.*patience=5"
    ) as caught:
        build(server, patience=5).fuse([ask(number) for number in range(40)])
    assert 2 < time.monotonic() - start < 8
    assert server.url in str(caught.value)
    assert any("waiting for it" in record.getMessage() for record in caplog.records)


def test_a_server_that_is_down_for_a_while_is_waited_for(build, caplog):
    requests = [ask(number) for number in range(60)]
    texts = []
    with serving(seconds=0.05) as first:
        port, fuser = first.server_address[1], build(first, concurrency=2, patience=30)
        fusing = threading.Thread(target=lambda: texts.extend(fuser.fuse(requests)))
        fusing.start()
        while first.good.total() < 10:
            time.sleep(0.01)
    assert fusing.is_alive()
    time.sleep(4)
    with serving(port=port) as server:
        fusing.join(30)
    assert all(is_about(one, request) and len(one) == 1 for one, request in zip(texts, requests, strict=True))
    assert (first.good + server.good).total() <= 62  # two were under way when it went
    said = [record.getMessage() for record in caplog.records]
    assert any("waiting for it" in line for line in said)
    assert any("answers again after" in line for line in said)


@pytest.mark.nightly
def test_of_ten_thousand_queued_requests_only_a_few_exist_at_a_time(build):
    requests = [ask(number) for number in range(10_000)]
    with serving(lambda what, attempt: "401" if len(written) > 400 else "") as server:
        server.bodies = server.attempts = Forgetful()  # it lives in this process too
        fuser = build(server, concurrency=8)
        write, written, ahead = fuser._body, [], 0

        def counted(request):
            nonlocal ahead
            written.append(request.photo_id)
            ahead = max(ahead, len(written) - server.good.total())
            return write(request)

        fuser._body = counted
        fuser.fuse([ask(-1)])  # which imports what it needs
        tracemalloc.start()
        with pytest.raises(FuserError):
            fuser.fuse(requests)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert 0 < ahead <= 8
        assert server.most <= 8
        assert 400 < len(written) < 420
        assert peak < 8e6  # 10,000 bodies of requests would be 25 MB


@pytest.mark.parametrize("knows_n", [True, False])
def test_several_texts_are_the_same_whether_the_server_knows_n_or_not(knows_n, build):
    requests = [ask(number, count=3) for number in range(6)]
    with serving(knows_n=knows_n) as server:
        texts = build(server, concurrency=1).fuse(requests)
        asked = server.attempts.total()
    prompts = [openai.prompt_of(openai.OpenAIOptions(base_url="http://x"), request) for request in requests]
    assert texts == [
        [write_caption(prompt, request.seed % 2**31 + number) for number in range(3)]
        for prompt, request in zip(prompts, requests, strict=True)
    ]
    assert asked == (6 if knows_n else 1 + 2 + 5 * 3)  # the first answer shows that it gives one only


def test_a_server_that_refuses_n_is_asked_for_one_text_at_a_time(build):
    with serving(lambda what, attempt: "400 n must be 1" if what.endswith("|2") else "") as server:
        texts = build(server, concurrency=1).fuse([ask(number, count=2) for number in range(3)])
        assert [len(one) for one in texts] == [2, 2, 2]
        assert server.attempts.total() == 1 + 3 * 2


def test_the_only_model_is_found_and_of_several_one_has_to_be_named(build):
    with serving() as server:
        build(server, model="").fuse([ask(1)])
        assert server.bodies[0][1]["model"] == "toy"
        server.models = ["small", "large"]
        with pytest.raises(FuserError, match=r"lists several models: large, small.*openai.model=large"):
            build(server, model="").fuse([ask(2)])
        server.models = []
        with pytest.raises(FuserError, match="lists no model"):
            build(server, model="").fuse([ask(2)])


def test_what_is_sent_is_what_the_options_say(build):
    with serving() as server:
        build(server, system="Be brief.", temperature=0.3, top_p=0.5, max_tokens=40, extra_body={"top_k": 20}).fuse(
            [ask(1)]
        )
        path, body = server.bodies[-1]
        assert path == "/v1/chat/completions"
        system, user = body.pop("messages")
        assert system == {"role": "system", "content": "Be brief."}
        assert user["role"] == "user"
        assert "1 years old" in user["content"]
        seed = ask(1).seed % 2**31
        assert body == {"model": "toy", "temperature": 0.3, "top_p": 0.5, "max_tokens": 40, "seed": seed, "top_k": 20}


def test_a_refused_field_can_be_left_out(build):
    with serving() as server:
        other = {"max_tokens": "", "top_p": "", "max_completion_tokens": 99}
        texts = build(server, send_seed=False, extra_body=other).fuse([ask(1), ask(1, seed=7)])
        assert len(server.bodies) == 2  # other seeds, other answers, although the server cannot know
        assert all(len(one) == 1 for one in texts)
        assert server.bodies[0][1].keys() == {"model", "messages", "temperature", "max_completion_tokens"}


def test_vicuna_is_told_in_its_own_format(build):
    options = {"api": "completions", "chat_format": "vicuna"}
    with serving() as server:
        ((text,),) = build(server, **options).fuse([ask(1)])
        path, body = server.bodies[-1]
        assert path == "/v1/completions"
        assert body["prompt"].startswith("A chat between a curious user and an artificial intelligence assistant. The ")
        assert "questions. USER: " in body["prompt"]
        assert body["prompt"].endswith(" ASSISTANT:")
        assert body["stop"] == ["</s>", "USER:"]
        assert text == text.strip()
        told = openai.prompt_of(openai.OpenAIOptions(base_url=server.url, **options), ask(1))
        assert told == body["prompt"]


def test_what_a_model_thinks_is_no_caption(build, monkeypatch):
    text = "<think>\nShe.\n</think>\n\nA \ud800 woman. "
    monkeypatch.setattr("support.llm_server.write_caption", lambda prompt, seed: text)
    with serving() as server:
        assert build(server).fuse([ask(1)]) == [["A ? woman."]]  # half a character is not Unicode


def test_it_works_inside_a_running_loop_as_in_a_notebook(build):
    async def cell(fuser):
        return fuser.fuse([ask(1)])

    with serving() as server:
        assert is_about(asyncio.run(cell(build(server)))[0], ask(1))


def test_a_proxy_of_the_environment_is_not_used_for_a_server_on_this_machine(build, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving() as server:
        assert build(server).fuse([ask(1)])[0]


def test_an_interrupt_before_anything_was_asked_does_not_wait_for_ever(build, monkeypatch):
    monkeypatch.setattr("asyncio.run", lambda asked: asked.close())  # as where no loop can be made

    def interrupted(*_, **how):
        if "timeout" in how:
            raise KeyboardInterrupt
        return wait(*_, **how)

    monkeypatch.setattr("t2f_llm.client.server.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build("http://127.0.0.1:9/v1").fuse([ask(1)])


def test_an_interrupt_ends_it_at_once(tmp_path):
    script = """
        import signal, sys
        from support.llm_server import ask, build_fuser
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
        build_fuser(sys.argv[2], sys.argv[1]).fuse([ask(number) for number in range(50)])
    """
    with serving(lambda what, attempt: "hang") as server:
        command = [sys.executable, "-c", textwrap.dedent(script), server.url, str(tmp_path)]
        process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, stderr=subprocess.PIPE
        )
        while server.under_way < 16:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=5)
        assert b"KeyboardInterrupt" in said
