"""`t2f plugins new`: what it writes is a whole package whose own tests pass."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
from support.paths import ROOT

from text2face_core.cli import main
from text2face_core.cli.plugins import SCAFFOLDS
from text2face_core.errors import PluginError, UsageError
from text2face_core.plugins.registry import ROLES
from text2face_core.plugins.scaffold import SUMMARIES, write_plugin


def run(*command, folder):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    done = subprocess.run(
        [sys.executable, *command], check=False, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", SCAFFOLDS)
def test_a_new_plugin_passes_its_own_tests(tmp_path, kind):
    folder = write_plugin("warm_light", kind, tmp_path / "new")
    shown = run("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", folder=folder)
    assert " passed" in shown


@pytest.mark.parametrize("kind", SCAFFOLDS)
def test_a_new_plugin_is_complete_and_has_no_gap_to_fill_but_the_name_in_the_licence(tmp_path, kind):
    folder = write_plugin("warm_light", kind, tmp_path / "new")
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        ".gitignore",
        "t2f_warm_light/__init__.py",
        "tests/test_warm_light.py",
    } <= set(files)
    assert ("t2f_warm_light/vocabulary.toml" in files) == (kind == "extractor")
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == "t2f-warm-light"
    assert project["entry-points"]["text2face"] == {"warm_light": "t2f_warm_light"}
    assert "YOUR NAME" in files["LICENSE"]
    for place, text in files.items():
        assert "{{" not in text, place
        assert "{%" not in text, place
        assert text.endswith("\n"), place
        assert not text.endswith("\n\n"), place


@pytest.mark.parametrize("kind", SCAFFOLDS)
def test_a_new_plugin_keeps_to_common_style(tmp_path, kind):
    pytest.importorskip("ruff")
    folder = write_plugin("warm_light", kind, tmp_path / "new")
    options = ["--isolated", "--line-length", "120"]
    run("-m", "ruff", "check", *options, "--select", "B,C4,E,F,I,N,PT,RUF,SIM,UP,W", ".", folder=folder)
    run("-m", "ruff", "format", *options, "--check", ".", folder=folder)


@pytest.mark.parametrize("name", ["a", "none", "extractor", "options", "face", "x1_2", "a" * 40])
def test_any_good_name_gives_code_that_runs(tmp_path, name):
    folder = write_plugin(name, "extractor", tmp_path / "new")
    run("-c", f"import t2f_{name}; print(*t2f_{name}.t2f_extractors())", folder=folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Warm-Light", 'for example "warm_light"'),
        ("eye colour", 'for example "eye_colour"'),
        ("1st", 'for example "st"'),
        ("two__lines", 'for example "two_lines"'),
        ("", 'for example "eye_colour"'),
        ("../up", 'for example "up"'),
        ("t2f_warm", 'leave out "t2f_"'),
        ("a" * 41, "41 letters"),
        ("yunet", '"yunet" is taken by text2face 0.1.0'),
    ],
)
def test_names_that_cannot_be_used_are_refused_before_anything_is_written(tmp_path, name, message):
    with pytest.raises(PluginError, match=message.replace("(", r"\(")):
        write_plugin(name, "extractor", tmp_path / "new", {"yunet": "text2face 0.1.0"})
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(UsageError, match="is there already: choose another folder with --out"):
        write_plugin("warm_light", "extractor", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written: Not a directory"):
        write_plugin("warm_light", "extractor", tmp_path / "file" / "new")


def test_the_command_offers_every_kind_there_is():
    assert set(SCAFFOLDS) == set(SUMMARIES) == set(ROLES)


def test_the_command_prints_the_folder_and_what_to_do_next(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "warm_light"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "t2f-warm-light\n"
    for step in (
        "pip install -e t2f-warm-light",
        "t2f plugins show warm_light",
        "t2f run PHOTOS --plugins people,starter,photo,warm_light",
        "python -m pytest t2f-warm-light",
    ):
        assert f"  {step}\n" in shown.err
    assert main(["plugins", "new", "warm_light"]) == 2
    assert "t2f-warm-light is there already" in capsys.readouterr().err
    assert main(["plugins", "new", "phrasebook"]) == 2
    assert '"phrasebook" is taken by text2face' in capsys.readouterr().err


def blocks(language):
    text = (ROOT / "docs" / "plugins.md").read_text()
    return [block + "\n" for block in re.findall(rf"^```{language}\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE)]


def test_the_worked_example_of_the_docs_is_what_the_command_writes(tmp_path):
    folder = write_plugin("warm_light", "extractor", tmp_path / "new")
    assert (folder / "t2f_warm_light" / "__init__.py").read_text() in blocks("python")
    assert (folder / "tests" / "test_warm_light.py").read_text() in blocks("python")
    assert (folder / "t2f_warm_light" / "vocabulary.toml").read_text() in blocks("toml")
    (entry,) = (block for block in blocks("toml") if "entry-points" in block)
    assert entry in (folder / "pyproject.toml").read_text()


def test_all_python_of_the_docs_runs(tmp_path):
    folder = write_plugin("warm_light", "extractor", tmp_path / "new")
    code = "import t2f_warm_light\n" + "\n".join(block for block in blocks("python") if "def test_" not in block)
    run("-W", "error", "-c", code, folder=folder)


def test_all_toml_of_the_docs_is_valid_and_its_words_are_words(tmp_path):
    from text2face_core.language.vocabulary import Vocabulary

    for block in map(tomllib.loads, blocks("toml")):
        if "findings" in block:
            assert Vocabulary.load([block])


def test_the_words_of_a_new_extractor_are_valid(tmp_path):
    folder = write_plugin("warm_light", "extractor", tmp_path / "new")
    code = (
        "import json, t2f_warm_light as plugin\n"
        "from text2face_core.language.vocabulary import Vocabulary\n"
        "words = Vocabulary.load([plugin.t2f_vocabulary()]).words('warm_light', True)\n"
        "print(json.dumps([phrase.text for phrase in words.phrases]))"
    )
    assert json.loads(run("-c", code, folder=folder)) == ["warmly lit"]
