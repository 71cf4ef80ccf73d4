"""Options of the openai fuser: what is refused, what a caption depends on, and the key, which is said nowhere."""

import logging
from functools import partial

import pytest
from support.llm_server import ask, build_fuser, serving
from t2f_llm import openai

from text2face_core.errors import FuserError

pytest.importorskip("httpx2")

KEY = "sk-sentinel-0123456789abcdef"


@pytest.fixture(autouse=True)
def _a_quiet_place(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def build(tmp_path):
    """A fuser for a server, its answers kept in the test's folder."""
    return partial(build_fuser, tmp_path / "models")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_url": ""}, "--set openai.base_url=http://127.0.0.1:8000/v1"),
        ({"base_url": "http://ada:hunter2@host/v1"}, "user name or password"),
        ({"base_url": "http://hunter2@host/v1"}, "user name or password"),
        ({"base_url": "http://host/v1?key=hunter2"}, "? or #"),
        ({"base_url": "host:8000"}, "http:// or https://"),
        ({"base_url": "http://host:hunter2/v1"}, "Port could not be cast"),
        ({"extra_body": {"api_key": "hunter2"}}, "api_key: "),
        ({"extra_body": {"n": 2, "stream": True}}, "n, stream: "),
        ({"chat_format": "vicuna"}, "api=completions"),
        ({"chat_format": "alpaca", "api": "completions"}, "vicuna"),
        ({"prompt": "papper"}, '"papper"'),
        ({"concurrency": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_options_are_refused_with_a_reason_that_repeats_no_secret(options, said):
    with pytest.raises(ValueError, match="validation error") as caught:
        openai.OpenAIOptions(**{"base_url": "http://host/v1", **options})
    assert said in str(caught.value)
    if "base_url" in options:
        assert "hunter2" not in str(caught.value) or "cast" in said


def test_options_that_change_no_caption_are_no_part_of_its_identity():
    given = {"concurrency": 1, "timeout": 9, "key_env": "OTHER_API_KEY", "cache": "off"}
    one = openai.OpenAIOptions(base_url="http://host/v1", **given)
    assert one.model_dump(mode="json") == openai.OpenAIOptions(base_url="http://host/v1/").model_dump(mode="json")


@pytest.mark.parametrize("fault", ["", "echo 401", "echo 400", "echo 500"])
def test_the_key_is_sent_and_said_nowhere(fault, build, monkeypatch, tmp_path, caplog, capfd):
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpcore2").setLevel(logging.DEBUG)
    with serving(lambda what, attempt: fault) as server:
        fuser = build(server, retries=0)
        try:
            said = repr(fuser.fuse([ask(1)]))
        except FuserError as error:
            said = f"{error!r} {error.__cause__!r} {error.__context__!r}"
            assert "wrong key: Bearer …" in said
        assert server.keys == {f"Bearer {KEY}"}
    said += caplog.text + repr(vars(fuser)) + repr(vars(fuser._server)) + "".join(capfd.readouterr())
    assert len(caplog.records) > 3
    assert KEY not in said
    assert not any(KEY.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_another_variable_can_hold_the_key_and_none_is_sent_where_none_is_set(build, monkeypatch):
    monkeypatch.setenv("OTHER_API_KEY", "abc")
    with serving() as server:
        build(server).fuse([ask(1)])
        build(server, key_env="OTHER_API_KEY").fuse([ask(2)])
        assert server.keys == {None, "Bearer abc"}


def test_a_key_that_cannot_be_sent_is_an_error_that_does_not_repeat_it(build, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "two words")
    with serving() as server, pytest.raises(FuserError, match="OPENAI_API_KEY") as caught:
        build(server).fuse([ask(1)])
    assert "two" not in str(caught.value)
