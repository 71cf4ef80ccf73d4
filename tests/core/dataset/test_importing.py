"""`t2f import`: captions that were edited in an export come back into the run."""

import json

import pytest
from support import small_run

from text2face_core.cli import main
from text2face_core.dataset import ExportSettings, export_dataset, import_captions, write_metadata
from text2face_core.errors import NothingToDo, SourceError

TEXTS = [["One.", "Two {odd}."], ["Three."], ["Four."], ["Five."]]
IDS = [small_run.photo_id(number) for number in range(4)]


@pytest.fixture
def run(tmp_path):
    return small_run.make_run(tmp_path / "out", TEXTS)


def texts(run):
    return [[caption.text for caption in captions.captions] for row, captions in run.rows() if row.status == "ok"]


def test_an_export_that_was_not_edited_changes_nothing(run, tmp_path):
    for choice in ("all", "first"):
        folder = export_dataset(run, "kohya", tmp_path / choice, ExportSettings(captions=choice))
        assert import_captions(run, folder).captions == 0
    assert texts(run) == TEXTS


@pytest.mark.parametrize("choice", ["all", "first"])
def test_edited_caption_files_come_back(run, tmp_path, choice):
    folder = export_dataset(run, "kohya", tmp_path / "edited", ExportSettings(captions=choice, repeats=5))
    (folder / "5_face" / f"{IDS[1]}.txt").write_text("By hand.\n")
    file = folder / "5_face" / f"{IDS[0]}.txt"
    file.write_text(file.read_text().replace("One.", "Won."))
    found = import_captions(run, folder)
    assert (found.captions, found.photos, found.unknown) == (2, 2, ())
    wanted = [["Won.", "Two {odd}."], ["By hand."], *TEXTS[2:]]
    assert texts(run) == wanted
    write_metadata(run)
    assert texts(run) == wanted
    assert import_captions(run, folder).captions == 0


def test_the_words_around_captions_are_not_imported(run, tmp_path):
    settings = {name: value for name, value in run.settings.items() if name != "format"}
    run.write_settings({**settings, "recipe": {**small_run.RECIPE, "captions": {"prefix": "ohwx, "}}})
    folder = export_dataset(run, "kohya", tmp_path / "edited")
    (folder / "1_face" / f"{IDS[1]}.txt").write_text("ohwx, By hand.\n")
    assert import_captions(run, folder).captions == 1
    assert texts(run)[1] == ["By hand."]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_tables_name_photos_by_id_or_by_file(run, tmp_path, form):
    rows = [(f"{IDS[0]}.jpg", "Added."), ("somewhere/2.jpg", "Named by its file."), ("else.jpg", "Not of this run.")]
    if form == "csv":
        (tmp_path / "mine.csv").write_text("file_name,text\n" + "".join(f"{name},{text}\n" for name, text in rows))
    else:
        lines = [json.dumps({"file_name": name, "text": text}) + "\n" for name, text in rows]
        (tmp_path / "metadata.jsonl").write_text("".join(lines))
    found = import_captions(run, tmp_path / ("mine.csv" if form == "csv" else "metadata.jsonl"))
    assert (found.captions, found.unknown) == (2, ("else.jpg",))
    assert texts(run)[2] == ["Named by its file."]
    assert texts(run)[0] == ["Added.", "Two {odd}."]


def test_a_data_set_of_something_else_is_refused(run, tmp_path):
    (tmp_path / "metadata.csv").write_text("file_name,text\nx.jpg,Text.\n")
    with pytest.raises(NothingToDo, match=r"none of the 1 images .* x.jpg"):
        import_captions(run, tmp_path / "metadata.csv")
    with pytest.raises(SourceError):
        import_captions(run, tmp_path / "nothing")


def test_the_command_says_what_came_back(run, tmp_path, capsys):
    (tmp_path / "metadata.csv").write_text(f"file_name,text\n{IDS[1]}.jpg,By hand.\nx.jpg,Text.\n")
    assert main(["import", str(run.path), str(tmp_path / "metadata.csv")]) == 0
    out, err = capsys.readouterr()
    assert out == "1 captions of 1 photos were changed by people\n"
    assert "x.jpg" in err
    assert "By hand." in run.metadata_path.read_text()
