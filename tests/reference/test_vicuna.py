"""The fuser over the real vLLM, with tiny random Llamas on a CPU: `nox -s vllm`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from t2f_llm.vicuna import VicunaOptions, prompt_of

from text2face_core.contracts import FusionRequest, Runtime
from text2face_core.errors import FuserError
from text2face_core.models.store import ModelStore
from text2face_core.records import Bag, BagItem

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]

CHAT = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{% endfor %}[assistant]"
TEXTS = [
    "A chat between a curious user and an artificial intelligence assistant. USER: woman, smiling ASSISTANT:",
    "A woman with brown hair and a smile on her face, about 34 years old, in one short English sentence.",
]


def request(number: int, *, count: int = 1, words: str = "") -> FusionRequest:
    bag = Bag((BagItem("age", 20.0 + number, words or f"{20 + number} years old", "F1"),))
    return FusionRequest(f"{number:016x}", "", 0, bag, "short", 1000 + number, count)


REQUESTS = [request(number, count=1 + number % 3) for number in range(12)]


def write_llama(folder: Path, chat_template: str | None) -> Path:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = Tokenizer(models.BPE())
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    letters.train_from_iterator(TEXTS * 5, trainer)
    letters.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=chat_template
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,  # heads of 32: the least that vLLM's attention on a CPU knows
        num_key_value_heads=2,
        max_position_embeddings=4096,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    pytest.importorskip("vllm")
    os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    from t2f_llm.backends.vllm import Vicuna

    room = tmp_path_factory.mktemp("llamas")

    def made(name: str, chat_template: str | None = None, **options) -> Vicuna:
        folder = write_llama(room / name, chat_template)
        given = {"max_tokens": 16, "max_model_len": 1024, "temperature": 1.0, "top_p": 1.0, "dtype": "float32"}
        return Vicuna(VicunaOptions(model=str(folder), **{**given, **options}), Runtime(ModelStore(room)))

    return made


@pytest.fixture(scope="module")
def vicuna(make):
    return make("vicuna-tiny")


@pytest.fixture(scope="module")
def texts(vicuna):
    return vicuna.fuse(REQUESTS)


def test_each_request_gets_as_many_texts_as_it_asks_for_and_they_differ(texts):
    assert [len(one) for one in texts] == [one.count for one in REQUESTS]
    said = [text for one in texts for text in one]
    assert len(set(said)) == len(said)


def test_draws_do_not_depend_on_what_else_is_in_the_batch(vicuna, texts):
    assert [vicuna.fuse([one])[0] for one in REQUESTS] == texts
    assert vicuna.fuse(REQUESTS[::-1])[::-1] == texts


def test_another_seed_says_something_else(vicuna, texts):
    other = vicuna.fuse([replace(one, seed=one.seed + 1) for one in REQUESTS])
    assert all(set(a).isdisjoint(b) for a, b in zip(other, texts, strict=True))


def test_the_engine_reads_the_format_behind_a_beginning_of_sequence(vicuna):
    from t2f_llm.backends.vllm import sampling

    options = vicuna._options
    wanted = prompt_of(options, REQUESTS[0])
    (answered,) = vicuna._ask([wanted], [sampling(options, REQUESTS[0])])
    assert answered.prompt == wanted
    tokens = answered.prompt_token_ids
    assert tokens[0] == 1
    assert 1 not in tokens[1:]
    assert vicuna._llm.get_tokenizer().decode(tokens[1:]) == wanted


def test_a_prompt_that_does_not_fit_gets_no_text_and_the_others_do(vicuna):
    one, none, other = vicuna.fuse([request(0), request(1, words="~ " * 2000), request(2)])
    assert one
    assert none == []
    assert other


def test_all_that_decides_over_a_text_is_said(vicuna):
    from t2f_llm.backends.vllm import sampling

    asked = sampling(VicunaOptions(stop=("\n\n",)), request(3, count=4))
    assert (asked.n, asked.max_tokens, asked.temperature, asked.top_p) == (4, 160, 0.7, 0.95)
    assert asked.stop == ["</s>", "USER:", "\n\n"]
    assert asked.seed is not None
    assert asked.seed != sampling(VicunaOptions(), replace(request(3), seed=4)).seed


def test_without_chance_one_text_is_asked_for_and_always_the_same(make):
    fuser = make("vicuna-cold", temperature=0.0)
    texts = fuser.fuse([request(1, count=3), replace(request(1, count=3), seed=5)])
    assert texts[0] == texts[1]
    assert len(texts[0]) == 1


def test_any_other_model_gets_its_own_chat_template(make):
    fuser = make("other-tiny", CHAT)
    from t2f_llm.backends.vllm import sampling

    prompt = prompt_of(fuser._options, request(1))
    (answered,) = fuser._ask([prompt], [sampling(fuser._options, request(1))])
    assert fuser._llm.get_tokenizer().decode(answered.prompt_token_ids).endswith(f"[user] {prompt}[assistant]")
    assert [len(one) for one in fuser.fuse(REQUESTS)] == [one.count for one in REQUESTS]


def test_a_model_that_cannot_be_run_is_named_with_the_reason(make, tmp_path):
    (tmp_path / "empty").mkdir()
    from t2f_llm.backends.vllm import Vicuna

    with pytest.raises(FuserError, match=r"vLLM cannot run .*empty"):
        Vicuna(VicunaOptions(model=str(tmp_path / "empty")), Runtime(ModelStore(tmp_path)))
