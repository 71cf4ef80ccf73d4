"""How many images a precision takes."""

import sys

import pytest
from support import toy_generator, toys

from text2face_core import Plugins, Recipe
from text2face_core.cli import main
from text2face_core.errors import NothingToDo
from text2face_core.evaluation import images_for_precision
from text2face_core.library import estimate_precision

RECIPE = Recipe(detector="toy", extractors=("toy.shade",), fuser="phrasebook")


@pytest.fixture
def plugins():
    found = Plugins.load(builtin_only=True)
    found.register("toy", sys.modules[toys.__name__])
    found.register("plates", sys.modules[toy_generator.__name__])
    return found


def test_statements_that_graders_judge_are_shared_among_images(tmp_path, plugins):
    found = estimate_precision(0.03, out=tmp_path, recipe=RECIPE, available=plugins)
    assert found.prompts == 216
    assert found.per_image == 2  # age and gender, of five
    assert found.images == -(-images_for_precision(0.03) // 2)
    assert found.images_if_good < found.images
    assert found.per_finding == {"age": images_for_precision(0.03), "gender": images_for_precision(0.03)}
    assert found.seconds is None


def test_models_are_timed_and_their_images_kept(tmp_path, plugins):
    (tmp_path / "prompts.txt").write_text("A woman.\nA man.\nA girl.\n")
    found = estimate_precision(
        0.1, ["none"], out=tmp_path / "out", plan=str(tmp_path / "prompts.txt"), recipe=RECIPE, available=plugins,
        plugins="plates", device="cpu", dtype="float32", steps=2,
    )  # fmt: skip
    assert found.seconds["base"] >= 0
    assert len(list((tmp_path / "out").rglob("*.png"))) == 2
    assert any("base:" in line for line in found.lines())


def test_a_plan_that_nobody_can_judge_is_an_error(tmp_path, plugins):
    (tmp_path / "prompts.txt").write_text("A hat.\n")
    with pytest.raises(NothingToDo, match="observes"):
        estimate_precision(0.1, out=tmp_path, plan=str(tmp_path / "prompts.txt"), recipe=RECIPE, available=plugins)


def test_the_command_prints_the_number(tmp_path, capsys):
    assert main(["evaluate", "--precision", "0.05", "--graders", "people", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    independent = images_for_precision(0.05)
    assert independent / 9 < int(shown.out) <= independent / 3  # age, gender, ethnicity, and things worn now and then
    assert "± 5 points" in shown.err
    assert list(tmp_path.iterdir()) == []
