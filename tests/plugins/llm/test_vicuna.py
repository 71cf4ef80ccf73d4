"""Vicuna without vLLM: its prompt, and where its files lie. With vLLM: tests/reference/test_vicuna.py."""

from __future__ import annotations

import pytest
from t2f_llm.vicuna import ARTIFACTS, PREFIX, REVISION, VICUNA, VicunaOptions, needs, prompt_of

from text2face_core.contracts import FusionRequest
from text2face_core.language.prompts import Prompts
from text2face_core.models.store import ModelStore
from text2face_core.records import Bag, BagItem

REQUEST = FusionRequest("0" * 16, "", 0, Bag((BagItem("gender", "female", "woman", "F1"),)), "long", 7)
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def test_the_prompt_is_the_documented_format_to_the_letter():
    """FastChat's vicuna_v1.1: one space between the parts, nothing behind the last colon; <s> is the tokenizer's."""
    asked = Prompts("paper").render(REQUEST)
    assert prompt_of(VicunaOptions(), REQUEST) == f"{SYSTEM} USER: {asked} ASSISTANT:"


@pytest.mark.parametrize(
    ("options", "wraps"),
    [
        ({}, True),
        ({"model": "lmsys/vicuna-7b-v1.5"}, True),
        ({"model": "/models/Vicuna-13B/"}, True),
        ({"model": "Qwen/Qwen2.5-7B-Instruct"}, False),
        ({"model": "/home/vicuna/llama"}, False),  # the folder's own name counts
        ({"model": "/home/ada/mine", "chat_format": "vicuna"}, True),
        ({"chat_format": "model"}, False),
    ],
)
def test_other_models_keep_their_own_chat_template(options, wraps):
    options = VicunaOptions(**options)
    assert options.wraps == wraps
    assert prompt_of(options, REQUEST).endswith("ASSISTANT:") == wraps


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, len(ARTIFACTS)),
        ({"revision": REVISION}, len(ARTIFACTS)),
        ({"revision": "1" * 40}, 0),
        ({"model": "a/b"}, 0),
    ],
)
def test_only_vicuna_itself_comes_from_the_model_store(options, count):
    assert len(needs(VicunaOptions(**options))) == count


def test_every_file_is_pinned_and_says_its_licence():
    for artifact in ARTIFACTS:
        assert artifact.licence == "Llama 2 Community"
        assert [(source.repo, source.revision) for source in artifact.sources] == [(VICUNA, REVISION)]
        assert artifact.name == PREFIX + artifact.sources[0].filename


def test_vllm_finds_the_files_under_their_own_names(tmp_path):
    from t2f_llm.backends.vllm import folder

    (tmp_path / "files").mkdir()
    given = {}
    for artifact in ARTIFACTS:
        given[artifact.name] = tmp_path / "files" / f"mine of {artifact.name}"
        given[artifact.name].write_text(artifact.name)
    store = ModelStore(tmp_path / "store", local=given)
    for _ in range(2):  # the second time, the links are there
        found = folder(VicunaOptions(), store)
    assert {path.name for path in found.iterdir()} == {artifact.sources[0].filename for artifact in ARTIFACTS}
    assert (found / "config.json").read_text() == PREFIX + "config.json"
