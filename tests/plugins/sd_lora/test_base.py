"""The base model as it is loaded: its precision, its padding, and where it computes."""

from __future__ import annotations

import json
import shutil

import pytest
import tiny_sd

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from t2f_sd_lora import _base  # noqa: E402

from text2face_core.errors import PluginError  # noqa: E402


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_vae_computes_in_float32_whatever_the_others_do(tiny_base, dtype):
    # In float16 that of Stable Diffusion gives black pictures, and training on them latents of no number.
    base = _base.load(str(tiny_base), dtype=dtype)
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
    base = _base.load(str(folder))
    assert base.tokenizer.pad_token == pad
    assert bool(base.notes) == (pad != tiny_sd.END)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cudda", "cudda is no device: write cpu, cuda, cuda:1 or mps"),
        ("meta", "meta is not known here"),
        ("mps", "torch sees no GPU of that kind here"),
        ("cuda", "torch sees no GPU of that kind here"),
        ("cpu:3", "the last one here is number 0"),
    ],
)
def test_a_device_that_is_none_or_not_here_is_refused(name, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(PluginError, match=message):
        _base.device_of(name)
