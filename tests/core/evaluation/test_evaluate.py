"""t2f evaluate from end to end: folders of any tool, models of a toy trainer, resume, and who counts as independent."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import toy_generator, toys
from support.distributions import add_distribution

from text2face_core import Component, Extractor, Finding, Plugins, Recipe, caption_photos, evaluate
from text2face_core.cli import main
from text2face_core.errors import NothingToDo, RunError, SourceError, UsageError
from text2face_core.evaluation.pictures import prompt_of_png, read_captioned_images
from text2face_core.generation import files


class Contrary(Extractor):
    """Sees the other gender, never an age."""

    def extract(self, portraits):
        shown = [toys.ShadeExtractor(toys.ToyOptions()).extract([one])[0][1].value for one in portraits]
        return [[Finding("gender", "male" if value == "female" else "female", 0.8)] for value in shown]


class Other:
    @staticmethod
    @toys.hookimpl
    def t2f_extractors():
        yield Component("other", lambda options, runtime: Contrary(), provides=("gender",), lineage=("CelebA",))


@pytest.fixture
def plugins():
    found = Plugins.load(builtin_only=True)
    found.register("toy", sys.modules[toys.__name__])
    found.register("plates", sys.modules[toy_generator.__name__])
    found.register("other", Other)
    return found


RECIPE = Recipe(detector="toy", extractors=("toy.shade",), fuser="toy.echo")


def word(age: int) -> str:
    return "woman" if age % 2 else "man"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Six images: four as their prompts say, one with two faces, one without any."""
    lines = []
    for number, (age, faces) in enumerate([(21, 1), (30, 1), (41, 1), (56, 1), (65, 2), (70, 0)]):
        where = ((60, 40, 80),) if faces == 1 else ((20, 40, 60), (140, 40, 60))[:faces]
        toys.draw_photo(tmp_path / "images" / f"{number}.png", where, age)
        lines.append(json.dumps({"file_name": f"{number}.png", "text": f"A {age} year old {word(age)} with glasses."}))
    (tmp_path / "images" / "metadata.jsonl").write_text("\n".join(lines))
    return tmp_path / "images"


def value(result, name: str, **about) -> float:
    (found,) = [
        one
        for one in result.measures
        if one.name == name and all(getattr(one, key) == wanted for key, wanted in {"finding": "", **about}.items())
    ]
    return found.value


def test_a_folder_of_any_tool_is_measured(folder, tmp_path, plugins):
    result = evaluate(out=tmp_path / "out", images=folder, recipe=RECIPE, available=plugins)
    assert value(result, "adherence", model="images") == pytest.approx(4 / 6)
    assert value(result, "adherence given a verdict", model="images") == 1
    assert value(result, "exactly one face", model="images") == pytest.approx(4 / 6)
    assert value(result, "faces off by", model="images") == pytest.approx(2 / 6)
    assert value(result, "age error", finding="age", group="") == 0
    images = pq.read_table(tmp_path / "out" / "images.parquet").to_pylist()
    assert [one["status"] for one in images] == ["ok"] * 4 + ["several faces", "no face"]
    assert all(len(one["sha256"]) == 64 for one in images)
    judged = pq.read_table(tmp_path / "out" / "judgements.parquet").to_pylist()
    assert {one["finding"] for one in judged} == {"age", "gender"}  # no grader observes glasses
    assert json.loads((tmp_path / "out" / "measures.json").read_text())["headline"] == result.headline
    assert "not known" in result.headline  # which models labelled
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert result.headline in page
    assert page.count("data:image/jpeg;base64,") == 18  # six images: the first, the worst, at random
    assert "2 faces" in page


def test_an_evaluation_resumes_and_refuses_another_plan(folder, tmp_path, plugins):
    how = {"out": tmp_path / "out", "recipe": RECIPE, "available": plugins}
    first = evaluate(images=folder, **how)
    shard = next((tmp_path / "out" / "graded").rglob("analysis/*.parquet"))
    before = shard.stat().st_mtime_ns
    assert [str(one) for one in evaluate(images=folder, **how).measures] == [str(one) for one in first.measures]
    assert shard.stat().st_mtime_ns == before
    with pytest.raises(RunError, match=r"another evaluation .*choose another --out"):
        evaluate(images=folder, limit=2, **how)


def test_only_graders_that_labelled_nothing_make_the_headline(folder, tmp_path, plugins):
    toys.draw_photo(tmp_path / "photos" / "a.png", age=33)
    caption_photos(tmp_path / "photos", RECIPE, out=tmp_path / "run", available=plugins)
    how = {"images": folder, "recipe": RECIPE, "available": plugins, "labelled_by": [tmp_path / "run"]}
    same = evaluate(out=tmp_path / "same", **how)
    assert same.headline.startswith("No independent figure: every grader that could judge also labelled")
    both = evaluate(out=tmp_path / "both", graders=["toy.shade", "other"], **how)
    assert value(both, "adherence", eyes="same") == pytest.approx(4 / 6)
    assert value(both, "adherence", eyes="other") == 0
    assert "drew 0.0 %" in both.headline


def test_models_get_the_same_prompts_and_seeds(tmp_path, plugins):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("A woman.\nA man.\n")
    how = {"plan": str(prompts), "per_prompt": 2, "recipe": RECIPE, "available": plugins, "plugins": "plates"}
    how |= {"device": "cpu", "dtype": "float32", "steps": 2}
    result = evaluate(["none", "loras/mine"], out=tmp_path / "out", **how)
    images = pq.read_table(tmp_path / "out" / "images.parquet").to_pylist()
    seeds = {model: [one["seed"] for one in images if one["model"] == model] for model in ("base", "mine")}
    assert len(seeds["base"]) == 4
    assert seeds["base"] == seeds["mine"]
    assert {one["status"] for one in images} <= {"no face", "several faces", "ok", "rejected"}
    assert value(result, "exactly one face", model="base") < 1
    assert value(result, "adherence difference") == 0
    assert all(Path(one["path"]).is_file() for one in images)


def test_the_photos_of_a_run_are_the_ceiling(tmp_path, plugins):
    for age in (21, 30, 43):
        toys.draw_photo(tmp_path / "photos" / f"{age}.png", age=age)
    recipe = RECIPE.model_copy(update={"fuser": "phrasebook"})
    caption_photos(tmp_path / "photos", recipe, out=tmp_path / "run", available=plugins)
    result = evaluate(
        "none", out=tmp_path / "out", plan=f"captions:{tmp_path / 'run'}", recipe=recipe, available=plugins,
        plugins="plates", device="cpu", dtype="float32", steps=2,
    )  # fmt: skip
    assert value(result, "adherence", model="photos", eyes="same") > 0.5
    assert value(result, "adherence", model="base", eyes="same") == 0


def test_wrong_requests_say_what_to_do(folder, tmp_path, plugins):
    how = {"out": tmp_path / "out", "recipe": RECIPE, "available": plugins}
    with pytest.raises(UsageError, match="not both"):
        evaluate("none", images=folder, **how)
    with pytest.raises(UsageError, match="only extractors grade"):
        evaluate(images=folder, graders="phrasebook", **how)
    with pytest.raises(UsageError, match="not a plan: give balanced, pairs, neutral"):
        evaluate("none", plan="nothing", **how)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no image of"):
        evaluate(images=tmp_path / "empty", **how)
    with pytest.raises(NothingToDo):
        read_captioned_images(folder, limit=0)


def test_prompts_are_read_from_what_tools_leave(tmp_path):
    request = toy_generator.GenerationRequest("A bald man.", 0, 48, 32, negative="blurry")
    files.write_image(tmp_path / "a.png", toy_generator.plate(request), files.image_record(request, {}))
    assert read_captioned_images(tmp_path) == [(tmp_path / "a.png", "A bald man.")]
    (tmp_path / "generated.jsonl").write_text('{"file_name": "a.png", "text": "As listed."}\n')
    assert read_captioned_images(tmp_path) == [(tmp_path / "a.png", "As listed.")]
    (tmp_path / "generated.jsonl").unlink()
    (tmp_path / "a.txt").write_text("As kohya has it.")
    assert read_captioned_images(tmp_path) == [(tmp_path / "a.png", "As kohya has it.")]
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    assert prompt_of_png(tmp_path / "b.png") == prompt_of_png(tmp_path / "a.txt") == ""


def test_the_command_prints_the_folder_and_the_headline(folder, tmp_path, capsys, monkeypatch):
    add_distribution(tmp_path / "site", "toy", "toy = support.toys")
    monkeypatch.syspath_prepend(tmp_path / "site")
    recipe = tmp_path / "toy.toml"
    recipe.write_text(
        'detector = "toy"\nextractors = []\nfuser = "phrasebook"\n[evaluation]\ngraders = ["toy.shade"]\n'
    )
    out = str(tmp_path / "out")
    arguments = ["evaluate", "--images", str(folder), "--recipe", str(recipe), "--trust", "--out", out]
    assert main(arguments) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{out}\n"
    assert "images: 66.7 %" in shown.err
