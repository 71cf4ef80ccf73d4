"""RECAP through transformers' own pipeline, with a tiny random LLaVA."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from t2f_llm.recap import RecapOptions, build

from text2face_core.contracts import FusionRequest, Runtime
from text2face_core.errors import FuserError
from text2face_core.models.store import ModelStore
from text2face_core.records import Bag

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]

CHAT = (
    "{% for m in messages %}USER: {% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %} ASSISTANT:"
)
PATCH, SIDE = 14, 56


def write_llava(folder: Path) -> Path:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    specials = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
    vocabulary = {token: place for place, token in enumerate([*specials, *pre_tokenizers.ByteLevel.alphabet()])}
    letters = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    letters.add_special_tokens(specials)
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, do_center_crop=True
        ),
        tokenizer=PreTrainedTokenizerFast(tokenizer_object=letters, **names, extra_special_tokens={"image": "<image>"}),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    )
    processor.save_pretrained(folder)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**small, image_size=SIDE, patch_size=PATCH),
        text_config=LlamaConfig(**small, vocab_size=len(vocabulary), max_position_embeddings=4096),
        image_token_id=vocabulary["<image>"],
    )
    network = LlavaForConditionalGeneration(config)
    for weights in network.parameters():
        weights.data *= 4  # else what it says hardly depends on what it sees
    network.generation_config.eos_token_id = vocabulary["</s>"]
    network.generation_config.pad_token_id = vocabulary["<pad>"]
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def llava(tmp_path_factory) -> Path:
    pytest.importorskip("transformers")
    pytest.importorskip("torchvision")
    return write_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("photos")
    for name, colour in (("red", (250, 0, 0)), ("blue", (0, 0, 250))):
        Image.new("RGB", (120, 80), colour).save(folder / f"{name}.png")
    return [str(folder / "red.png"), str(folder / "blue.png")]


def fuser(llava, **options):
    given = {"backend": "transformers", "model": str(llava), "max_tokens": 12, "temperature": 1.0, "top_p": 1.0}
    return build(RecapOptions(**{**given, **options}), Runtime(ModelStore()))


def requests(photos, **more) -> list[FusionRequest]:
    return [
        FusionRequest(f"{number:016x}", uri, 0, Bag(()), style, 7 + number, 2, **more)
        for number, (uri, style) in enumerate((uri, style) for uri in photos for style in ("short", "long"))
    ]


def test_each_request_gets_its_texts_whatever_else_is_asked(llava, photos):
    one = fuser(llava)
    texts = one.fuse(requests(photos))
    assert [len(said) for said in texts] == [2] * 4
    assert len({text for said in texts for text in said}) == 8
    assert [one.fuse([request])[0] for request in requests(photos)[::-1]][::-1] == texts


def test_what_is_said_depends_on_what_is_seen(llava, photos):
    cold = fuser(llava, temperature=0.0)
    red, blue = (cold.fuse([replace(requests(photos)[0], uri=uri)])[0] for uri in photos)
    assert red[0] != blue[0]
    assert red[0] == red[1]


def test_the_random_state_of_others_is_left_alone(llava, photos):
    import torch

    one = fuser(llava)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one.fuse(requests(photos)[:1])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_photo_that_is_gone_gets_no_text(llava, photos, tmp_path):
    asked = requests([str(tmp_path / "gone.png"), photos[0]])
    assert [len(said) for said in fuser(llava).fuse(asked)] == [0, 0, 2, 2]


def test_a_model_that_cannot_be_run_is_named(llava, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FuserError, match=r"cannot run .*empty.*recap\.model"):
        fuser(tmp_path / "empty")
