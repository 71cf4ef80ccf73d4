"""`t2f prompt`: what the model would be told for one photo of a run."""

import pytest
from support import small_run
from support.distributions import add_distribution

from text2face_core.cli import main
from text2face_core.language.prompts import Prompts
from text2face_core.pipeline.captioning import first_request
from text2face_core.plugins.registry import Plugins
from text2face_core.recipe import Recipe
from text2face_core.run.directory import RunDirectory

ASKER = '''
"""A fuser that would ask a model in a chat format of its own."""
from text2face_core import Component, Options, hookimpl
from text2face_core.language.prompts import Prompts, PromptTemplate

class AskerOptions(Options):
    prompt: PromptTemplate = "paper"

def build(options, runtime):
    raise AssertionError("nothing is built to show a prompt")

def told(options, request):
    return f"[USER] {Prompts(options.prompt).render(request)} [MODEL]"

@hookimpl
def t2f_fusers():
    yield Component("asker", build, AskerOptions, prompt=told)
'''


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run of six photos, and the plugin "asker" as if it were installed."""
    add_distribution(tmp_path / "site", "t2f-asker", "asker = t2f_asker")
    (tmp_path / "site" / "t2f_asker.py").write_text(ASKER)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return small_run.make_run(tmp_path / "out", crops=False)


def show(run, *arguments, photo="0.jpg"):
    return main(["prompt", str(run.path), "--photo", photo, *arguments])


def asked(run, number):
    """What captioning asks first for a caption of the run's first photo."""
    recipe = Recipe.parse(run.settings["recipe"], "run.toml")
    row, _ = next(iter(run.rows()))
    return first_request(recipe, recipe.resolve(Plugins.load()).vocabulary, row, number)


def test_the_model_is_told_for_each_caption_what_captioning_would_ask(run, capsys):
    assert show(run, "--plugins", "asker") == 0
    shown = capsys.readouterr().out
    for number in range(4):
        request = asked(run, number)
        assert f"[USER] {Prompts('paper').render(request)} [MODEL]\n" in shown
        assert f"caption {number} of 0000000000000000, {request.style}" in shown
        assert all(f"{item.name} = {item.value}: {item.phrase}" in shown for item in request.bag.items)


def test_one_caption_alone_with_a_template_of_ones_own(run, capsys, tmp_path):
    (tmp_path / "mine.j2").write_text("{{ number }}: {{ f1|join(', ') }}")
    settings = ["--plugins", "asker", "--set", f"asker.prompt={tmp_path / 'mine.j2'}"]
    assert show(run, "--number", "2", *settings, photo="0000000000000000") == 0
    shown = capsys.readouterr().out
    assert shown.count("===") == 2
    assert f"[USER] 2: {', '.join(item.phrase for item in asked(run, 2).bag.at('F1'))} [MODEL]" in shown


def test_settings_and_recipes_count_as_for_captioning(run, capsys):
    assert show(run, "--plugins", "asker", "--set", "captions.per_photo=1", "--set", "captions.styles={tags = 1}") == 0
    assert capsys.readouterr().out.count("caption ") == 1
    assert show(run, "--recipe", "starter", "--set", "bag.leave_out=['age']", "--number", "0") == 0
    shown = capsys.readouterr().out
    assert "gender = female" in shown
    assert "age =" not in shown


def test_a_fuser_that_asks_no_model_writes_from_the_bag(run, capsys):
    assert show(run, "--number", "0") == 0
    shown = capsys.readouterr().out
    assert "prompt of phrasebook" not in shown
    assert "phrasebook has no language model" in shown
    assert "gender = female" in shown


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--photo", "0000000000000010"], 'is called "0000000000000010". There are 6, such as: 00000000000000'),
        (["--photo", "2.jpeg"], "such as: 2.jpg"),
        (["--photo", "nobody"], "such as: 0000000000000000 (0.jpg)"),
        (["--photo", "4.jpg"], "4.jpg has no captions because it was rejected: 2 faces"),
        (["--photo", "5.jpg"], "5.jpg has no captions because it failed: empty file"),
        (["--photo", "0.jpg", "--number", "4"], "the photo has captions 0 to 3"),
        (["--photo", "0.jpg", "--plugins", "asker", "--set", "asker.prompt=papr"], 'Did you mean "paper"?'),
        (["--photo", "0.jpg", "--plugins", "nobody"], 'no plugin is called "nobody"'),
    ],
)
def test_what_cannot_be_shown_is_explained(run, capsys, arguments, problem):
    assert main(["prompt", str(run.path), *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_a_photo_that_is_not_analysed_yet_has_no_prompt(run, capsys):
    run.analysis_path(1).unlink()
    assert show(run, photo="3.jpg") == 2
    assert "3.jpg has not been analysed yet" in capsys.readouterr().err


def test_photos_of_one_name_are_told_apart_by_their_ids(run, capsys, tmp_path):
    from text2face_core.records import PhotoRef

    run.add_photos([PhotoRef("00000000000000aa", "/elsewhere/0.jpg")], 3)
    assert show(run) == 2
    shown = capsys.readouterr().err
    assert '2 photos are called "0.jpg"' in shown
    assert "00000000000000aa (/elsewhere/0.jpg)" in shown


def test_nothing_is_written(run):
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    assert show(run, "--plugins", "asker") == 0
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


def test_where_there_is_no_run(tmp_path, capsys):
    assert show(RunDirectory(tmp_path / "none")) == 2
    assert "holds no run" in capsys.readouterr().err
