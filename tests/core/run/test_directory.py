import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from support import toys

from text2face_core import RunDirectory
from text2face_core.engines import Work
from text2face_core.errors import NothingToDo, RunError
from text2face_core.library import Session
from text2face_core.models.store import ModelStore
from text2face_core.records import AnalysisRow, Bag, BagItem, Caption, CaptionRow, Face, Finding
from text2face_core.run import tables
from text2face_core.utils import temporary_path


def work(run, plugins, recipe, source, *, redo=False, retry_failed=False, batch=8, threads=2, chunk=3):
    session = Session(
        run=run,
        plugins=plugins,
        models=ModelStore(),
        work=Work(batch=batch, decode_threads=threads),
        chunk_size=chunk,
    )
    session.caption(session.analyse([source], recipe, redo=redo, retry_failed=retry_failed), retry_failed=retry_failed)
    return session


def shards(run):
    return {path.relative_to(run.path): path.read_bytes() for path in sorted(run.path.rglob("*.parquet"))}


@pytest.fixture
def finished(tmp_path, toy_plugins, toy_recipe, toy_photos):
    run = RunDirectory(tmp_path / "out")
    work(run, toy_plugins, toy_recipe, toy_photos)
    return run


def test_every_photo_ends_as_a_row_with_captions_or_a_reason(finished):
    rows = {row.uri.rpartition("/")[2]: (row, captions.captions) for row, captions in finished.rows()}
    assert len(rows) == 11
    reasons = {name: row.reason for name, (row, _) in rows.items() if row.reason}
    assert reasons.pop("text.jpg").startswith("not an image")
    assert reasons.pop("two.png").startswith("2 faces")
    assert reasons == {"empty.png": "no face", "right.png": "the face is on the right"}
    assert {row.status for row, _ in rows.values()} == {"ok", "rejected", "failed"}
    assert all(len(captions) == (4 if row.status == "ok" else 0) for row, captions in rows.values())


def test_the_documented_columns_are_there(finished):
    analysis = pq.read_schema(finished.analysis_path(0)).names
    photo = ["photo_id", "uri", "chunk", "status", "reason", "width", "height"]
    known = ["alt_text", "human_captions", "truth"]
    assert analysis == [*photo, "face", "findings", "faces", "content", "look", *known]
    assert pq.read_schema(finished.captions_path(0)).names == ["photo_id", "captions"]
    names = ["photo_id", "uri", "chunk", "size", "modified", "gone"]
    assert pq.read_schema(finished.photos_path).names == names


def test_a_finished_run_is_not_done_again(finished, toy_plugins, toy_recipe, toy_photos):
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*.parquet")}
    session = work(finished, toy_plugins, toy_recipe, toy_photos)
    assert session.clock.seconds == {}
    assert before == {path: path.stat().st_mtime_ns for path in finished.path.rglob("*.parquet")}


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (7, 4), (64, 4)])
def test_rows_do_not_depend_on_batches_or_threads(
    finished, tmp_path, toy_plugins, toy_recipe, toy_photos, batch, threads
):
    other = RunDirectory(tmp_path / "other")
    work(other, toy_plugins, toy_recipe, toy_photos, batch=batch, threads=threads)
    assert shards(other) == shards(finished)


def test_captions_do_not_depend_on_chunks_or_on_other_photos(finished, tmp_path, toy_plugins, toy_recipe, toy_photos):
    (toy_photos / "good 0.png").unlink()
    other = RunDirectory(tmp_path / "other")
    work(other, toy_plugins, toy_recipe, toy_photos, chunk=100)
    captions = {row.photo_id: captions for row, captions in finished.rows()}
    assert all(captions[row.photo_id] == again for row, again in other.rows())


def test_a_missing_shard_is_made_again_just_as_it_was(finished, toy_plugins, toy_recipe, toy_photos):
    before = shards(finished)
    finished.analysis_path(1).unlink()
    finished.captions_path(2).write_bytes(b"half a fi")
    work(finished, toy_plugins, toy_recipe, toy_photos)
    assert shards(finished) == before


def test_new_photos_become_new_chunks_and_old_rows_stay(finished, toy_plugins, toy_recipe, toy_photos):
    before = shards(finished)
    toys.draw_photo(toy_photos / "a new one.png", age=50)
    work(finished, toy_plugins, toy_recipe, toy_photos)
    after = shards(finished)
    assert len(list(finished.rows())) == 12
    assert {path: after[path] for path in before if path.parts[0] != "photos.parquet"} == {
        path: data for path, data in before.items() if path.parts[0] != "photos.parquet"
    }


def test_photos_that_went_away_are_left_out_unless_all_of_them_did(finished, toy_plugins, toy_recipe, toy_photos):
    shutil.rmtree(toy_photos)
    toys.draw_photo(toy_photos / "good 1.png", age=21)
    work(finished, toy_plugins, toy_recipe, toy_photos)
    assert len(list(finished.rows())) == 1
    (toy_photos / "good 1.png").unlink()
    work(finished, toy_plugins, toy_recipe, toy_photos)
    assert len(list(finished.rows())) == 1


def test_retry_failed_does_only_those_again(finished, toy_plugins, toy_recipe, toy_photos):
    before = {row.photo_id: (row, captions) for row, captions in finished.rows() if row.status != "failed"}
    toys.draw_photo(toy_photos / "now.png", age=44).replace(toy_photos / "text.jpg")
    # As if the file had only been out of reach: its size and time are not known to have changed.
    tables.write_photos(finished.photos_path, [replace(photo, size=-1, modified=-1) for photo in finished.photos()])
    work(finished, toy_plugins, toy_recipe, toy_photos)
    assert [row.status for row, _ in finished.rows()].count("failed") == 1
    session = work(finished, toy_plugins, toy_recipe, toy_photos, retry_failed=True)
    after = {row.photo_id: (row, captions) for row, captions in finished.rows()}
    assert {row.status for row, _ in after.values()} == {"ok", "rejected"}
    assert before.items() <= after.items()
    assert len(after) == 11
    assert "toy" in session.clock.seconds


def test_an_extractor_that_fails_on_one_photo_costs_only_that_photo(tmp_path, toy_plugins, toy_recipe, toy_photos):
    run = RunDirectory(tmp_path / "out")
    work(run, toy_plugins, toy_recipe.with_settings(["toy.shade.broken_at=23"]), toy_photos)
    failed = {row.uri.rpartition("/")[2]: row.reason for row, _ in run.rows() if row.status == "failed"}
    assert failed["good 3.png"] == "toy.shade: ValueError: this age breaks the toy"
    assert len(failed) == 2


def test_another_extractor_option_needs_redo(finished, toy_plugins, toy_recipe, toy_photos):
    changed = toy_recipe.with_settings(["toy.shade.factor=2.0"])
    with pytest.raises(RunError, match=r"toy\.shade has other options.*--redo"):
        work(finished, toy_plugins, changed, toy_photos)
    work(finished, toy_plugins, changed, toy_photos, redo=True)
    ages = {finding.value for row, _ in finished.rows() for finding in row.findings if finding.name == "age"}
    assert ages == {40.0, 42.0, 44.0, 46.0, 48.0, 50.0, 52.0}


def test_a_run_in_which_nothing_was_analysed_yet_may_change_its_mind(finished, toy_plugins, toy_recipe, toy_photos):
    shutil.rmtree(finished.path / "analysis")
    work(finished, toy_plugins, toy_recipe.with_settings(["toy.shade.factor=2.0"]), toy_photos)
    assert {row.status for row, _ in finished.rows()} == {"ok", "rejected", "failed"}


def test_another_fuser_redoes_only_captions(finished, toy_plugins, toy_recipe, toy_photos):
    before = shards(finished)
    session = work(finished, toy_plugins, toy_recipe.with_plugins(toy_plugins, ["phrasebook"]), toy_photos)
    after = shards(finished)
    assert set(session.clock.seconds) == {"phrasebook"}
    assert {path for path in before if before[path] != after[path]} == {p for p in before if p.parts[0] == "captions"}


def test_a_run_belongs_to_one_source(finished, toy_plugins, toy_recipe, tmp_path):
    toys.draw_photo(tmp_path / "elsewhere" / "one.png")
    with pytest.raises(RunError, match="choose another --out"):
        work(finished, toy_plugins, toy_recipe, tmp_path / "elsewhere")


def test_two_processes_cannot_write_one_run(finished):
    with finished.lock(), pytest.raises(RunError, match="another process"):
        RunDirectory(finished.path).lock()


def test_an_empty_folder_is_nothing_to_do(tmp_path, toy_plugins, toy_recipe):
    (tmp_path / "none").mkdir()
    with pytest.raises(NothingToDo):
        work(RunDirectory(tmp_path / "out"), toy_plugins, toy_recipe, tmp_path / "none")


def test_a_folder_without_a_run_is_an_error_that_says_so(tmp_path):
    with pytest.raises(RunError, match="holds no run"):
        RunDirectory.open(tmp_path)


def test_a_full_disk_is_a_clear_error_and_leaves_no_half_file(
    finished, toy_plugins, toy_recipe, toy_photos, monkeypatch
):
    finished.analysis_path(1).unlink()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(RunError, match="disk is full"):
        work(finished, toy_plugins, toy_recipe, toy_photos)
    assert not finished.analysis_path(1).exists()
    assert not list(finished.path.rglob("*-tmp"))


def test_run_toml_says_how_the_run_was_made(finished, toy_photos):
    settings = finished.settings
    assert settings["source"] == [str(toy_photos)]
    options = {part["name"]: part["options"] for part in settings["plugin"]}["toy.shade"]
    assert options["factor"] == 1.0
    assert options["broken_at"] == -1
    assert settings["versions"]["numpy"] == np.__version__


def test_rows_come_back_from_a_table_as_they_went_in(tmp_path):
    face = Face(np.float32([1, 2, 30, 40]), np.arange(10, dtype=np.float32).reshape(5, 2), 0.875)
    findings = (Finding("age", 34.25, 0.5, "x", {"std": 3.5}), Finding("bald", False, 1.0, "y"))
    row = AnalysisRow("00ff" * 4, "/tmp/a\nb ü.jpg", 3, "ok", "", 640, 480, face, findings)
    tables.write_analysis(tmp_path / "a.parquet", [row, AnalysisRow("01" * 8, "/b", 3, "failed", "no")], {"key": "k"})
    back, failed = tables.read_analysis(tmp_path / "a.parquet")
    assert (back.findings, back.uri, back.width) == (findings, row.uri, 640)
    np.testing.assert_array_equal(back.face.landmarks, face.landmarks)
    assert failed == AnalysisRow("01" * 8, "/b", 3, "failed", "no")
    bag = Bag((BagItem("age", 34.25, "34 years old", "F1"),))
    caption = Caption(
        "A person.", "toy", "long", 2, bag, ("age",), (), ("smiling",), 5, ("missed age; over 77 tokens (83)",)
    )
    captioned = CaptionRow("00ff" * 4, (caption,))
    tables.write_captions(tmp_path / "c.parquet", [captioned], {"key": "k"})
    assert tables.read_captions(tmp_path / "c.parquet") == [captioned]
    assert tables.read_metadata(tmp_path / "c.parquet") == {"text2face.key": "k"}


def test_what_a_killed_process_left_half_written_goes(finished, toy_plugins, toy_recipe, toy_photos):
    shard = finished.analysis_path(0)
    shard.unlink()
    images = finished.dataset / "images" / "00000"
    folders = (finished.path, shard.parent, finished.captions_path(0).parent, images)
    litter = [temporary_path(folder / "half") for folder in folders]
    for path in litter:
        path.write_bytes(b"half a")
    with finished.lock():
        work(finished, toy_plugins, toy_recipe, toy_photos)
    assert not [path for path in litter if path.exists()]


@pytest.mark.parametrize("name", [".notes.tmp", ".notes.1.tmp", "x.0123456789abcdef.t2f-tmp", ".mine.t2f-tmp"])
def test_files_of_others_stay_whatever_their_name(finished, name):
    (finished.path / name).write_text("precious")
    finished.lock().release()
    assert (finished.path / name).read_text() == "precious"


def test_a_folder_with_the_name_of_a_temporary_file_does_no_harm(finished):
    folders = [finished.path / ".x.tmp", temporary_path(finished.path / "x")]
    for folder in folders:
        (folder / "kept").mkdir(parents=True)
    finished.lock().release()
    assert all((folder / "kept").is_dir() for folder in folders)


def test_files_of_others_in_a_run_stay_whatever_their_names(tmp_path, toy_plugins, toy_recipe, toy_photos):
    run = RunDirectory(tmp_path / "out")
    with run.lock():
        work(run, toy_plugins, toy_recipe, toy_photos)
    others = [".notes.tmp", ".x.t2f-tmp", ".run.toml.tmp", "notes.tmp", "analysis/.y.tmp", "dataset/.z.t2f-tmp"]
    for name in others:
        (run.path / name).write_text("precious")
    (run.path / ".folder.tmp").mkdir()
    unfinished = temporary_path(run.path / "analysis" / "00000.parquet")
    unfinished.touch()
    with run.lock():
        work(run, toy_plugins, toy_recipe, toy_photos)
    assert {(run.path / name).read_text() for name in others} == {"precious"}
    assert (run.path / ".folder.tmp").is_dir()
    assert not unfinished.exists()
