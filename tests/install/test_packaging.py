"""What is shipped, and that everything is found wherever it was put."""

import json
import tarfile
import tomllib
import zipfile

import pytest
from support.paths import ROOT

pytestmark = pytest.mark.install

BUILT_IN = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["text2face"])


@pytest.fixture(scope="session")
def bare(make_environment):
    """Nothing of text2face is installed; the checkout is on the path."""
    environment = make_environment(pip=False)

    def t2f(*arguments, **given):
        return environment.run("python", *arguments, PYTHONPATH=str(ROOT), **given)

    return t2f


@pytest.fixture(scope="session")
def editable(make_environment):
    environment = make_environment()
    environment.pip("install", "-e", ROOT)
    return lambda *arguments, **given: environment.run("python", *arguments, **given)


@pytest.fixture(scope="session")
def from_wheel(installed):
    return lambda *arguments, **given: installed.run("python", *arguments, **given)


@pytest.fixture(params=["bare", "editable", "from_wheel"])
def python(request):
    """Runs Python where text2face is in a checkout, in an editable installation, or in an installed wheel."""
    return request.getfixturevalue(request.param)


def test_every_built_in_plugin_is_found_and_can_be_imported(python):
    rows = json.loads(python("-m", "text2face_core", "plugins", "list", "--json"))
    assert {row["name"]: row["status"] for row in rows} == dict.fromkeys(BUILT_IN, "available")
    assert {row["distribution"] for row in rows} == {"text2face"}


def test_templates_of_new_plugins_are_found(python, tmp_path):
    shown = python("-m", "text2face_core", "plugins", "new", "warm_light", cwd=tmp_path)
    assert shown.strip() == "t2f-warm-light"
    assert (tmp_path / "t2f-warm-light" / ".gitignore").is_file()
    assert (tmp_path / "t2f-warm-light" / "t2f_warm_light" / "vocabulary.toml").is_file()


def test_recipes_and_words_are_found_and_resolve(python):
    code = (
        "from text2face_core import Plugins, Recipe\n"
        "resolved = Recipe.load('starter').resolve(Plugins.load())\n"
        "print(len(resolved.parts), len(resolved.vocabulary.findings) > 40)"
    )
    count, enough_words = python("-c", code).split()
    assert int(count) >= 4
    assert enough_words == "True"


def test_every_folder_of_templates_is_found(python):
    code = "from text2face_core.utils import templates; print(*(path.name for path in templates().iterdir()))"
    assert set(python("-c", code).split()) == {path.name for path in (ROOT / "templates").iterdir()}


def test_the_doctor_finds_every_package_and_template(python):
    facts = json.loads(python("-m", "text2face_core", "doctor", "--json"))
    assert facts["problems"] == []
    assert facts["packages"]["numpy"]
    assert {"webdataset", "all"} <= {extra["name"] for extra in facts["extras"]}


def test_installing_leaves_a_command(installed):
    assert installed.run("t2f", "--version").startswith("t2f, version ")
    assert "Traceback" not in installed.run("t2f", "run", code=2)


def test_the_wheel_holds_what_is_needed_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "templates").rglob("*") if path.is_file()}
    assert {f"text2face_core/{name}" for name in templates} <= names
    assert {"text2face_core/py.typed", "text2face_core/language/vocabulary.toml"} <= names
    for module in modules_of_the_project():
        path = module.replace(".", "/")
        assert names & {f"{path}.py", f"{path}/__init__.py"}, module
    tops = {name.partition("/")[0] for name in names}
    ours = {module.partition(".")[0] for module in modules_of_the_project()}
    assert tops == {"text2face_core", *ours, *(top for top in tops if top.endswith(".dist-info"))}
    unwanted = [name for name in names if name.endswith((".jpg", ".pyc")) or "/tests/" in name or "__pycache__" in name]
    # the scaffold's own tests are templates
    assert [name for name in unwanted if not name.startswith("text2face_core/templates/plugin/")] == []


def modules_of_the_project() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["text2face"].values())


def test_the_wheel_says_its_licence_and_its_plugins(wheel):
    files = zipfile.ZipFile(wheel)
    (info,) = {name.partition("/")[0] for name in files.namelist() if ".dist-info/" in name}
    assert "License-Expression: MIT" in files.read(f"{info}/METADATA").decode()
    assert f"{info}/licenses/LICENSE" in files.namelist()
    points = files.read(f"{info}/entry_points.txt").decode()
    assert "t2f = text2face_core.cli:main" in points
    assert all(f"\n{name} = " in points for name in BUILT_IN)


def test_the_sdist_builds_the_same_wheel(sdist, wheel, build, tmp_path):
    with tarfile.open(sdist) as files:
        files.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert (source / "tests").is_dir()
    assert (source / "examples" / "t2f-eye-colour" / "pyproject.toml").is_file()
    assert list(source.rglob("*.jpg")) == []
    again = build(source, tmp_path / "out", "wheel")
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())
