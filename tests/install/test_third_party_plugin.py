"""A third-party plugin: built, installed beside text2face, used, and taken away again."""

import json
from pathlib import Path

import pytest
from support.paths import ROOT

from text2face_core import RunDirectory

pytestmark = pytest.mark.install


def listed(environment):
    return {row["name"]: row for row in json.loads(environment.run("t2f", "plugins", "list", "--json"))}


@pytest.fixture
def eye_colour(installed, example_wheel):
    """The environment with the example plugin in it."""
    installed.pip("install", example_wheel)
    yield installed
    installed.pip("uninstall", "-y", "t2f-eye-colour")


def test_a_plugin_that_is_installed_is_there_and_one_that_is_uninstalled_is_gone(installed, example_wheel):
    assert "eye_colour" not in listed(installed)
    installed.pip("install", example_wheel)
    row = listed(installed)["eye_colour"]
    assert (row["distribution"], row["version"], row["status"]) == ("t2f-eye-colour", "0.1.0", "available")
    assert (row["imported"], row["components"]) == (False, [])
    shown = json.loads(installed.run("t2f", "plugins", "show", "eye_colour", "--json"))
    assert [(part["name"], part["kind"]) for part in shown["components"]] == [("eye_colour", "extractor")]
    installed.pip("uninstall", "-y", "t2f-eye-colour")
    assert "eye_colour" not in listed(installed)
    message = installed.run("t2f", "run", ROOT, "--plugins", "eye_colour", code=2)
    assert 'no plugin is called "eye_colour"' in message


def test_its_options_are_shown_and_checked(eye_colour, tmp_path):
    plugin = json.loads(eye_colour.run("t2f", "plugins", "show", "eye_colour", "--json"))
    (component,) = plugin["components"]
    assert {option["name"] for option in component["options"]} == {"min_iris", "contrast", "monochrome", "score"}
    setting = ["--plugins", "eye_colour", "--set", "eye_colour.min_iris=0"]
    message = eye_colour.run("t2f", "run", ROOT / "examples" / "photos", "--out", tmp_path / "out", *setting, code=2)
    assert "eye_colour: min_iris: Input should be greater than or equal to 1" in message


@pytest.mark.models
def test_captions_say_what_it_sees_in_its_own_words(eye_colour, starter_models, example_photos, tmp_path):
    eye_colour.run(
        "t2f",
        "run",
        example_photos,
        "--out",
        tmp_path / "out",
        "--plugins",
        "agegender,photo,eye_colour",
        "--no-report",
        T2F_MODELS=str(starter_models.folder),
        T2F_OFFLINE="1",
    )
    found, texts = {}, {}
    for row, captions in RunDirectory.open(tmp_path / "out").rows():
        name = Path(row.uri).name
        found[name] = [finding.value for finding in row.findings if finding.source == "eye_colour"]
        texts[name] = [(caption.text, caption.mentioned, caption.invented) for caption in captions.captions]
    assert found["portrait-10.jpg"] == ["brown"]
    assert found["portrait-06.jpg"] == []  # black and white
    assert sum(map(len, found.values())) >= 2
    for name, values in found.items():
        for text, mentioned, invented in texts[name]:
            said = "eye_colour" in mentioned  # a short caption has no room for every detail
            assert f"{values[0]} eyes" in text if said else " eyes" not in text, (name, text)
            assert "eye_colour" not in invented
        assert any("eye_colour" in mentioned for _, mentioned, _ in texts[name]) == bool(values), name


def test_a_scaffolded_plugin_installs_passes_its_tests_and_is_shown(installed, tmp_path):
    installed.run("t2f", "plugins", "new", "warm_light", cwd=tmp_path)
    folder = tmp_path / "t2f-warm-light"
    installed.pip("install", "-e", folder)
    try:
        assert " passed" in installed.run("python", "-m", "pytest", "-q", folder, cwd=tmp_path)
        shown = installed.run("t2f", "plugins", "show", "warm_light")
        assert "warm_light  t2f-warm-light 0.1.0, module t2f_warm_light" in shown
        assert "least = 75.0  number  (≥ 0, ≤ 255)" in shown
    finally:
        installed.pip("uninstall", "-y", "t2f-warm-light")
    assert "warm_light" not in listed(installed)


def test_the_examples_own_tests_pass_where_it_is_installed(eye_colour):
    folder = ROOT / "examples" / "t2f-eye-colour"
    shown = eye_colour.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", folder, cwd=folder)
    assert " passed" in shown
