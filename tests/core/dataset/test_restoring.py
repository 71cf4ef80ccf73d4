"""Crops that were removed after the run are cut again, byte for byte, so that there is no dead end."""

import shutil

import pytest
from support import drawn_run

from text2face_core.cli import main
from text2face_core.dataset import export_dataset, write_metadata
from text2face_core.run import RunDirectory

LINES = 3  # of four accepted photos one is gone


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    run = drawn_run.make_run(tmp_path / "run")
    settings = {name: value for name, value in run.settings.items() if name != "format"}
    run.write_settings({**settings, "recipe": {"fuser": "x", "dataset": {"enabled": True, "size": 96}}})
    write_metadata(run)
    return run


def crops(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.jpg"))}


@pytest.mark.parametrize("use", ["write_metadata", "imagefolder", "kohya", "webdataset", "parquet"])
@pytest.mark.parametrize("removed", ["all", "one", "emptied"])
def test_removed_crops_are_cut_again(run, tmp_path, caplog, use, removed):
    before = crops(run.dataset)
    assert len(before) == LINES
    if removed == "all":
        shutil.rmtree(run.dataset)
    else:
        crop = next(run.dataset.rglob("*.jpg"))
        crop.unlink() if removed == "one" else crop.write_bytes(b"")
    caplog.clear()
    if use == "write_metadata":
        assert write_metadata(run) == LINES
        assert len((run.dataset / "metadata.jsonl").read_text().splitlines()) == LINES
    else:
        export_dataset(run, use, tmp_path / "export")
    assert crops(run.dataset) == before
    assert f"{LINES if removed == 'all' else 1} missing crops" in caplog.text
    assert "1 crops of" in caplog.text  # the photo that is gone
    assert "cannot be read" in caplog.text


def test_a_run_made_without_crops_stays_so(run):
    settings = {name: value for name, value in run.settings.items() if name != "format"}
    run.write_settings({**settings, "recipe": {"fuser": "x", "dataset": {"enabled": False}}})
    shutil.rmtree(run.dataset)
    assert write_metadata(run) == 0
    assert not run.dataset.exists()


def test_the_command_exports_a_run_whose_data_set_was_removed(run, tmp_path):
    shutil.rmtree(run.dataset)
    assert main(["-q", "export", str(run.path), "--format", "kohya", "--out", str(tmp_path / "export")]) == 0
    assert len(crops(tmp_path / "export")) == LINES
