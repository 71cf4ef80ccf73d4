"""`t2f doctor` on machines that are well, and on machines that are not."""

import json
import sys
from importlib import metadata

import pytest

from text2face_core.cli import doctor, main
from text2face_core.errors import UsageError
from text2face_core.models.store import ModelStore


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

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: Usage)
    code, facts = examined(capsys)
    assert code == 1
    assert "10 bytes are free" in facts["problems"][0]


def test_every_extra_says_what_it_has_and_how_to_get_it(capsys, monkeypatch):
    version = metadata.version

    def without_webdataset(package):
        if package == "webdataset":
            raise metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(doctor.metadata, "version", without_webdataset)
    code, facts = examined(capsys)
    extras = {extra["name"]: extra for extra in facts["extras"]}
    assert code == 0  # the starter does without
    assert not {"test", "dev"} & set(extras)
    assert extras["webdataset"] == {
        "name": "webdataset",
        "installed": False,
        "packages": {"webdataset": None},
        "install": "pip install 'text2face[webdataset]'",
    }
    assert "webdataset" in extras["all"]["packages"]
    assert main(["doctor"]) == 0
    assert "not installed: pip install 'text2face[webdataset]'" in capsys.readouterr().out


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

    monkeypatch.setattr(doctor.metadata, "version", wrong_pooch)
    code, facts = examined(capsys)
    assert code == 1
    assert words in facts["problems"][0]
    assert "pip install 'pooch>=" in facts["problems"][0]


def test_a_package_that_dies_on_import_is_reported_and_takes_nobody_with_it(capsys, monkeypatch):
    monkeypatch.setitem(doctor.PROBES, "onnxruntime", "import os; os.kill(os.getpid(), 9)")
    monkeypatch.setitem(doctor.PROBES, "numpy", "raise ImportError('libcudart.so.12 is missing')")
    code, facts = examined(capsys)
    assert code == 1
    assert "onnxruntime cannot be imported" in facts["problems"][0]
    assert facts["devices"]["numpy"] == "cannot be imported: ImportError: libcudart.so.12 is missing"


def test_missing_templates_are_a_problem(capsys, monkeypatch):
    def none():
        raise UsageError("the templates of text2face are missing")

    monkeypatch.setattr("text2face_core.utils.resources.templates", none)
    code, facts = examined(capsys)
    assert code == 1
    assert facts["templates"] is None


def outside(tmp_path, monkeypatch, distribution, code="raise RuntimeError('no licence key')"):
    name = distribution.replace("-", "_")
    info = tmp_path / name / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[text2face]\nodd = {name}_for_doctor\n")
    (tmp_path / name / f"{name}_for_doctor.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path / name)


def test_a_broken_outside_plugin_is_reported_but_not_in_the_way(capsys, tmp_path, monkeypatch, empty_store):
    outside(tmp_path, monkeypatch, "t2f-odd")
    code, facts = examined(capsys)
    assert code == 0
    assert facts["plugins"]["odd"] == "broken"
    assert "no licence key" in facts["broken_plugins"][0]
    assert main(["doctor"]) == 0
    assert "no licence key" in capsys.readouterr().out


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
    monkeypatch.setattr(doctor, "__file__", str(tmp_path / "text2face_core" / "cli" / "doctor.py"))
    found = doctor.examine(ModelStore(tmp_path / "models"))
    assert set(found.facts["packages"]) == {"numpy"}
    assert {extra["name"]: extra["packages"] for extra in found.facts["extras"]} == {
        "big": {"a-heavy-package": None},
        "all": {"a-heavy-package": None},
    }
