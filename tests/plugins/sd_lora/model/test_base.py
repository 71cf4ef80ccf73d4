"""The base model as it is loaded: its precision, its padding, where it computes, and which ones are refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from support import tiny_sd

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from t2f_sd_lora.model.base import load_base  # noqa: E402
from t2f_sd_lora.model.devices import find_device  # noqa: E402

from text2face_core.errors import ArtifactError, PluginError  # noqa: E402


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_vae_computes_in_float32_whatever_the_others_do(tiny_base, dtype):
    # In float16 that of Stable Diffusion gives black pictures, and training on them latents of no number.
    base = load_base(str(tiny_base), dtype=dtype)
    assert (base.unet.dtype, base.text_encoder.dtype, base.vae.dtype) == (dtype, dtype, torch.float32)


@pytest.mark.parametrize(("shape", "pad"), [(tiny_sd.TINY, "!"), (tiny_sd.TINY_15, tiny_sd.END)])
def test_padding_is_that_of_the_generation_even_where_the_tokenizer_says_otherwise(
    tiny_base, tiny_base_15, tmp_path, shape, pad
):
    folder = shutil.copytree(tiny_base if shape is tiny_sd.TINY else tiny_base_15, tmp_path / "base")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        path = folder / "tokenizer" / name
        told = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**told, "pad_token": tiny_sd.END}))
    base = load_base(str(folder))
    assert base.tokenizer.pad_token == pad
    assert bool(base.notes) == (pad != tiny_sd.END)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cudda", "cudda is not a device: write cpu, cuda, cuda:1 or mps"),
        ("meta", "meta is not supported: write cpu"),
        ("mps", "mps: torch .* no such GPU"),
        ("cuda", "cuda: torch .* no such GPU"),
        ("cpu:3", "cpu:3: .* number 0"),
    ],
)
def test_a_device_that_is_none_or_not_here_is_refused(name, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(PluginError, match=message):
        find_device(name)


def changed(base, folder, part, **config):
    """A copy of a pipeline with other words in one configuration file."""
    shutil.copytree(base, folder)
    path = folder / part
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    return str(folder)


@pytest.mark.parametrize(
    ("part", "config", "message"),
    [
        (
            "scheduler/scheduler_config.json",
            {"prediction_type": "sample"},
            "predicts 'sample'; sd_lora supports epsilon and v_",
        ),
        (
            "scheduler/scheduler_config.json",
            {"prediction_type": "epsilon", "rescale_betas_zero_snr": True},
            "ends in pure noise .*needs v_prediction",
        ),
        (
            "model_index.json",
            {"text_encoder_2": ["transformers", "CLIPTextModel"]},
            "has two text encoders.*1.x and 2.x only",
        ),
        ("model_index.json", {"unet": None, "_class_name": "FluxPipeline"}, "is a FluxPipeline .it has no unet"),
    ],
)
def test_a_base_model_of_another_kind_is_refused(tiny_base, tmp_path, part, config, message):
    with pytest.raises(PluginError, match=message):
        load_base(changed(tiny_base, tmp_path / "changed", part, **config))


def test_a_prediction_that_the_base_model_does_not_make_is_refused(tiny_base, tiny_base_15):
    assert (load_base(str(tiny_base)).prediction, load_base(str(tiny_base_15)).prediction) == (
        "v_prediction",
        "epsilon",
    )
    with pytest.raises(PluginError, match=r"prediction = epsilon, but the scheduler of .* v_prediction"):
        load_base(str(tiny_base), prediction="epsilon")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"text_width": 64}, "hidden size is 64, and the UNet needs 32"),
        ({"vocabulary": 100}, "has 5.. tokens, its text encoder only 100"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(tmp_path, shape, message):
    other = tiny_sd.text_encoder(replace(tiny_sd.TINY, **shape), 100)
    base = tiny_sd.write_pipeline(tmp_path / "mixed", parts={"text_encoder": other})
    with pytest.raises(PluginError, match=message):
        load_base(str(base))


def test_a_folder_that_is_no_pipeline_and_a_single_file_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"not a model in diffusers' format: model_index.json is missing"):
        load_base(str(tmp_path))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(PluginError, match="is a single file, not a folder in diffusers' format"):
        load_base(str(tmp_path / "model.safetensors"))
