"""Captions that are longer than what a text encoder reads."""

import dataclasses

import pytest
from support.habits import captions_of, right, rows_of, set_up

from text2face_core.errors import ArtifactError
from text2face_core.models.store import ModelStore
from text2face_core.records import Finding

MANY = ("arched_eyebrows", "bags_under_eyes", "bangs", "big_lips", "big_nose", "brown_hair", "bushy_eyebrows", "goatee")
MANY += ("double_chin", "eyeglasses", "heavy_makeup", "high_cheekbones", "oval_face", "pointy_nose", "rosy_cheeks")
MANY += ("wavy_hair", "wearing_earrings", "wearing_hat", "wearing_lipstick", "wearing_necklace", "pale_skin")
LONG = " This is " + " ".join(f"number{n}" for n in range(40)) + "."


def rows_with_many(count, names=MANY):
    return [
        dataclasses.replace(row, findings=(*row.findings, *(Finding(name, True, 0.9) for name in names)))
        for row in rows_of(count)
    ]


@pytest.mark.models
def test_a_text_that_is_too_long_is_asked_for_again_in_a_shorter_style(tokenizer_store):
    def write(request):
        return [right(request) + (LONG if request.style == "long" else "")]

    settings = ["captions.max_tokens=77", "captions.styles={long=1}"]
    captioning, fuser = set_up(write, *settings, store=tokenizer_store)
    captions = captions_of(captioning, rows_of(2))
    assert [request.style for request in fuser.asked] == ["long"] * 8 + ["short"] * 8
    assert {(one.style, one.tries, one.fuser) for one in captions} == {("short", 2, "habit")}


@pytest.mark.models
def test_a_text_that_stays_too_long_is_replaced_and_nothing_is_cut(tokenizer_store):
    captioning, _ = set_up(lambda request: [right(request) + LONG], "captions.max_tokens=77", store=tokenizer_store)
    for caption in captions_of(captioning, rows_of(2)):
        assert caption.fuser == "phrasebook"
        assert 0 < caption.tokens <= 77
        assert all(reason.startswith("over 77 tokens (") for reason in caption.refusals)


@pytest.mark.models
@pytest.mark.parametrize(("names", "limit", "styles"), [(MANY[:14], 67, {"long", "short"}), (MANY, 77, {"tags"})])
def test_the_phrasebook_says_much_in_a_shorter_style_and_leaves_nothing_out(names, limit, styles, tokenizer_store):
    settings = [f"captions.max_tokens={limit}", "captions.styles={long=1}", "captions.words={}", "captions.retries=0"]
    captioning, _ = set_up(lambda request: ["no"], *settings, store=tokenizer_store)
    captions = captions_of(captioning, rows_with_many(12, names))
    assert {one.style for one in captions} >= styles
    assert all(one.tokens <= limit and not one.missed for one in captions)
    assert any(reason.startswith(f"over {limit} tokens") for one in captions for reason in one.refusals)


@pytest.mark.models
def test_what_fits_in_no_style_is_kept_whole_and_said_to_be_too_long(tokenizer_store):
    settings = ["captions.max_tokens=20", "captions.words={}"]
    captioning, _ = set_up(lambda request: ["no"], *settings, store=tokenizer_store)
    for caption in captions_of(captioning, rows_with_many(3)):
        assert (caption.style, caption.missed) == ("tags", ())
        assert caption.tokens > 20
        assert caption.refusals[-1] == f"over 20 tokens ({caption.tokens})"


@pytest.mark.models
def test_without_a_fallback_a_text_that_is_too_long_does_not_stay(tokenizer_store):
    settings = ["captions.max_tokens=20", 'captions.fallback=""']
    captioning, _ = set_up(lambda request: [right(request) + LONG], *settings, store=tokenizer_store)
    assert captions_of(captioning, rows_of(2)) == []


def test_without_a_limit_no_tokenizer_is_needed(tmp_path):
    captioning, _ = set_up(lambda request: [right(request)], store=ModelStore(tmp_path, offline=True))
    assert {one.tokens for one in captions_of(captioning, rows_of(1))} == {0}


def test_without_its_file_the_error_says_how_to_get_it_or_do_without(tmp_path):
    with pytest.raises(ArtifactError, match=r"(?s)t2f models pull bpe_simple.*captions\.max_tokens=0"):
        set_up(lambda request: [], "captions.max_tokens=77", store=ModelStore(tmp_path, offline=True))
