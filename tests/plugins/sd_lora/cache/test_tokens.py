"""Tokens: exactly what the tokenizer gives, cached, with the pad token that the base model was trained with."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from support import tiny_sd
from t2f_sd_lora.cache import tokens as _tokens
from t2f_sd_lora.cache.tokens import TokenCache
from t2f_sd_lora.model.tokenizer import declared_pads, encode_texts, settle_pad

from text2face_core.dataset import open_dataset

torch = pytest.importorskip("torch")

TEXTS = [["a photo of the man", "the woman"], ["A Photo of zebras!"], ["year " * 100, "short", "hair\tand\n smile"]]


def folder_of(path: Path, texts: list[list[str]], styles: list[list[str]] | None = None) -> Path:
    path.mkdir(exist_ok=True)
    lines = []
    for number, captions in enumerate(texts):
        line = {"file_name": f"{number}.png", "text": captions}
        lines.append(json.dumps(line | ({"style": styles[number]} if styles else {})) + "\n")
    (path / "metadata.jsonl").write_text("".join(lines))
    return path


@pytest.fixture
def dataset(tmp_path):
    return open_dataset(folder_of(tmp_path / "set", TEXTS, [["long", "short"], [""], ["long", "short", "odd"]]))


@pytest.fixture
def tokenizer(tiny_base):
    return open_tokenizer(tiny_base / "tokenizer")


def open_tokenizer(folder: Path):
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder)


def test_ids_are_those_of_the_tokenizer(tmp_path, tokenizer, dataset):
    cache = TokenCache.open(tmp_path / "cache", tokenizer, dataset)
    assert len(cache) == 3
    for number, texts in enumerate(TEXTS):
        for caption, text in enumerate(texts):
            direct = tokenizer(text.strip(), padding="max_length", truncation=True, max_length=77, return_tensors="pt")
            found = cache.ids(number, caption)
            assert found.dtype == torch.int64
            assert torch.equal(found, direct.input_ids[0])
    assert torch.equal(cache.empty, tokenizer("", padding="max_length", return_tensors="pt").input_ids[0])


def test_each_caption_keeps_its_style(tmp_path, tokenizer, dataset):
    cache = TokenCache.open(tmp_path / "cache", tokenizer, dataset)
    assert [cache.styles(number) for number in range(3)] == [("long", "short"), ("",), ("long", "short", "odd")]


def test_captions_longer_than_the_encoder_reads_are_counted_and_cut(tmp_path, tokenizer, dataset):
    cache = TokenCache.open(tmp_path / "cache", tokenizer, dataset)
    assert (cache.counts.captions, cache.counts.over, cache.counts.longest) == (6, 1, 102)
    assert str(cache.counts).startswith(
        "6 captions of 3 pictures; 17 % longer than 77 tokens (1 of them, the longest has 102)"
    )
    cut = cache.ids(2, 0).tolist()
    assert cut[-1] == tokenizer.eos_token_id
    assert len(set(cut[1:-1])) == 1


def test_a_caption_that_fits_exactly_is_not_cut(tmp_path, tokenizer):
    data = open_dataset(folder_of(tmp_path / "set", [["year " * 75], ["year " * 76]]))
    assert TokenCache.open(tmp_path / "cache", tokenizer, data).counts.over == 1


@pytest.mark.parametrize("caption", [-1, 1])
def test_a_caption_of_another_sample_is_never_given(tmp_path, tokenizer, dataset, caption):
    with pytest.raises(IndexError, match="sample 1, which has 1"):
        TokenCache.open(tmp_path / "cache", tokenizer, dataset).ids(1, caption)


def test_a_second_opening_tokenises_nothing(tmp_path, tokenizer, dataset, monkeypatch):
    first = TokenCache.open(tmp_path / "cache", tokenizer, dataset)
    monkeypatch.setattr(_tokens, "_make", None)
    again = TokenCache.open(tmp_path / "cache", tokenizer, dataset)
    assert torch.equal(first.ids(2, 1), again.ids(2, 1))
    assert again.counts == first.counts


def test_other_captions_or_another_pad_token_make_another_cache(tmp_path, tokenizer, dataset):
    first = TokenCache.open(tmp_path / "cache", tokenizer, dataset)
    other = open_dataset(folder_of(tmp_path / "set", [["the woman"]]))
    second = TokenCache.open(tmp_path / "cache", tokenizer, other)
    tokenizer.pad_token = tokenizer.eos_token
    third = TokenCache.open(tmp_path / "cache", tokenizer, other)
    assert len({first.folder, second.folder, third.folder}) == 3
    assert third.ids(0, 0)[-1] == tokenizer.eos_token_id != second.ids(0, 0)[-1]


def test_using_the_tokenizer_in_between_changes_nothing(tmp_path, tokenizer, dataset):
    first = TokenCache.open(tmp_path / "cache", tokenizer, dataset)
    tokenizer("a", padding="max_length", max_length=10, truncation=True)  # which the tokenizer remembers
    assert TokenCache.open(tmp_path / "cache", tokenizer, dataset).folder == first.folder


def test_what_a_kill_left_behind_is_made_anew(tmp_path, tokenizer, dataset, monkeypatch):
    class Killed(BaseException):
        pass

    def dies(*_args, **_kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(
            _tokens.json, "dumps", lambda *a, **k: dies() if "counts" in a[0] else json.JSONEncoder(**k).encode(*a)
        )
        with pytest.raises(Killed):
            TokenCache.open(tmp_path / "cache", tokenizer, dataset)
    assert list((tmp_path / "cache").glob(".tokens*.tmp"))
    cache = TokenCache.open(tmp_path / "cache", tokenizer, dataset)
    assert cache.counts.captions == 6
    assert not list((tmp_path / "cache").glob(".tokens*.tmp"))


def test_the_cache_can_be_sent_to_a_worker_without_its_ids(tmp_path, tokenizer):
    data = open_dataset(folder_of(tmp_path / "set", [["the man"]] * 3000))
    cache = TokenCache.open(tmp_path / "cache", tokenizer, data)
    told = pickle.dumps(cache)
    assert len(told) < 3000 * 77
    assert torch.equal(pickle.loads(told).ids(2999, 0), cache.ids(2999, 0))


def test_ids_lie_on_the_disk_in_two_bytes(tmp_path, tokenizer, dataset):
    cache = TokenCache.open(tmp_path / "cache", tokenizer, dataset)
    assert (cache.folder / "ids").stat().st_size == 6 * 77 * np.dtype(np.uint16).itemsize


# --- the pad token ---------------------------------------------------------------------------------------------------


def contradicting(folder: Path, config: str, special: str | dict) -> Path:
    """A tokenizer's files that name two pad tokens, as those of SD 2.1 do."""
    tiny_sd.write_tokenizer(folder)
    for name, pad in (("tokenizer_config.json", config), ("special_tokens_map.json", special)):
        told = json.loads((folder / name).read_text()) | {"pad_token": pad}
        (folder / name).write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize("special", ["!", {"content": "!", "lstrip": False, "rstrip": False}], ids=["text", "object"])
def test_files_that_contradict_each_other_are_seen(tmp_path, special):
    folder = contradicting(tmp_path / "t", tiny_sd.END, special)
    assert declared_pads(folder) == {"tokenizer_config.json": tiny_sd.END, "special_tokens_map.json": "!"}


@pytest.mark.parametrize(("config", "special"), [(tiny_sd.END, "!"), ("!", tiny_sd.END), (tiny_sd.END, tiny_sd.END)])
def test_captions_for_sd_2_are_padded_with_id_0_whatever_the_files_say(tmp_path, config, special):
    folder = contradicting(tmp_path / "t", config, special)
    tokenizer = open_tokenizer(folder)
    before = tokenizer.pad_token
    told = settle_pad(tokenizer, folder, 0)
    assert tokenizer.pad_token_id == 0
    assert encode_texts(tokenizer, ["the man"])[0][0][-1] == 0
    assert bool(told) == (before != "!")
    if told:
        assert "'!' (id 0)" in told
        assert f"{config} in tokenizer_config.json and {special} in special_tokens_map.json" in told


def test_the_pad_token_of_sd_1_is_left_as_it_is(tiny_base_15):
    tokenizer = open_tokenizer(tiny_base_15 / "tokenizer")
    assert settle_pad(tokenizer, tiny_base_15 / "tokenizer") == ""
    assert tokenizer.pad_token == tiny_sd.END


def test_where_files_contradict_and_nothing_is_known_the_special_tokens_win(tmp_path):
    folder = contradicting(tmp_path / "t", tiny_sd.END, "!")
    tokenizer = open_tokenizer(folder)
    settle_pad(tokenizer, folder)
    assert tokenizer.pad_token_id == 0
