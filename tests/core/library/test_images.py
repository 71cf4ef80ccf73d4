"""Images from Python: what `t2f generate`, `sweep` and `compare` do."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from support import toy_generator
from support.distributions import add_distribution
from support.toy_generator import plate

from text2face_core import GenerationRequest, Plugins, compare, generate, sweep
from text2face_core.cli import main
from text2face_core.errors import NothingToDo, UsageError
from text2face_core.library import GenerationSession, GenerationSettings, Silent


@pytest.fixture
def how(tmp_path, monkeypatch) -> dict:
    """Settings with the toy trainer, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    plugins = Plugins.load(builtin_only=True)
    plugins.register("plates", sys.modules[toy_generator.__name__])
    return {"available": plugins, "plugins": "plates", "device": "cpu", "dtype": "float32", "steps": 3}


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_images_are_generated_and_not_again(how, tmp_path):
    first = generate("my/lora", ["One.", "Two."], per_prompt=2, seed=9, resolution=(64, 32), negative="bad", **how)
    assert (first.new, first.failed, len(first.paths)) == (4, 0, 4)
    assert {path.parent.as_posix() for path in first.paths} == {"drawings/lora"}
    wanted = GenerationRequest("One.", 9, 64, 32, "bad", 3)
    assert np.array_equal(pixels(first.paths[0]), plate(wanted))
    again = generate("my/lora", ["One.", "Two."], per_prompt=2, seed=9, resolution=(64, 32), negative="bad", **how)
    assert (again.new, again.paths) == (0, first.paths)


def test_the_command_line_makes_the_same_images(how, tmp_path, monkeypatch):
    add_distribution(tmp_path / "site", "plates", "plates = support.toy_generator")
    monkeypatch.syspath_prepend(tmp_path / "site")
    options = ["--plugins=plates", "--device=cpu", "--dtype=float32", "--steps=3", "--resolution=30"]
    assert main(["generate", "none", "One.", "--out=by-command", *options]) == 0
    generate("none", ["One."], out="by-call", resolution=30, **how)

    def contents(folder):
        return {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}

    assert contents("by-command") == contents("by-call")


def test_a_sweep_makes_a_grid_of_its_images(how):
    values = {"age": ["20", "40"], "hair": ["black", "red", "blond"], "extra": ["", ", smiling"]}
    made = sweep("none", "A {age} year old, {hair} hair{extra}.", values, out="grids/sweep.png", cell=20, **how)
    assert [path.as_posix() for path in made.paths] == ["grids/sweep-1.png", "grids/sweep-2.png"]
    assert made.images.new == 12
    with Image.open(made.paths[1]) as image:
        told = json.loads(image.text["text2face"])
    assert told["rows"] == ["age: 20", "age: 40"]
    assert [cell["box"][2] - cell["box"][0] for cell in told["cells"]] == [20] * 6
    seeds = sweep("none", "{age}", {"age": ["20", "40"]}, seeds=[1, 2, 3], **how)
    assert [path.as_posix() for path in seeds.paths] == ["drawings/none/sweep.png"]
    assert len(seeds.images.paths) == 6


def test_a_comparison_shows_the_base_model_first(how):
    made = compare("my/lora", ["One.", "Two."], scale=0.5, **how)
    assert [path.as_posix() for path in made.paths] == ["drawings/lora/compare/compare.png"]
    scales = [0.0, 0.0, 0.5, 0.5]
    for path, scale, text in zip(made.images.paths, scales, ["One.", "Two."] * 2, strict=True):
        with Image.open(path) as image:
            assert (float(image.text["scale"]), image.text["prompt"]) == (scale, text)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda how: generate("none", **how), "no prompts"),
        (lambda how: generate("none", ["x"], resolution=0, **how), "resolution"),
        (lambda how: generate("none", ["x"], **{**how, "steps": 0}), "steps"),
        (lambda how: compare("none", ["x"], **how), "needs a LoRA"),
        (lambda how: compare("a", ["x"], scale=0.0, **how), "--lora-scale 0"),
        (lambda how: sweep("none", "{a} {b}", {"a": ["1"], "b": ["2"]}, seeds=[1, 2], **how), "seeds make rows"),
        (lambda how: generate("none", ["x"], base="", **{**how, "plugins": "platez"}), 'Did you mean "plates"'),
    ],
)
def test_what_cannot_be_done_is_a_usage_error_before_any_image(how, tmp_path, call, words):
    with pytest.raises(UsageError, match=words):
        call(how)
    assert not (tmp_path / "drawings").exists()


def test_an_empty_file_of_prompts_is_nothing_to_do(how, tmp_path):
    (tmp_path / "prompts.txt").write_text("\n")
    with pytest.raises(NothingToDo, match=r"prompts\.txt"):
        generate("none", file="prompts.txt", **how)


def test_a_session_warns_of_what_the_model_does_not_read_and_of_failures(how):
    class Said(Silent):
        def __init__(self):
            self.lines = []

        def say(self, message):
            self.lines.append(message)

    said = Said()
    result = generate("none", ["x" * 70], progress=said, settings=["plates.refused=x"], **how)
    assert (result.failed, result.new) == (1, 0)
    assert "plates of plates" in said.lines
    assert any("prompt too long" in line for line in said.lines)
    assert any("no image: it is refused" in line for line in said.lines)


def test_a_loaded_model_can_be_used_many_times(how):
    session = GenerationSession("my/lora", GenerationSettings(**how))
    assert (session.like.width, session.like.height, session.like.steps) == (48, 32, 3)
    assert session.size_on_sheet(24) == (24, 16)
    assert session.size_on_sheet(None) == (48, 32)
