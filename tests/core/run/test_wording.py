"""Trigger words, templates, words to replace or forbid: applied when data sets are written, outside of the check."""

import json

import pytest
from support import small_run

from text2face_core import Recipe
from text2face_core.dataset import FORMATS, export_dataset, open_dataset, write_metadata
from text2face_core.errors import RecipeError
from text2face_core.run import Wording

TEXTS = [["A woman smiles.", "A happy woman."], ["A man."]]


@pytest.fixture
def run(tmp_path):
    return small_run.make_run(tmp_path / "out", TEXTS)


def reworded(run, **captions):
    settings = {name: value for name, value in run.settings.items() if name != "format"}
    run.write_settings({**settings, "recipe": {**small_run.RECIPE, "captions": captions}})
    write_metadata(run)
    return run


def texts(source):
    return [[text for text, _ in photo.captions] for photo in open_dataset(source)]


@pytest.mark.parametrize(
    ("captions", "expected"),
    [
        ({}, "A woman smiles."),
        ({"prefix": "ohwx, "}, "ohwx, A woman smiles."),
        ({"suffix": " High detail."}, "A woman smiles. High detail."),
        ({"template": "ohwx person, {caption}"}, "ohwx person, A woman smiles."),
        ({"template": "<{caption}>", "prefix": "(", "suffix": ")"}, "<(A woman smiles.)>"),
        ({"replace": {"Woman": "lady", "smile": "never: only whole words"}}, "A lady smiles."),
        ({"replace": {"smiles": r"\1 grins"}}, r"A woman \1 grins."),
        ({"forbid": ["WOMAN"]}, None),
        ({"forbid": ["wom", "smile"]}, "A woman smiles."),
    ],
)
def test_how_a_caption_is_written(captions, expected):
    assert Wording.of(captions).apply_to("A woman smiles.") == expected


@pytest.mark.parametrize("format", ["run", "dataset", *(one for one in FORMATS if one != "jsonl")])
def test_every_data_set_of_a_run_is_worded_alike(run, tmp_path, format):  # noqa: A002
    reworded(run, template="ohwx person, {caption}", forbid=["happy"])
    places = {"run": run.path, "dataset": run.dataset}
    source = places.get(format) or export_dataset(run, format, tmp_path / "export")
    assert texts(source) == [["ohwx person, A woman smiles."], ["ohwx person, A man."]]


def test_a_photo_of_which_no_caption_is_allowed_is_left_out(run, tmp_path):
    reworded(run, forbid=["man"])
    assert texts(run.path) == texts(run.dataset) == TEXTS[:1]
    assert texts(export_dataset(run, "kohya", tmp_path / "export")) == TEXTS[:1]


def test_the_run_keeps_captions_as_they_were_checked(run):
    reworded(run, prefix="ohwx, ")
    assert [caption.text for _, captions in run.rows() for caption in captions.captions] == [*TEXTS[0], *TEXTS[1]]


def test_an_edit_of_a_worded_line_is_kept_without_the_words_around_it(run):
    reworded(run, prefix="ohwx, ")
    lines = [json.loads(line) for line in run.metadata_path.read_text("utf-8").splitlines()]
    lines[1]["text"] = ["ohwx, A tall man."]
    run.metadata_path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert texts(run.path)[1] == ["ohwx, A tall man."]
    reworded(run, prefix="sks: ")
    assert texts(run.path) == texts(run.dataset) == [[f"sks: {text}" for text in TEXTS[0]], ["sks: A tall man."]]


def test_an_edit_next_to_a_caption_that_is_not_allowed_changes_the_right_one(run):
    reworded(run, forbid=["smiles"])
    assert texts(run.dataset)[0] == ["A happy woman."]
    text = run.metadata_path.read_text("utf-8").replace("A happy woman.", "By hand.")
    run.metadata_path.write_text(text, "utf-8")
    reworded(run)
    assert texts(run.dataset)[0] == ["A woman smiles.", "By hand."]


def test_other_wording_writes_no_captions_again(toy_plugins, toy_recipe):
    settings = ['captions.prefix="ohwx "', "captions.template=a {caption}", "captions.forbid=['x']"]
    changed = toy_recipe.with_settings([*settings, "captions.replace={a = 'b'}"])
    assert changed.resolve(toy_plugins).captions_key() == toy_recipe.resolve(toy_plugins).captions_key()
    assert changed.captions.prefix == "ohwx "


@pytest.mark.parametrize("template", ["ohwx person", "{caption} {caption}", "{captions}"])
def test_a_template_needs_its_caption(template):
    with pytest.raises(RecipeError, match=r"captions\.template.*must have \{caption\} once"):
        Recipe.parse({"detector": "x", "fuser": "y", "captions": {"template": template}}, "here")
