"""Captions that people changed in metadata.jsonl: noticed, kept apart, and used wherever a run is read."""

import json
import os

import pyarrow.parquet as pq
import pytest
from support import small_run

from text2face_core.cli import main
from text2face_core.dataset import export_dataset, import_captions, open_dataset, write_metadata
from text2face_core.errors import RunError
from text2face_core.records import CaptionRow
from text2face_core.run import read_captions
from text2face_core.stats import collect_stats

TEXTS = [["One.", "Two.", "Three."], ["Four."], ["Five.", "Six."], ["Seven."]]
IDS = [small_run.photo_id(number) for number in range(4)]


@pytest.fixture
def run(tmp_path):
    return small_run.make_run(tmp_path / "out", TEXTS)


def edit(run, changes):
    """Give photos other texts in metadata.jsonl, as with an editor."""
    lines = [json.loads(line) for line in run.metadata_path.read_text("utf-8").splitlines()]
    for line in lines:
        line["text"] = changes.get(line["photo_id"], line["text"])
    run.metadata_path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    os.utime(run.metadata_path, (1_000_000_000, 1_000_000_000))


def texts(run):
    return [[caption.text for caption in captions.captions] for row, captions in run.rows() if row.status == "ok"]


def fused_again(run, text="New."):
    """As another fuser leaves it."""
    for chunk in run.chunks():
        rows = read_captions(run.captions_path(chunk))
        again = [CaptionRow(row.photo_id, small_run.captions([text] * len(row.captions))) for row in rows]
        run.commit_captions(chunk, again, "a key")
    write_metadata(run)


def lines(run):
    return [json.loads(line)["text"] for line in run.metadata_path.read_text("utf-8").splitlines()]


def test_without_an_edit_there_are_no_corrections(run):
    assert texts(run) == TEXTS
    write_metadata(run)
    assert not len(run.corrections())
    assert not run.corrections_path.exists()


def test_an_edit_is_used_everywhere_at_once(run, tmp_path):
    edit(run, {IDS[0]: ["One.", "By hand.", "Three."]})
    assert texts(run) == [["One.", "By hand.", "Three."], *TEXTS[1:]]
    assert [text for text, _ in open_dataset(run.path)[0].captions] == ["One.", "By hand.", "Three."]
    exported = export_dataset(run, "jsonl", tmp_path / "export")
    assert "By hand." in (exported / "photos.jsonl").read_text()
    figures = collect_stats(run.rows())["captions"]
    assert (figures["number"], figures["by_fuser"]["person"]["number"]) == (7, 1)
    assert not run.corrections_path.exists()  # reading changes nothing


def test_edits_are_kept_apart_and_outlive_another_fuser(run):
    edit(run, {IDS[0]: ["One.", "By hand.", "Three."], IDS[3]: "Mine."})
    before = read_captions(run.captions_path(0))
    fused_again(run)
    wanted = [["New.", "By hand.", "New."], ["New."], ["New.", "New."], ["Mine."]]
    assert texts(run) == lines(run) == wanted
    assert pq.read_table(run.corrections_path).to_pylist() == [
        {"photo_id": IDS[0], "number": 1, "text": "By hand.", "when": "2001-09-09T01:46:40+00:00"},
        {"photo_id": IDS[3], "number": 0, "text": "Mine.", "when": "2001-09-09T01:46:40+00:00"},
    ]
    fused_again(run, "Newer.")
    assert texts(run)[0] == ["Newer.", "By hand.", "Newer."]
    assert "By hand." not in [caption.text for row in before for caption in row.captions]
    assert "By hand." not in [caption.text for row in read_captions(run.captions_path(0)) for caption in row.captions]


def test_captions_can_be_removed_and_added(run):
    edit(run, {IDS[0]: ["One.", "Three."], IDS[1]: ["Four.", "And more."], IDS[2]: []})
    write_metadata(run)
    assert texts(run) == lines_with_empty(run) == [["One.", "Three."], ["Four.", "And more."], [], ["Seven."]]


def lines_with_empty(run):
    rows = [json.loads(line) for line in run.metadata_path.read_text("utf-8").splitlines()]
    found = {row["photo_id"]: row["text"] for row in rows}
    return [found.get(photo_id, []) for photo_id in IDS]


def remove_lines(run, *numbers):
    kept = [line for n, line in enumerate(run.metadata_path.read_text("utf-8").splitlines(True)) if n not in numbers]
    run.metadata_path.write_text("".join(kept), "utf-8")


def put_back(run, number, *captions):
    name = run.image_path(next(row for row, _ in run.rows() if row.photo_id == IDS[number])).relative_to(run.dataset)
    with run.metadata_path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"file_name": name.as_posix(), "text": list(captions)}) + "\n")


def test_a_photo_whose_line_was_removed_stays_away_from_data_sets_and_exports(run, tmp_path, caplog):
    remove_lines(run, 0, 2)
    left = [[], TEXTS[1], [], TEXTS[3]]
    assert texts(run) == left  # at once, and after each of what writes the file again
    assert [photo.key for photo in open_dataset(run.path)] == [IDS[1], IDS[3]]
    write_metadata(run)
    assert "2 photo(s)" in caplog.text
    assert str(run.metadata_path) in caplog.text
    fused_again(run)
    assert lines(run) == [["New."], ["New."]]
    for chunk in run.chunks():  # another fuser that writes more captions
        rows = read_captions(run.captions_path(chunk))
        run.commit_captions(chunk, [CaptionRow(row.photo_id, small_run.captions(["N."] * 9)) for row in rows], "a key")
    write_metadata(run)
    assert lines(run) == [["N."] * 9] * 2
    for kind in ("jsonl", "imagefolder", "kohya"):
        export_dataset(run, kind, tmp_path / kind)
        exported = {photo.key for photo in open_dataset(tmp_path / kind)}
        assert len(exported) == 2
        assert not any(IDS[0] in key or IDS[2] in key for key in exported)


def test_a_removed_line_that_is_put_back_brings_its_photo_back(run):
    remove_lines(run, 0)
    write_metadata(run)
    put_back(run, 0, "One, again.")
    assert texts(run)[0] == ["One, again."]
    fused_again(run)
    assert texts(run)[0] == ["One, again."]
    remove_lines(run, 0)
    write_metadata(run)
    write_metadata(run)
    assert texts(run)[0] == []


def test_captions_that_were_corrected_before_their_line_was_removed_stay_away(run):
    edit(run, {IDS[0]: ["By hand.", "Two.", "Three."]})
    write_metadata(run)
    remove_lines(run, 0)
    write_metadata(run)
    assert texts(run)[0] == []


def test_a_file_without_lines_or_without_a_file_is_not_a_wish_to_remove_everything(run):
    run.metadata_path.write_bytes(b"")
    assert texts(run) == TEXTS
    write_metadata(run)
    run.metadata_path.unlink()
    write_metadata(run)
    assert texts(run) == lines(run) == TEXTS


def test_an_import_of_an_older_export_does_not_bring_removed_photos_back(run, tmp_path):
    export_dataset(run, "kohya", tmp_path / "kohya")
    remove_lines(run, 0)
    write_metadata(run)
    import_captions(run, tmp_path / "kohya")
    assert texts(run)[0] == []


def test_a_line_with_fewer_captions_can_be_edited_again(run):
    edit(run, {IDS[0]: ["Three."]})  # as texts move up, one is changed and two are removed
    write_metadata(run)
    edit(run, {IDS[0]: ["Three, again."]})
    write_metadata(run)
    assert texts(run)[0] == ["Three, again."]
    fused_again(run)
    assert texts(run)[0] == ["Three, again."]


def test_photos_without_captions_wait_for_all_of_them(run):
    edit(run, {IDS[3]: ["Mine."]})
    write_metadata(run)
    run.captions_path(1).unlink()
    assert texts(run)[3] == []
    assert [photo.key for photo in open_dataset(run.path)] == IDS[:3]


def test_the_fingerprint_of_the_data_set_changes_with_an_edit(run):
    before = open_dataset(run.path).fingerprint
    edit(run, {IDS[1]: ["By hand."]})
    assert open_dataset(run.path).fingerprint != before


def test_a_line_that_is_not_json_is_never_overwritten(run):
    damaged = run.metadata_path.read_text() + "{half"
    run.metadata_path.write_text(damaged)
    for use in (write_metadata, texts):
        with pytest.raises(RunError, match=r"line 5 of .*metadata.jsonl is not valid"):
            use(run)
    assert run.metadata_path.read_text() == damaged


@pytest.mark.parametrize("step", ["before the rename", "after the rename"])
def test_a_kill_between_table_and_metadata_makes_no_corrections(run, monkeypatch, step):
    before = run.metadata_path.read_bytes()
    monkeypatch.setattr("text2face_core.run.written.WrittenTexts.settle", lambda self: None)
    fused_again(run)
    if step == "before the rename":
        run.metadata_path.write_bytes(before)
    assert not len(run.corrections())
    assert texts(run) == [["New."] * len(one) for one in TEXTS]


def test_the_commands_count_captions_by_people(run, capsys):
    settings = {name: value for name, value in run.settings.items() if name != "format"}
    run.write_settings(settings)
    edit(run, {IDS[0]: ["One.", "By hand.", "Three."]})
    assert main(["stats", str(run.path)]) == 0
    assert "1 captions by people" in capsys.readouterr().out
    assert main(["-q", "report", str(run.path)]) == 0
    assert "caption by people" in (run.path / "report.html").read_text("utf-8")
