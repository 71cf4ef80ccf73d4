"""`t2f generate` on a tiny Stable Diffusion."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time

import numpy as np
import pytest
from PIL import Image
from support.sd_drawing import largest, make_lora

from text2face_core.cli import main
from text2face_core.contracts import Rejection


@pytest.fixture(scope="module")
def lora(tiny_base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora") / "mine"
    told = {"base": str(tiny_base), "revision": "", "prediction": "v_prediction", "resolution": "64"}
    return make_lora(folder, tiny_base, **told)[0]


@pytest.fixture
def generate(tiny_base, tmp_path, capsys, monkeypatch):
    """Runs `t2f generate`, and returns exit code, what it wrote to stderr, and the pictures by name."""
    monkeypatch.chdir(tmp_path)

    def generated(*arguments, out="out", base=tiny_base):
        where = [f"--base={base}"] if base else []
        code = main(["generate", *map(str, arguments), *where, "--steps=2", "--threads=1", "--offline", f"--out={out}"])
        shown = capsys.readouterr()
        return code, shown.err, {path.name: path for path in sorted((tmp_path / out).glob("*.png"))}

    return generated


def test_pictures_tell_how_they_were_made_and_are_not_made_twice(generate, lora, tiny_base, tmp_path):
    code, said, first = generate(
        lora, "a man/with: hair?", "a woman", "--images-per-prompt=2", "--negative=smile", base=None
    )
    assert code == 0
    assert "generating 4 image(s)" in said
    assert len(first) == 4
    weights = hashlib.sha256((lora / "pytorch_lora_weights.safetensors").read_bytes()).hexdigest()
    with Image.open(next(iter(first.values()))) as image:
        texts = image.text
    assert {name: texts[name] for name in ("prompt", "negative", "seed", "steps", "guidance", "base", "lora")} == {
        "prompt": "a man/with: hair?",
        "negative": "smile",
        "seed": "0",
        "steps": "2",
        "guidance": "7.5",
        "base": tiny_base.name,
        "lora": "mine",
    }
    assert texts["lora_sha256"] == weights
    assert texts["parameters"].startswith("a man/with: hair?\nNegative prompt: smile\nSteps: 2, Sampler: DDIM, ")
    contents = {name: path.read_bytes() for name, path in first.items()}
    code, said, again = generate(
        lora, "a man/with: hair?", "a woman", "--images-per-prompt=2", "--negative=smile", "--batch-size=1", base=None
    )
    assert (code, contents) == (0, {name: path.read_bytes() for name, path in again.items()})
    assert "all 4 image(s)" in said
    manifest = [json.loads(line) for line in (tmp_path / "out" / "generated.jsonl").read_text().splitlines()]
    assert {line["file_name"] for line in manifest} == set(first)


def test_any_picture_can_be_drawn_again_alone_with_the_seed_that_it_tells(generate):
    _, _, pictures = generate("none", "a man", "a woman", "--images-per-prompt=3", "--seed=4")
    wanted = list(pictures.values())[4]
    with Image.open(wanted) as image:
        prompt, seed = image.text["prompt"], image.text["seed"]
    _, _, alone = generate("none", prompt, f"--seed={seed}", out="alone")
    (path,) = alone.values()
    assert largest([np.asarray(Image.open(path))], [np.asarray(Image.open(wanted))]) <= 1


def test_prompts_come_from_files_and_captions(generate, photos16, tmp_path):
    (tmp_path / "prompts.txt").write_text("a man\na woman\n")
    code, _, pictures = generate(
        "none", "a smile", "--prompts", tmp_path / "prompts.txt", "--captions", photos16, "--limit=5"
    )
    assert code == 0
    told = [json.loads(line) for line in (tmp_path / "out" / "generated.jsonl").read_text().splitlines()]
    lines = [json.loads(line) for line in (photos16 / "metadata.jsonl").read_text().splitlines()]
    assert [one["text"] for one in told] == ["a smile", "a man", "a woman", lines[0]["text"][0], lines[1]["text"][0]]
    assert [one.get("source") for one in told] == [None, None, None, lines[0]["file_name"], lines[1]["file_name"]]
    assert len(pictures) == 5


def test_a_prompt_beyond_77_tokens_is_told_with_its_end(generate):
    code, said, _ = generate("none", " ".join(["hair"] * 75), "--negative", " ".join(["smile"] * 80))
    assert code == 0
    assert 'prompt too long: "smile smile' in said
    assert 'end: "smile smile smile smile smile"' in said
    assert '"hair' not in said, "75 words, start and end are 77"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none"], "no prompts"),
        (["none", "a man", "--resolution=100"], "multiples of 8"),
        (["none", "a man", "--resolution=big"], "write 768, or 768x512"),
        (["none", "a man", "--set", "sd_lora.rnk=3"], "rnk"),
        (["none", "a man", "--prompts", "missing.txt"], "missing.txt cannot be read"),
        (["missing", "a man"], "there is no LoRA missing"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(arguments, words, generate, tmp_path):
    code, said, _ = generate(*arguments)
    assert code == 2
    assert words in said
    assert not (tmp_path / "out").exists()


def test_pictures_that_could_not_be_drawn_give_exit_code_1(generate, monkeypatch):
    from t2f_sd_lora.generation.generator import SdImageGenerator

    monkeypatch.setattr(
        SdImageGenerator, "generate", lambda _, requests, on_step: [Rejection("no reason at all")] * len(requests)
    )
    code, said, pictures = generate("none", "a man")
    assert (code, pictures) == (1, {})
    assert "no image: no reason at all" in said


@pytest.mark.nightly
def test_a_killed_command_goes_on_where_it_was(forks, tiny_base, tmp_path):
    def arguments(out):
        prompts = [f"a man with {number} hair" for number in range(24)]
        where = [f"--base={tiny_base}", f"--out={tmp_path / out}", "--device=cpu", "--threads=1", "--offline"]
        return ["generate", "none", *prompts, *where, "--steps=4", "--batch-size=2"]

    def pictures(out):
        return {path.name: path.read_bytes() for path in (tmp_path / out).glob("*.png")}

    number = forks.start(arguments("killed"), tmp_path / "log")
    until = time.monotonic() + 300
    while len(pictures("killed")) < 6 and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(number, signal.SIGTERM)
    assert forks.wait(number, 60) == 130
    assert "the same command resumes from here" in (tmp_path / "log").read_text()
    done = pictures("killed")
    assert 6 <= len(done) < 24
    assert len((tmp_path / "killed" / "generated.jsonl").read_text().splitlines()) == len(done)
    assert forks.run(arguments("killed"), tmp_path / "log") == 0
    assert forks.run(arguments("calm"), tmp_path / "log") == 0
    assert done.items() <= pictures("killed").items()
    assert pictures("killed") == pictures("calm")
