"""Each option of the trainer does what it says: those that decide what is learned change it, the others do not."""

from __future__ import annotations

import pytest
from support.sd_training import steps_of, train, weights
from t2f_sd_lora import SdLoraOptions
from t2f_sd_lora.model import lora_files
from t2f_sd_lora.options import PROMPTS

STEPS = 3
LEARNS_OTHERWISE = {
    "accumulation": 2,
    "alpha": 2.0,
    "batch_size": 1,
    "betas": (0.5, 0.9),
    "caption_dropout": 1.0,
    "clip": 1e-6,
    "ema": 0.5,
    "epsilon": 1.0,
    "flip": True,
    "held_out": 1,
    "learning_rate": 2e-3,
    "min_snr": 1.0,
    "noise_offset": 0.1,
    "rank": 4,
    "resolution": 128,
    "schedule": "cosine",
    "steps": STEPS + 1,
    "text_alpha": 2.0,
    "text_encoder": False,
    "text_learning_rate": 2e-3,
    "text_rank": 4,
    "warmup": 2,
    "weight_decay": 0.5,
}
LEARNS_THE_SAME = {
    "channels_last": True,
    "checkpoint_every": 1,
    "fused": False,
    "gradient_checkpointing": True,
    "keep_checkpoints": 1,
    "prompts": ("a man",),
    "tensorboard": True,
    "tf32": False,
    "validate_every": 1,
}
TRIED_ELSEWHERE = {
    *("base", "revision", "prediction", "styles", "bucket_aspect", "cache", "cache_latents", "optimizer"),
    *("compile", "resume", "prompt_seeds", "inference_steps", "guidance", "push_to_hub"),
}


@pytest.fixture(scope="module")
def plain(tiny_base, photos16, shared_cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("plain")
    train(tiny_base, photos16, out, cache=shared_cache, steps=STEPS)
    return out


def test_all_options_are_tried():
    assert set(SdLoraOptions.model_fields) == {*LEARNS_OTHERWISE, *LEARNS_THE_SAME, *TRIED_ELSEWHERE}


@pytest.mark.parametrize("name", LEARNS_OTHERWISE)
def test_a_setting_counts(tiny_base, photos16, shared_cache, tmp_path, plain, name):
    train(tiny_base, photos16, tmp_path, cache=shared_cache, **{"steps": STEPS, name: LEARNS_OTHERWISE[name]})
    a, b = weights(tmp_path), weights(plain)
    shapes = [{key: one.shape for key, one in found.items()} for found in (a, b)]
    assert shapes[0] != shapes[1] or max(float((a[key] - b[key]).abs().max()) for key in a) > 1e-6


@pytest.mark.parametrize("name", LEARNS_THE_SAME)
def test_a_setting_of_speed_or_of_watching_changes_nothing(tiny_base, photos16, shared_cache, tmp_path, plain, name):
    train(tiny_base, photos16, tmp_path, cache=shared_cache, **{"steps": STEPS, name: LEARNS_THE_SAME[name]})
    assert steps_of(tmp_path) == pytest.approx(steps_of(plain), rel=1e-4)


def test_both_files_keep_the_alphas(tiny_base, photos16, shared_cache, tmp_path):
    form = {"rank": 4, "alpha": 2.0, "text_rank": 4, "text_alpha": 1.0}
    train(tiny_base, photos16, tmp_path, cache=shared_cache, steps=1, **form)
    for name in (lora_files.NAME, lora_files.KOHYA_NAME):
        assert lora_files.load(tmp_path / name).alphas == {"unet": 2.0, "text_encoder": 1.0}


@pytest.mark.parametrize("wanted", [True, False])
def test_the_unet_is_compiled_where_that_is_asked_for(tiny_base, photos16, shared_cache, tmp_path, monkeypatch, wanted):
    from diffusers import UNet2DConditionModel

    compiled = []
    monkeypatch.setattr(UNet2DConditionModel, "compile", lambda _, **given: compiled.append(given))
    train(tiny_base, photos16, tmp_path, cache=shared_cache, steps=1, compile=wanted)
    assert compiled == ([{"dynamic": False}] if wanted else [])


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_default_prompts_ask_only_for_what_captions_can_say(prompt):
    from text2face_core import Bag
    from text2face_core.language import Vocabulary
    from text2face_core.language.fidelity import check_caption

    asked = check_caption(prompt, Bag(()), Vocabulary.load()).invented
    assert len(asked) >= 3
    assert "other" not in asked
