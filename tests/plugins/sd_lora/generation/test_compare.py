"""`t2f compare` on a tiny Stable Diffusion: base beside LoRA, from the same noise."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from support.sd_training import train

from text2face_core.cli import main


@pytest.fixture(scope="module")
def taught(tiny_base, photos16, shared_cache, tmp_path_factory):
    """A LoRA after three steps that are large enough to be seen, and not so large that rounding is."""
    out = tmp_path_factory.mktemp("loras") / "photos"
    train(tiny_base, photos16, out, cache=shared_cache, steps=3, learning_rate=0.05, text_learning_rate=0.05)
    return out


@pytest.fixture
def t2f(tiny_base, tmp_path, capsys, monkeypatch):
    """Runs a verb, and returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def ran(verb, *arguments):
        code = main([verb, *map(str, arguments), "--steps=2", "--device=cpu", "--threads=1", "--offline"])
        return code, *capsys.readouterr()

    return ran


def test_pairs_are_of_the_same_noise_without_and_with_the_lora(t2f, taught, tiny_base, tmp_path):
    prompts = ["a photo of a man with black hair", "the woman with the long hair and a smile", "a woman"]
    code, out, _ = t2f("compare", taught, *prompts, "--out=seen", "--seed=2")
    assert (code, out) == (0, "seen/compare.png\n")
    with Image.open(tmp_path / "seen" / "compare.png") as image:
        told = json.loads(image.text["text2face"])
        cells = [np.asarray(image.crop(cell["box"])) for cell in told["cells"]]
    assert told["prompt"] == prompts
    assert told["columns"] == [tiny_base.name, "photos"]
    names = [cell["file"] for cell in told["cells"]]
    assert [("-base-" in name, "-lora-" in name) for name in names] == [(True, False), (False, True)] * 3
    for before, after in zip(cells[::2], cells[1::2], strict=True):
        assert np.abs(before.astype(int) - after).max() > 3

    for model, column in (("none", 0), (taught, 1)):
        base = [f"--base={tiny_base}"] if model == "none" else []
        assert t2f("generate", model, *prompts, "--seed=2", f"--out=alone {column}", *base)[0] == 0
        for path, cell in zip(sorted((tmp_path / f"alone {column}").glob("*.png")), cells[column::2], strict=True):
            assert np.abs(np.asarray(Image.open(path)).astype(int) - cell).max() <= 1
    assert "all 6 image(s)" in t2f("compare", taught, *prompts, "--out=seen", "--seed=2")[2]


def test_a_comparison_of_what_is_the_same_is_refused(t2f, taught):
    assert t2f("compare", "none", "a man")[0] == 2
    code, _, said = t2f("compare", taught, "a man", "--lora-scale=0")
    assert code == 2
    assert "both images would be the base model's" in said
    assert "no prompts" in t2f("compare", taught)[2]
