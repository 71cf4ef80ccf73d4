"""The demo, shortened: adherence really rises, or this fails."""

import pytest
from support.paths import ROOT
from support.stores import store_with

pytest.importorskip("torch")
pytest.importorskip("openvino")
pytest.importorskip("scipy")

from t2f_style_flow.faces.artifacts import FILES

from text2face_core import Plugins, Recipe
from text2face_core.errors import UsageError
from text2face_core.library.demo import Examples, adherence_of, run_demo


@pytest.mark.models
@pytest.mark.nightly
def test_adherence_rises_with_tuning_and_the_page_shows_it(tmp_path):
    starter = Recipe.load("starter").resolve(Plugins.load(builtin_only=True)).artifacts()
    store = store_with([*FILES, *starter.values()])
    result = run_demo(out=tmp_path, steps=150, prompts=24, threads=1, models=store)
    change = adherence_of(result.evaluation.measures, "adherence difference")["tuned - base", "same"]
    assert change.low > 0
    found = adherence_of(result.evaluation.measures)
    assert found["base", "same"].value < found["tuned", "same"].value
    page = result.page.read_text()
    for name in ("compare/compare.png", "age.png", "hair.png", "evaluation/report.html", "run/report.html"):
        assert name in page
        assert (tmp_path / name).is_file()
    assert "points" in result.headline
    assert set(result.seconds) == {"captioning the example photos", "tuning the model", "generating", "measuring"}


def test_the_examples_are_whole():
    examples = Examples(ROOT / "examples")
    assert examples.prompts.read_text().count("\n") > 100


def test_missing_examples_are_named(tmp_path):
    with pytest.raises(UsageError, match="photos is missing"):
        Examples(tmp_path)
