"""Our count of CLIP tokens beside the tokenizers of transformers and open_clip."""

from __future__ import annotations

import gzip
import json
import random
import unicodedata
import warnings

import pytest

from text2face_core.language.tokens import token_counter

pytestmark = [pytest.mark.reference, pytest.mark.models]

CAPTIONS = (
    "A photo of a woman with brown hair, wearing a hat.",
    "This is a blurry black and white picture of a 34-year-old man who's 29 to 39 years old.",
    "She isn't smiling; they've got it, I'd say, and we'll see: you're right, I'm sure.",
    "A person with a five o'clock shadow, arched eyebrows, bags under the eyes and high cheekbones.",
    "ALL CAPS, CamelCase, snake_case, kebab-case, a/b, 50%, $3.99, #1, @home, 1,234,567.89",
    "«quoted» ‘single’ “double” – en — em … ellipsis",
    "naïve café, Zoë, São Paulo, Ångström, Łódź, İstanbul, straße, ΟΔΥΣΣΕΥΣ, Привет, 日本語, مرحبا, ไทย, हिन्दी",
    "e\u0301 n\u0303 ﬁ ½ ² ① Ⅷ ㊀ ª º ʰ",
    "😊 👩\u200d🦰 🇫🇷 ♥ ✓ ™ © ® ° § ¶",
    "tabs\tand\nnew\r\nlines\x0b\x0c and\xa0no-break\u2003em\u2028line\u3000wide  spaces ",
    "'s 'S 't're've'm'll'd ''s x's's '''' a'b",
    "zero\u200bwidth\ufeffmarks\u00adsoft",
    "",
    " ",
    "x" * 300,
    "supercalifragilisticexpialidocious antidisestablishmentarianism pneumonoultramicroscopic",
)


def texts() -> list[str]:
    """The above, and random ones of their words, of ASCII and of any letters."""
    rng = random.Random(0)
    words = " ".join(CAPTIONS).split(" ")
    mixed = [" ".join(rng.choices(words, k=rng.randrange(1, 40))) for _ in range(300)]
    ascii_ = ["".join(chr(rng.randrange(32, 127)) for _ in range(rng.randrange(60))) for _ in range(300)]
    letters = [chr(code) for code in range(0xA0, 0x3000) if unicodedata.category(chr(code)) not in {"Cn", "Co", "Cs"}]
    any_ = ["".join(rng.choices([*letters, " ", "a", "'s"], k=rng.randrange(30))) for _ in range(300)]
    return [*CAPTIONS, *mixed, *ascii_, *any_]


@pytest.fixture(scope="module")
def counter(tokenizer_store):
    return token_counter(tokenizer_store)


@pytest.fixture(scope="module")
def merges(tokenizer_store):
    from text2face_core.language.tokens import MERGES

    return tokenizer_store.path(MERGES)


def test_counts_are_those_of_transformers(counter, merges, tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("clip")
    lines = gzip.decompress(merges.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [*map(chr, seen), *(chr(256 + number) for number in range(256 - len(seen)))]
    names = [*letters, *(letter + "</w>" for letter in letters), *("".join(line.split()) for line in lines)]
    names += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({name: number for number, name in enumerate(names)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer = transformers.CLIPTokenizerFast.from_pretrained(str(folder))
    differing = [
        (text, counter.count(text), found)
        for text in texts()
        if counter.count(text) != (found := len(tokenizer(text)["input_ids"]))
    ]
    assert differing == []
    assert len(names) == 49_408


def test_counts_are_those_of_open_clip_where_it_mends_nothing(counter):
    tokenizer = pytest.importorskip("open_clip.tokenizer").SimpleTokenizer()
    ftfy = pytest.importorskip("ftfy")
    plain = [
        text
        for text in texts()
        if ftfy.fix_text(text) == unicodedata.normalize("NFC", text)
        and "&" not in text
        and "\u0345" not in text  # a mark whose capital is a letter, and so a letter to open_clip's regex
    ]
    assert len(plain) > 500
    differing = [
        (text, counter.count(text), found)
        for text in plain
        if counter.count(text) != (found := len(tokenizer.encode(text)) + 2)
    ]
    assert differing == []
