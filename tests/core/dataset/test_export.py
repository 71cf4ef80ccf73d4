"""The folder that an export makes, what it says when something is missing, and the command."""

import json
import signal
import subprocess
import sys
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from support import small_run

from text2face_core.cli import main
from text2face_core.dataset import FORMATS, ExportSettings, Imported, export_dataset, import_captions, open_dataset
from text2face_core.errors import MissingExtra, NothingToDo, RunError, UsageError
from text2face_core.library import Silent
from text2face_core.run.tables import write_photos

TEXTS = [["Zoë smiles.", "A woman."], ["One."], ["D.", "E.", "F."], ["Late."]]
IDS = [small_run.photo_id(number) for number in range(4)]


@pytest.fixture
def run(tmp_path):
    return small_run.make_run(tmp_path / "out", TEXTS)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def records(folder):
    return [json.loads(line) for line in (folder / "photos.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize("format", FORMATS)
def test_two_exports_are_equal_to_the_byte(run, format):  # noqa: A002
    first = contents(export_dataset(run, format))
    assert contents(export_dataset(run, format, overwrite=True)) == first
    assert f"<!-- t2f export --format {format} -->" in first["README.md"].decode()


@pytest.mark.parametrize("format", FORMATS)
def test_odd_folder_names_are_fine(tmp_path, format):  # noqa: A002
    run = small_run.make_run(tmp_path / "50% Zoë's\n[run] #1 {x}: 日本", TEXTS)
    folder = export_dataset(run, format)
    assert folder == run.path / f"export-{format}"
    if format == "kohya":
        config = tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8"))
        assert len(list(Path(config["datasets"][0]["subsets"][0]["image_dir"]).glob("*.jpg"))) == 4


@pytest.mark.parametrize("format", ["imagefolder", "kohya"])
@pytest.mark.parametrize("link", [True, False])
def test_pictures_are_linked_or_copied(run, format, link):  # noqa: A002
    folder = export_dataset(run, format, settings=ExportSettings(link=link))
    (exported,) = folder.rglob(f"{IDS[3]}.jpg")
    original = run.dataset / "images" / "00001" / f"{IDS[3]}.jpg"
    assert exported.samefile(original) == link
    assert exported.read_bytes() == original.read_bytes()


class StopsAt(Silent):
    """Ctrl-C while the second photo is being exported."""

    seen = 0

    def advance(self, count: int, **counts: int) -> None:
        self.seen += count
        if self.seen == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("format", FORMATS)
def test_an_interrupted_export_leaves_nothing_behind(run, tmp_path, format):  # noqa: A002
    with pytest.raises(KeyboardInterrupt):
        export_dataset(run, format, tmp_path / "exports" / "one", progress=StopsAt())
    assert list((tmp_path / "exports").iterdir()) == []


def test_an_interrupted_export_leaves_the_earlier_one_as_it_was(run):
    folder = export_dataset(run, "kohya")
    before = contents(folder)
    with pytest.raises(KeyboardInterrupt):
        export_dataset(run, "kohya", settings=ExportSettings(captions="first"), overwrite=True, progress=StopsAt())
    assert contents(folder) == before
    assert [path.name for path in run.path.iterdir() if "kohya" in path.name] == ["export-kohya"]


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from text2face_core.dataset import export_dataset
from text2face_core.library import Silent
from text2face_core.run import RunDirectory

class Killed(Silent):
    def advance(self, count, **counts):
        os.kill(os.getpid(), signal.SIGKILL)

export_dataset(RunDirectory.open(Path(sys.argv[1])), "kohya", overwrite=True, progress=Killed())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_killed_export_harms_nothing_and_the_next_clears_it_away(run):
    before = contents(export_dataset(run, "kohya"))
    ended = subprocess.run([sys.executable, "-c", KILLED, str(run.path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    (left,) = run.path.glob(".export-kohya.*")
    assert left.is_dir()
    assert contents(run.path / "export-kohya") == before
    run.lock().release()  # as t2f run and t2f fuse begin
    assert contents(export_dataset(run, "kohya", overwrite=True)) == before
    assert not list(run.path.glob(".export-kohya.*"))


def test_an_export_that_was_killed_while_it_took_its_place_is_put_back(run):
    folder = export_dataset(run, "jsonl")
    before = contents(folder)
    folder.rename(folder.with_name(".export-jsonl.0123456789abcdef.t2f-old"))
    with pytest.raises(RunError, match="--overwrite"):
        export_dataset(run, "jsonl")
    assert contents(folder) == before
    assert not list(run.path.glob(".export-jsonl.*"))


@pytest.mark.parametrize("name", [".export-jsonl.tmp", ".export-jsonl.0123456789abcdef.t2f-new", ".export-jsonl.old"])
def test_folders_without_our_marker_stay_whatever_their_name(run, name):
    (run.path / name).mkdir()
    (run.path / name / "thesis.txt").write_text("precious")
    export_dataset(run, "jsonl")
    assert (run.path / name / "thesis.txt").read_text() == "precious"


def test_of_several_exports_to_one_folder_one_wins_and_the_others_say_so(run, tmp_path):
    begun, others_ended = threading.Event(), threading.Event()

    class Waits(Silent):
        def advance(self, count: int, **counts: int) -> None:
            begun.set()
            assert others_ended.wait(60)

    with ThreadPoolExecutor(1) as pool:
        winner = pool.submit(export_dataset, run, "imagefolder", tmp_path / "x", progress=Waits())
        assert begun.wait(60)
        for _ in range(2):
            with pytest.raises(RunError, match="another process is writing"):
                export_dataset(run, "imagefolder", tmp_path / "x", overwrite=True)
        others_ended.set()
        assert winner.result() == tmp_path / "x"
    assert (tmp_path / "x" / "metadata.jsonl").is_file()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_there_is_replaced_only_on_request(run):
    folder = export_dataset(run, "kohya")
    with pytest.raises(RunError, match="not empty: give --overwrite"):
        export_dataset(run, "jsonl", folder)
    assert export_dataset(run, "jsonl", folder, overwrite=True) == folder
    assert set(contents(folder)) == {"README.md", "photos.jsonl"}


def test_an_empty_folder_may_be_filled(run, tmp_path):
    (tmp_path / "new").mkdir()
    assert len(records(export_dataset(run, "jsonl", tmp_path / "new"))) == 4


@pytest.mark.parametrize("name", ["README.md", "thesis.txt"])
def test_files_that_no_export_wrote_are_never_deleted(run, tmp_path, name):
    kept = tmp_path / "mine" / name
    kept.parent.mkdir()
    kept.write_text("# My thesis")
    with pytest.raises(RunError, match="not written by an export"):
        export_dataset(run, "jsonl", kept.parent, overwrite=True)
    assert kept.read_text() == "# My thesis"


@pytest.mark.parametrize("place", [".", "..", "dataset", "dataset/images/00000", "analysis", "captions/x"])
def test_an_export_never_goes_into_the_runs_own_files(run, place):
    before = contents(run.path)
    with pytest.raises(RunError, match="belongs to the run itself"):
        export_dataset(run, "imagefolder", run.path / place, overwrite=True)
    assert contents(run.path) == before


def test_a_file_in_the_way_is_said(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        export_dataset(run, "jsonl", tmp_path / "file")
    with pytest.raises(RunError, match="could not be written"):
        export_dataset(run, "jsonl", tmp_path / "file" / "below")


@pytest.mark.parametrize("format", ["imagefolder", "kohya", "webdataset", "parquet"])
def test_images_can_keep_their_own_names(run, tmp_path, format):  # noqa: A002
    settings = ExportSettings(names="original", concept="ohwx man", repeats=5)
    folder = export_dataset(run, format, tmp_path / "export", settings)
    names = {"0", "2", "3", "a b_c 日本 [x]"}  # photo 1 has a line break in its name
    found = {PurePosixPath(photo.key).stem for photo in open_dataset(folder)} if format != "parquet" else names
    assert found == names
    if format == "kohya":
        assert {path.stem for path in (folder / "5_ohwx man").glob("*.jpg")} == names
        assert import_captions(run, folder) == Imported(0, 0, ())
    assert "paths can name people" in (folder / "README.md").read_text()


def test_two_photos_of_one_name_are_both_exported(tmp_path):
    run = small_run.make_run(tmp_path / "out", [["A."], ["B."]])
    rows = [replace(row, uri=f"/photos/{row.photo_id}/Same.jpg") for row, _ in run.rows()]
    captions = [captions for _, captions in run.rows()]
    for chunk in run.chunks():
        here = [number for number, row in enumerate(rows) if row.chunk == chunk]
        run.commit_analysis(chunk, [rows[number] for number in here], "a key")
        run.commit_captions(chunk, [captions[number] for number in here], "a key")
    folder = export_dataset(run, "kohya", settings=ExportSettings(names="original"))
    assert sorted(path.name for path in (folder / "1_face").glob("*.jpg")) == [f"Same-{IDS[1]}.jpg", "Same.jpg"]


@pytest.mark.parametrize("format", ["imagefolder", "webdataset", "parquet"])
def test_images_can_keep_their_folders(tmp_path, format):  # noqa: A002
    run = small_run.make_run(tmp_path / "out", [["A."], ["B."], ["C."]])
    uris = {IDS[0]: "/photos/anna/1.jpg", IDS[1]: "/photos/ben.v2/1.jpg", IDS[2]: "/photos/ben.v2/old/2.jpg"}
    everything = list(run.rows())
    for chunk in run.chunks():
        here = [(replace(row, uri=uris.get(row.photo_id, row.uri)), c) for row, c in everything if row.chunk == chunk]
        run.commit_analysis(chunk, [row for row, _ in here], "a key")
        run.commit_captions(chunk, [captions for _, captions in here], "a key")
    write_photos(run.photos_path, [replace(one, uri=uris.get(one.photo_id, one.uri)) for one in run.photos()])
    folder = export_dataset(run, format, settings=ExportSettings(names="path"))
    names = {"anna/1", "ben_v2/1", "ben_v2/old/2"}
    if format == "imagefolder":
        assert {photo.key for photo in open_dataset(folder)} == {f"images/{name}.jpg" for name in names}
        assert all((folder / "images" / f"{name}.jpg").is_file() for name in names)
    elif format == "webdataset":
        assert {photo.key.partition("/")[2] for photo in open_dataset(folder)} == names
    else:
        table = pq.read_table(next(folder.rglob("*.parquet")))
        assert {name["path"] for name in table["image"].to_pylist()} == {f"{name}.jpg" for name in names}
    with pytest.raises(UsageError, match="--names original"):
        export_dataset(run, "kohya", settings=ExportSettings(names="path"))


@pytest.mark.parametrize("concept", ["", "a/b", "..\\x", "a\nb"])
def test_a_concept_is_the_name_of_one_folder(concept):
    with pytest.raises(ValidationError, match="concept"):
        ExportSettings(concept=concept)


# What is missing.


def test_without_captions_there_is_nothing_to_export(tmp_path):
    run = small_run.make_run(tmp_path / "out", [[], []])
    with pytest.raises(NothingToDo, match=r"none of the 2 accepted photos .* t2f fuse"):
        export_dataset(run, "kohya")
    assert not (run.path / "export-kohya").exists()


def test_photos_that_wait_for_captions_are_spoken_of(run, caplog):
    export_dataset(run, "jsonl")
    assert not caplog.records
    run.captions_path(1).unlink()
    export_dataset(run, "jsonl", overwrite=True)
    assert f"3 of 6 photos of {run.path} still wait for captions" in caplog.text
    run.analysis_path(1).unlink()
    assert run.waiting() == 3
    run.captions_path(0).unlink()
    assert run.waiting() == 6
    with pytest.raises(NothingToDo):
        export_dataset(run, "jsonl", overwrite=True)


def test_without_accepted_photos_the_message_points_to_the_report(tmp_path):
    with pytest.raises(NothingToDo, match=r"none of the 2 photos .* was accepted.* t2f report"):
        export_dataset(small_run.make_run(tmp_path / "out", []), "jsonl")


@pytest.mark.parametrize("format", FORMATS)
def test_without_crops_only_formats_without_pictures_can_be_written(tmp_path, format):  # noqa: A002
    run = small_run.make_run(tmp_path / "out", TEXTS, crops=False)
    if format == "jsonl":
        assert [record["file_name"] for record in records(export_dataset(run, format))] == [None] * 4
    else:
        with pytest.raises(NothingToDo, match=r"4 photos .* have captions, but none has its picture"):
            export_dataset(run, format)


def test_without_webdataset_the_extra_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset", None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[webdataset\]'"):
        export_dataset(run, "webdataset")
    assert not (run.path / "export-webdataset").exists()


def test_no_export_of_pictures_says_where_photos_came_from(run):
    for format in ("imagefolder", "kohya", "webdataset"):  # noqa: A001
        folder = export_dataset(run, format, settings=ExportSettings(link=False))
        assert not [name for name, data in contents(folder).items() if b"/home/ada" in data or b"/photos/" in data]
    assert "paths can name people" in (export_dataset(run, "parquet") / "README.md").read_text()


# The command.


def test_the_command_prints_the_folder_and_nothing_else_on_stdout(run, capsys):
    assert main(["export", str(run.path), "--format", "imagefolder"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{run.path / 'export-imagefolder'}\n"
    assert "exporting as imagefolder" in err


def test_the_command_passes_its_options_on(run, tmp_path, capsys):
    target = str(tmp_path / "lora")
    options = ["--captions", "first", "--repeats", "3", "--copy", "--out", target]
    assert main(["-q", "export", str(run.path), "--format", "kohya", *options]) == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / "lora" / "3_face" / f"{IDS[2]}.txt").read_text() == "D.\n"
    assert (tmp_path / "lora" / "3_face" / f"{IDS[2]}.jpg").stat().st_nlink == 1
    assert main(["-q", "export", str(run.path), "--format", "jsonl", "--all", "--out", target, "--overwrite"]) == 0
    assert len(records(Path(target))) == 6


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--format", "imagefolder", "--repeats", "2"], 2, "--repeats is for kohya, not for imagefolder"),
        (["--format", "webdataset", "--copy"], 2, "--link is for imagefolder and kohya"),
        (["--format", "jsonl", "--seed", "1"], 2, "--seed is for --captions random"),
        (["--format", "csv"], 2, "is not one of"),
        ([], 2, "--format"),
        (["--format", "kohya", "--repeats", "0"], 2, "--repeats"),
    ],
)
def test_wrong_usage_is_said(run, capsys, arguments, code, message):
    assert main(["export", str(run.path), *arguments]) == code
    assert message in capsys.readouterr().err


def test_exit_codes_of_nothing_to_do_and_of_no_run(tmp_path, capsys):
    run = small_run.make_run(tmp_path / "out", [])
    assert main(["export", str(run.path), "--format", "kohya"]) == 3
    assert main(["export", str(tmp_path / "none"), "--format", "kohya"]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_help_teaches_each_format_by_an_example(capsys):
    main(["export", "--help"])
    text = capsys.readouterr().out
    assert [format for format in FORMATS if f"t2f export OUT --format {format}" not in text] == []  # noqa: A001
