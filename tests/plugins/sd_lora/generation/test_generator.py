"""What is drawn, with and without a LoRA."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from support.sd_drawing import REQUESTS, largest, make_lora, open_one

from text2face_core.contracts import GenerationRequest, Rejection
from text2face_core.errors import PluginError


@pytest.fixture(scope="module")
def lora(tiny_base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora") / "mine"
    told = {"base": str(tiny_base), "revision": "", "prediction": "v_prediction", "resolution": "64"}
    return make_lora(folder, tiny_base, **told)[0]


@pytest.fixture(scope="module")
def plain(tiny_base):
    return open_one(tiny_base)


@pytest.fixture(scope="module")
def trained(tiny_base, lora):
    return open_one(tiny_base, lora)


def scaled(scale: float) -> list[GenerationRequest]:
    return [replace(one, scale=scale) for one in REQUESTS]


def test_pictures_do_not_depend_on_what_is_drawn_with_them(trained):
    together = trained.generate(REQUESTS)
    assert together[0].shape == (64, 64, 3)
    assert together[0].dtype == np.uint8
    for size in (1, 2, 3):
        apart = [one for first in range(0, 5, size) for one in trained.generate(REQUESTS[first : first + size])]
        assert largest(together, apart) <= 1
    assert largest(together, trained.generate(REQUESTS[::-1])[::-1]) <= 1


def test_requests_of_several_kinds_may_be_in_one_batch(trained):
    odd = [
        GenerationRequest("a man", 1, 64, 64, steps=3),
        GenerationRequest("a man", 1, 128, 64, steps=3),
        GenerationRequest("a man", 1, 64, 64, steps=2),
        GenerationRequest("a man", 1, 64, 64, "glasses", steps=3),
        GenerationRequest("a man", 1, 64, 64, steps=3, guidance=1.0),
        GenerationRequest("a man", 1, 64, 64, steps=3, scale=0.0),
    ]
    drawn = trained.generate(odd)
    assert [one.shape for one in drawn] == [(64, 128, 3) if one.width == 128 else (64, 64, 3) for one in odd]
    assert largest(drawn, [trained.generate([one])[0] for one in odd]) <= 1
    squares = [one for one in drawn if one.shape == (64, 64, 3)]
    assert len({one.tobytes() for one in squares}) == 5


@pytest.mark.parametrize("shape", ["tiny_base", "tiny_base_15"])
@pytest.mark.parametrize("with_lora", [False, True])
def test_pictures_are_those_of_the_public_pipeline(shape, with_lora, request, tmp_path):
    import torch
    from diffusers import StableDiffusionPipeline

    base = request.getfixturevalue(shape)
    model = make_lora(tmp_path / "mine", base)[0] if with_lora else None
    pipeline = StableDiffusionPipeline.from_pretrained(base, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    if shape == "tiny_base":
        pipeline.tokenizer.pad_token = "!"
    if model:
        pipeline.load_lora_weights(model, weight_name="pytorch_lora_weights.safetensors")
    drawn = open_one(base, model).generate(
        [GenerationRequest("a man with hair", 7, 64, 64, "glasses", steps=6, guidance=5.0)]
    )
    generator = torch.Generator().manual_seed(7)
    expected = pipeline(
        "a man with hair", 64, 64, 6, guidance_scale=5.0, negative_prompt="glasses", generator=generator
    )
    assert largest(drawn, [np.asarray(expected.images[0])]) <= 1


@pytest.mark.parametrize(("alpha", "text"), [(4.0, True), (6.0, True), (6.0, False)])
def test_a_file_gives_what_the_trained_networks_gave(alpha, text, tiny_base, tmp_path):
    import torch

    folder, taught = make_lora(tmp_path / "mine", tiny_base, alpha, text=text)
    generator = open_one(tiny_base, folder)
    tokens = torch.tensor([[1, 5, 9] + [0] * 74])
    noisy = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(0))

    def answer(base):
        with torch.no_grad():
            words = base.text_encoder(tokens)[0]
            return words, base.unet(noisy, 500, words).sample

    for ours, theirs in zip(answer(generator._base), answer(taught), strict=True):
        assert float((ours - theirs).abs().max()) <= 1e-5
    generator._scale.value = 0.0
    assert not torch.allclose(answer(generator._base)[1], answer(taught)[1], atol=1e-3)


def test_files_of_other_tools_draw_the_same(lora, trained, tiny_base, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(lora / "pytorch_lora_weights.safetensors")
    older = {}
    for name, tensor in state.items():
        ranked = tensor * (6.0 / tensor.shape[1]) if ".lora_B." in name else tensor  # these have no place for alpha
        plain = name.replace(".lora_A.", ".lora.down.").replace(".lora_B.", ".lora.up.")
        older[plain] = ranked.contiguous()
    save_file(older, tmp_path / "older.safetensors")
    expected = trained.generate(REQUESTS[:2])
    for file in (lora / "text2face_lora_kohya.safetensors", tmp_path / "older.safetensors"):
        assert largest(open_one(tiny_base, file).generate(REQUESTS[:2]), expected) <= 1


def test_strength_0_is_the_base_model_and_more_of_it_changes_more(trained, plain):
    base = plain.generate(scaled(0.0))
    assert largest(trained.generate(scaled(0.0)), base) == 0
    assert largest(plain.generate(REQUESTS), base) == 0, "without a LoRA its strength means nothing"
    far = [
        float(
            np.mean(
                [np.abs(a.astype(float) - b).mean() for a, b in zip(trained.generate(scaled(scale)), base, strict=True)]
            )
        )
        for scale in (0.1, 0.4, 1.0)
    ]
    assert 0.1 < far[0] < far[1] < far[2]


def test_the_same_noise_at_any_precision(tiny_base, lora, trained):
    exact = trained.generate(REQUESTS[:2])
    half = open_one(tiny_base, lora, "bfloat16").generate(REQUESTS[:2])
    other = trained.generate([GenerationRequest(one.prompt, one.seed + 50, 64, 64, steps=4) for one in REQUESTS[:2]])
    for a, b, c in zip(exact, half, other, strict=True):
        assert np.abs(a.astype(float) - b).mean() < 0.25 * np.abs(a.astype(float) - c).mean()


def test_numbers_too_large_for_float16_are_said_and_not_a_black_picture(tiny_base, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    base = tmp_path / "loud"
    shutil.copytree(tiny_base, base)
    weights = load_file(base / "unet" / "diffusion_pytorch_model.safetensors")
    weights["conv_norm_out.weight"] *= 1e5
    weights["conv_out.weight"] *= 1e-5
    save_file(weights, base / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    (drawn,) = open_one(base, dtype="float16").generate(REQUESTS[:1])
    assert isinstance(drawn, Rejection)
    assert "NaN" in drawn.reason
    assert "--dtype bfloat16" in drawn.reason
    assert not torch.isnan(torch.tensor(open_one(base, dtype="bfloat16").generate(REQUESTS[:1])[0])).any()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # within diffusers
@pytest.mark.parametrize("kind", ["EulerAncestralDiscreteScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler"])
def test_steps_are_taken_as_the_base_model_says(kind, tiny_base, tmp_path, plain):
    base = tmp_path / "other"
    shutil.copytree(tiny_base, base)
    path = base / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text())
    keep = ("beta_start", "beta_end", "beta_schedule", "prediction_type", "num_train_timesteps")
    path.write_text(json.dumps({"_class_name": kind, **{name: config[name] for name in keep}}))
    generator = open_one(base)
    assert generator.identity(REQUESTS[0])["sampler"] == kind.removesuffix("Scheduler")
    together = generator.generate(REQUESTS)
    assert largest(together, [generator.generate([one])[0] for one in REQUESTS]) <= 1
    assert largest(together, plain.generate(REQUESTS)) > 10


def test_sides_that_are_no_multiples_of_a_latent_are_refused(plain):
    with pytest.raises(PluginError, match="multiples of 8 px, as in 128x64; 100x64 are not"):
        plain.generate([GenerationRequest("a man", 0, 100, 64, steps=1)])


def test_more_steps_than_the_model_knows_are_refused(plain):
    with pytest.raises(PluginError, match="1000 timesteps: --steps 1000 at most, not 1001"):
        plain.generate([GenerationRequest("a man", 0, 64, 64, steps=1001)])
