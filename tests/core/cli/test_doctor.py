"""`t2f doctor` on machines that are well, and on machines that are not."""

import json
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from support.distributions import add_distribution

from text2face_core.cli import main
from text2face_core.errors import UsageError
from text2face_core.library import diagnosis
from text2face_core.models.store import ModelStore
from text2face_core.utils import install_command
from text2face_core.utils.requirements import RUNTIME_DEMANDS, Installed


def examined(capsys, *arguments):
    code = main([*arguments, "doctor", "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def empty_store(tmp_path, monkeypatch):
    monkeypatch.setenv("T2F_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_a_machine_that_is_well_has_no_problems(capsys, empty_store):
    code, facts = examined(capsys)
    assert (code, facts["problems"]) == (0, [])
    assert facts["system"]["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert facts["system"]["cores"] >= 1
    assert facts["packages"]["numpy"] == metadata.version("numpy")
    assert "CPUExecutionProvider" in facts["devices"]["onnxruntime"]
    assert facts["plugins"]["phrasebook"] == "available"
    assert facts["templates"]


def test_missing_model_files_are_no_problem_where_they_can_be_fetched(capsys, empty_store):
    code, facts = examined(capsys)
    assert code == 0
    assert {file["present"] for file in facts["models"]["files"]} == {False}
    assert facts["models"]["folder"] == str(empty_store)
    assert facts["models"]["free"] > 0
    assert not empty_store.exists()  # looking leaves nothing behind


def test_missing_model_files_are_a_problem_offline(capsys, empty_store, monkeypatch):
    monkeypatch.setenv("T2F_OFFLINE", "1")
    code, facts = examined(capsys)
    assert code == 1
    (problem,) = facts["problems"]
    for words in (
        "face_detection_yunet_2023mar.onnx",
        "bpe_simple_vocab_16e6.txt.gz",
        "t2f models pull --recipe starter",
        str(empty_store),
    ):
        assert words in problem


@pytest.mark.models
def test_present_model_files_are_found(capsys, starter_models):
    code, facts = examined(capsys)
    assert code == 0
    assert {file["present"] for file in facts["models"]["files"]} == {True}


def test_a_full_disk_is_a_problem(capsys, empty_store, monkeypatch):
    class Usage:
        free = 10

    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda folder: Usage)
    code, facts = examined(capsys)
    assert code == 1
    assert "10 bytes are free" in facts["problems"][0]


def test_every_extra_says_what_it_has_and_how_to_get_it(capsys, monkeypatch):
    version = metadata.version

    def without_webdataset(package):
        if package == "webdataset":
            raise metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(metadata, "version", without_webdataset)
    code, facts = examined(capsys)
    extras = {extra["name"]: extra for extra in facts["extras"]}
    assert code == 0  # the starter does without
    assert not {"test", "dev"} & set(extras)
    assert extras["webdataset"] == {
        "name": "webdataset",
        "installed": False,
        "packages": {"webdataset": None},
        "install": install_command("webdataset"),
        "problems": [],
        "notes": [],
    }
    assert "webdataset" in extras["all"]["packages"]
    assert main(["doctor"]) == 0
    assert f"not installed: {install_command('webdataset')}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "words"),
    [(None, "it is not installed"), ("0.1", "0.1 is installed")],
)
def test_a_base_package_that_is_missing_or_too_old_is_a_problem(capsys, monkeypatch, found, words):
    version = metadata.version

    def wrong_pooch(package):
        if package != "pooch":
            return version(package)
        if found is None:
            raise metadata.PackageNotFoundError(package)
        return found

    monkeypatch.setattr(metadata, "version", wrong_pooch)
    code, facts = examined(capsys)
    assert code == 1
    assert words in facts["problems"][0]
    assert "pip install 'pooch>=" in facts["problems"][0]


# --- versions that do not fit each other ---


def distribution(folder, name, version, *requires, extras=(), **files):
    """Install a package that has metadata and, where `files` are given, their text."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {one}" for one in requires]
    (info / "METADATA").write_text("\n".join([*lines, ""]))
    for path, text in files.items():
        place = folder / path.replace("__", "/").removesuffix("_py")
        place = place.with_name(f"{place.name}.py")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder for packages, found before those that are installed."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def compared(*requirements, **options):
    return Installed().compare([Requirement(one) for one in requirements], "pip install 'text2face[big]'", **options)


@pytest.mark.parametrize(
    ("demand", "problem"),
    [
        ("t2f-inner>=2", "t2f-outer 1.5 needs t2f-inner>=2, but 1.4 is installed"),
        ("t2f-inner<1.4,>=1", "t2f-outer 1.5 needs t2f-inner<1.4,>=1, but 1.4 is installed"),
        ("t2f-absent[fast]>=3", "t2f-outer 1.5 needs t2f-absent[fast]>=3, but it is not installed"),
        ("t2f-inner>=1; python_version >= '3'", None),
        ("t2f-inner>=2; python_version < '3'", None),
        ("t2f-inner>=2; extra == 'more'", None),  # nobody asked for that extra
        ("t2f-inner>=2; extra == 'fast'", "t2f-outer 1.5 needs t2f-inner>=2, but 1.4 is installed"),
        ("T2F.Inner", None),
    ],
)
def test_what_an_installed_package_requires_is_compared(site, demand, problem):
    distribution(site, "t2f-outer", "1.5", demand, extras=("fast", "more"))
    distribution(site, "t2f-inner", "1.4")
    problems = compared("t2f-outer[fast]>=1").problems
    assert [one.partition(": ")[0] for one in problems] == ([problem] if problem else [])
    for one in problems:
        needed = problem.partition(" needs ")[2].rpartition(", but ")[0]
        assert one.endswith(f": pip install 'text2face[big]' '{needed}'")


def test_requirements_are_followed_to_the_end_and_round_in_circles(site):
    distribution(site, "t2f-a", "1", "t2f-b")
    distribution(site, "t2f-b", "1", "t2f-c[x]")
    distribution(site, "t2f-c", "1", "t2f-a", "t2f-d>=2; extra == 'x'", extras=("x",))
    distribution(site, "t2f-d", "1.9rc1")
    (problem,) = compared("t2f-a").problems
    assert problem.startswith("t2f-c 1 needs t2f-d>=2, but 1.9rc1 is installed")


def test_an_optional_package_may_be_missing_but_not_too_old(site):
    distribution(site, "t2f-old", "1.0")
    assert compared("t2f-absent>=1", optional=True).problems == []
    (missing,) = compared("t2f-absent>=1").problems
    assert (
        missing
        == "text2face needs t2f-absent>=1, but it is not installed: pip install 'text2face[big]' 't2f-absent>=1'"
    )
    (old,) = compared("t2f-old>=2,<3", optional=True).problems
    assert "text2face needs t2f-old<3,>=2, but 1.0 is installed" in old


PEFT_OF_TRANSFORMERS = {"transformers__integrations__peft_py": 'X = 1\nMIN_PEFT_VERSION = "0.22.0"\n'}
TABLE_OF_TRANSFORMERS = {
    "transformers__dependency_versions_table_py": 'deps = {\n    "accelerate": "accelerate>=9.0",\n}\n'
}


@pytest.mark.parametrize(("version", "noted"), [("0.21.2", True), ("0.22.0", False), ("0.30", False)])
def test_a_demand_at_run_time_that_does_no_harm_is_a_note(site, version, noted):
    distribution(site, "transformers", "5.24.0", **PEFT_OF_TRANSFORMERS)
    distribution(site, "peft", version)
    report = compared("peft>=0.18", "transformers>=5")
    assert report.problems == []
    assert report.notes == (
        [
            "transformers 5.24.0 needs peft>=0.22.0 for its own adapters, which text2face does not use "
            "(0.21.2 is installed)"
        ]
        if noted
        else []
    )


def test_a_demand_at_run_time_that_stops_an_import_is_a_problem(site):
    distribution(site, "transformers", "5.24.0", **TABLE_OF_TRANSFORMERS)
    distribution(site, "accelerate", "1.15.0")
    (problem,) = compared("accelerate", "transformers").problems
    assert problem.startswith("transformers 5.24.0 needs accelerate>=9.0, but 1.15.0 is installed: pip install ")
    assert compared("transformers").problems == []  # the extra does without accelerate


def test_demands_at_run_time_are_still_stated_where_they_are_looked_for():
    pytest.importorskip("transformers")
    pytest.importorskip("diffusers")
    assert [str(demand.read()).partition(">=")[0] for demand in RUNTIME_DEMANDS] == [one.of for one in RUNTIME_DEMANDS]


def test_an_extra_with_versions_that_do_not_fit_is_reported_once_and_in_the_way_of_nothing_else(
    site, monkeypatch, capsys, empty_store
):
    distribution(site, "t2f-old", "1.0")
    distribution(site, "t2f-picky", "3.1", "t2f-old>=2")
    requires = ("numpy>=1", "t2f-picky; extra == 'big'", "t2f-old; extra == 'big'", "text2face[big]; extra == 'all'")
    distribution(site, "text2face", "9.0", *requires, extras=("big", "all"))
    monkeypatch.setattr(diagnosis, "__file__", str(site / "text2face_core" / "library" / "diagnosis.py"))
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "extra big         installed, but versions do not fit\n" in shown
    assert shown.count("t2f-picky 3.1 needs t2f-old>=2, but 1.0 is installed") == 1
    assert "pip install 'text2face[big]' 't2f-old>=2'" in shown
    big, everything = examined(capsys)[1]["extras"]
    assert not big["installed"]
    assert not everything["installed"]
    assert len(everything["problems"]) == 1


def test_a_base_package_that_gets_a_wrong_version_of_another_is_a_problem(site, monkeypatch, capsys, empty_store):
    distribution(site, "t2f-old", "1.0")
    distribution(site, "pooch", "9.0", "t2f-old>=2")
    code, facts = examined(capsys)
    assert code == 1
    assert facts["problems"] == [f"pooch 9.0 needs t2f-old>=2, but 1.0 is installed: {install_command()} 't2f-old>=2'"]


def test_a_package_that_dies_on_import_is_reported_and_takes_nobody_with_it(capsys, monkeypatch):
    monkeypatch.setitem(diagnosis.PROBES, "onnxruntime", "import os; os.kill(os.getpid(), 9)")
    monkeypatch.setitem(diagnosis.PROBES, "numpy", "raise ImportError('libcudart.so.12 is missing')")
    code, facts = examined(capsys)
    assert code == 1
    assert "onnxruntime cannot be imported" in facts["problems"][0]
    assert facts["devices"]["numpy"] == "cannot be imported: ImportError: libcudart.so.12 is missing"


def test_missing_templates_are_a_problem(capsys, monkeypatch):
    def none():
        raise UsageError("the templates of text2face are missing")

    monkeypatch.setattr("text2face_core.utils.templates", none)
    code, facts = examined(capsys)
    assert code == 1
    assert facts["templates"] is None


def outside(tmp_path, monkeypatch, distribution, code="raise RuntimeError('no licence key')"):
    name = distribution.replace("-", "_")
    add_distribution(tmp_path / name, distribution, f"odd = {name}_for_doctor")
    (tmp_path / name / f"{name}_for_doctor.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path / name)


def test_a_broken_outside_plugin_is_reported_but_not_in_the_way(capsys, tmp_path, monkeypatch, empty_store):
    outside(tmp_path, monkeypatch, "t2f-odd")
    (tmp_path / "t2f_odd" / "t2f_odd_for_doctor.py").unlink()
    code, facts = examined(capsys)
    assert code == 0
    assert facts["plugins"]["odd"] == "broken"
    assert "t2f_odd_for_doctor" in facts["broken_plugins"][0]
    assert main(["doctor"]) == 0
    assert "t2f_odd_for_doctor" in capsys.readouterr().out


def test_two_plugins_of_one_name_are_a_problem_and_the_rest_is_still_looked_at(capsys, tmp_path, monkeypatch):
    outside(tmp_path, monkeypatch, "t2f-odd")
    outside(tmp_path, monkeypatch, "t2f-even")
    code, facts = examined(capsys)
    assert code == 1
    assert 'two plugins are called "odd"' in facts["problems"][0]
    assert facts["plugins"]["yunet"] == "available"
    assert examined(capsys, "--no-plugins")[0] == 0


def test_the_report_for_people_ends_with_what_to_do(capsys, empty_store, monkeypatch):
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("The recipe starter can run: t2f run PHOTOS\n")
    monkeypatch.setenv("T2F_OFFLINE", "1")
    assert main(["doctor"]) == 1
    assert "\nto do: not here, and not to be fetched (offline)" in capsys.readouterr().out


def test_what_is_declared_is_read_from_the_installed_distribution_where_there_is_no_checkout(monkeypatch, tmp_path):
    info = tmp_path / "text2face-9.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: text2face\nVersion: 9.0\nProvides-Extra: big\nProvides-Extra: all\n"
        "Requires-Dist: numpy>=1\nRequires-Dist: a-heavy-package>=2; extra == 'big'\n"
        "Requires-Dist: text2face[big]; extra == 'all'\nRequires-Dist: old; python_version < '3'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(diagnosis, "__file__", str(tmp_path / "text2face_core" / "library" / "diagnosis.py"))
    found = diagnosis.diagnose(models=ModelStore(tmp_path / "models"))
    assert set(found.facts["packages"]) == {"numpy"}
    assert {extra["name"]: extra["packages"] for extra in found.facts["extras"]} == {
        "big": {"a-heavy-package": None},
        "all": {"a-heavy-package": None},
    }
