"""CLIP tokens: counts known from OpenAI's own tokenizer, and what becomes of a file that is none.

Whether the counts are those of open_clip and transformers on hundreds of texts: tests/reference/test_tokens.py.
"""

import gzip

import pytest

from text2face_core.errors import ArtifactError
from text2face_core.language.tokens import TokenCounter, token_counter
from text2face_core.models.store import ModelStore


@pytest.fixture(scope="module")
def counter(tokenizer_store):
    return token_counter(tokenizer_store)


@pytest.mark.models
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 2),
        (" \n\t ", 2),
        ("a", 3),
        ("A photo of a cat", 7),
        ("a  PHOTO\nof a cat", 7),
        ("A woman with brown hair.", 8),
        ("34", 4),  # digits stand alone
        ("34-year-old", 8),
        ("she's", 4),
        ("hello world!!!", 5),  # signs stay together
        ("eyeglasses", 4),
        ("naïve", 5),
        ("e\u0301", 3),  # as é, which is one letter
        ("İ", 4),
        ("😊", 3),
        ("a\xa0cat", 4),
    ],
)
def test_tokens_are_counted_as_clip_does(counter, text, tokens):
    assert counter.count(text) == tokens


@pytest.mark.models
def test_a_word_of_any_length_is_counted(counter):
    assert 50 < counter.count("x" * 500) <= 502
    assert counter.count("\ud800") > 2  # half a character, as a model's output may hold


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"\xff\xfe"), gzip.compress(b"#version\ni n\n")[:-9]],
    ids=["no gzip", "no text", "cut off"],
)
def test_a_file_that_is_no_list_of_merges_is_an_error(tmp_path, content):
    (tmp_path / "bad.gz").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"bad\.gz.*merges"):
        TokenCounter(tmp_path / "bad.gz")


def test_merges_are_made_in_the_order_of_the_list(tmp_path):
    path = tmp_path / "few.gz"
    path.write_bytes(gzip.compress(b"#version: 0.2\nb c</w>\na b\nab c</w>\n", mtime=0))
    counter = TokenCounter(path)
    assert counter.count("abc") == 2 + 2  # "bc" comes first, and "a bc" is not a pair of the list
    assert counter.count("ab") == 2 + 2  # "b</w>" is not "b"
    assert counter.count("abab") == 2 + 3


def test_a_store_without_the_file_says_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match=r"(?s)could not be fetched.*captions\.max_tokens=0"):
        token_counter(ModelStore(tmp_path, offline=True))
