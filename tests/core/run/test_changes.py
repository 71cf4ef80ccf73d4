"""Photos that are replaced, deleted, renamed or out of reach after a run, and what the same command makes of it."""

import json
import os
import shutil

import pytest
from support import toys

from text2face_core import RunDirectory
from text2face_core.dataset import export_dataset, open_dataset, write_metadata
from text2face_core.engines import Work
from text2face_core.library import Session, Silent
from text2face_core.models.store import ModelStore
from text2face_core.run import tables


class Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture
def again(tmp_path, toy_plugins, toy_recipe, toy_photos):
    """The same `t2f run` as often as wanted; returns the run and what was said."""
    run = RunDirectory(tmp_path / "out")

    def work(*, redo=False):
        said = Said()
        session = Session(
            run=run,
            plugins=toy_plugins,
            models=ModelStore(),
            progress=said,
            work=Work(batch=4, decode_threads=2),
            chunk_size=4,
        )
        with run.lock():
            session.caption(session.analyse([toy_photos], toy_recipe, redo=redo, retry_failed=False))
            write_metadata(run)
        return run, " | ".join(said.lines)

    work()
    return work


def by_name(run):
    return {row.uri.rpartition("/")[2]: (row, captions.captions) for row, captions in run.rows()}


def names(run):
    return set(by_name(run))


def edit(run, photo_id, text):
    """Give a photo one caption in metadata.jsonl, as with an editor."""
    lines = [json.loads(line) for line in run.metadata_path.read_text("utf-8").splitlines()]
    for line in lines:
        line["text"] = text if line["photo_id"] == photo_id else line["text"]
    run.metadata_path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def crops(run):
    return {path.stem for path in run.dataset.rglob("*.jpg")}


def test_unchanged_photos_are_left_alone(again):
    run, said = again()
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*.parquet") if path.parent.name != "review"}
    run, said = again()
    assert "replaced" not in said
    assert "gone" not in said
    after = {path: path.stat().st_mtime_ns for path in run.path.rglob("*.parquet") if path.parent.name != "review"}
    assert before == after


@pytest.mark.parametrize("redo", [False, True])
def test_a_replaced_photo_is_analysed_and_captioned_again_and_its_neighbours_are_not(again, toy_photos, redo):
    run, _ = again()
    before, crop = by_name(run), crops(run)
    toys.draw_photo(toy_photos / "good 1.png", age=70)
    run, said = again(redo=redo)
    assert "1 photo(s) were replaced" in said
    after = by_name(run)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"good 1.png"}
    assert before["good 1.png"][1] != after["good 1.png"][1]
    assert crops(run) == crop
    assert "replaced" not in again()[1]


def test_a_photo_replaced_by_one_that_is_refused_loses_its_crop(again, toy_photos):
    run, _ = again()
    row = by_name(run)["good 1.png"][0]
    toys.draw_photo(toy_photos / "good 1.png", faces=[])
    run, _ = again()
    assert by_name(run)["good 1.png"][0].status == "rejected"
    assert not run.image_path(row).exists()
    assert row.photo_id not in (run.dataset / "metadata.jsonl").read_text()


def test_a_deleted_photo_is_in_no_data_set_and_no_export(again, toy_photos, tmp_path):
    run, _ = again()
    row = by_name(run)["good 1.png"][0]
    (toy_photos / "good 1.png").unlink()
    run, said = again()
    assert "1 photo(s) are gone" in said
    assert "good 1.png" not in names(run)
    assert not run.image_path(row).exists()
    assert row.photo_id not in (run.dataset / "metadata.jsonl").read_text()
    assert row.photo_id not in [photo.key for photo in open_dataset(run.path)]
    exported = export_dataset(run, "jsonl", tmp_path / "export")
    assert row.photo_id not in (exported / "photos.jsonl").read_text()
    assert "gone" not in again()[1]


def test_with_redo_nothing_is_known_of_a_deleted_photo(again, toy_photos):
    run, _ = again()
    row, kept = by_name(run)["good 1.png"][0], names(run) - {"good 1.png"}
    (toy_photos / "good 1.png").unlink()
    run, _ = again(redo=True)
    tables_left = [tables.read_analysis(run.analysis_path(chunk)) for chunk in run.chunks()]
    assert row.photo_id not in {one.photo_id for rows in tables_left for one in rows}
    captions_left = [tables.read_captions(run.captions_path(chunk)) for chunk in run.chunks()]
    assert row.photo_id not in {one.photo_id for rows in captions_left for one in rows}
    assert row.photo_id not in {photo.photo_id for photo in run.photos()}
    assert names(run) == kept
    assert run.waiting() == 0


def test_a_renamed_photo_keeps_its_id_its_captions_and_what_people_made_of_them(again, toy_photos):
    run, _ = again()
    before = by_name(run)
    edit(run, before["good 1.png"][0].photo_id, "By hand.")
    (toy_photos / "good 1.png").rename(toy_photos / "other name.png")
    run, said = again()
    assert "1 photo(s) were moved" in said
    assert "gone" not in said
    assert "new photo" not in said
    after = by_name(run)
    assert after.keys() - before.keys() == {"other name.png"}
    assert len(after) == len(before)
    assert after["other name.png"][0].photo_id == before["good 1.png"][0].photo_id
    assert [caption.text for caption in after["other name.png"][1]] == ["By hand."]
    assert len(crops(run)) == 7
    assert run.waiting() == 0
    assert "moved" not in again()[1]


def test_two_photos_that_exchange_their_names_keep_their_captions(again, toy_photos):
    run, _ = again()
    before = by_name(run)
    one, other = toy_photos / "good 1.png", toy_photos / "good 2.png"
    one.rename(toy_photos / "third.png")
    other.rename(one)
    (toy_photos / "third.png").rename(other)
    run, said = again()
    assert "replaced" not in said
    after = by_name(run)
    assert after["good 1.png"][1] == before["good 2.png"][1]
    assert after["good 2.png"][1] == before["good 1.png"][1]


def test_a_new_photo_under_the_old_name_of_one_that_moved_is_a_photo_of_its_own(again, toy_photos):
    run, _ = again()
    before = by_name(run)
    (toy_photos / "good 1.png").rename(toy_photos / "other name.png")
    toys.draw_photo(toy_photos / "good 1.png", age=70)
    run, said = again()
    assert "1 new photo" in said
    assert "1 photo(s) were moved" in said
    after = by_name(run)
    assert len(after) == len(before) + 1
    assert after["other name.png"][1] == before["good 1.png"][1]
    assert after["good 1.png"][0].photo_id != after["other name.png"][0].photo_id
    assert len(crops(run)) == 8


def test_a_copy_of_a_photo_is_new_and_not_moved(again, toy_photos):
    again()
    shutil.copy2(toy_photos / "good 1.png", toy_photos / "copy.png")
    _, said = again()
    assert "1 new photo" in said
    assert "moved" not in said


def test_what_people_made_of_a_caption_does_not_outlive_its_photo(again, toy_photos):
    run, _ = again()
    before = by_name(run)
    edit(run, before["good 1.png"][0].photo_id, "By hand.")
    edit(run, before["good 2.png"][0].photo_id, "This stays.")
    toys.draw_photo(toy_photos / "good 1.png", age=70)
    run, _ = again()
    texts = {name: [one.text for one in captions] for name, (_, captions) in by_name(run).items()}
    assert texts["good 2.png"] == ["This stays."]
    assert texts["good 1.png"] not in (["By hand."], [one.text for one in before["good 1.png"][1]])
    again()
    assert [one.text for one in by_name(run)["good 1.png"][1]] == texts["good 1.png"]


def test_a_file_that_was_only_touched_is_not_analysed_again(again, toy_photos):
    again()
    os.utime(toy_photos / "good 2.png", ns=(1, 1))
    _, said = again()
    assert "replaced" not in said


def test_with_redo_another_content_of_the_same_size_and_time_is_found(again, toy_photos):
    again()
    path = toy_photos / "good 2.png"
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "replaced" not in again()[1]
    assert "1 photo(s) were replaced" in again(redo=True)[1]


def test_a_photo_that_comes_back_is_used_again(again, toy_photos, tmp_path):
    run, _ = again()
    before = by_name(run)
    shutil.copy2(toy_photos / "good 1.png", tmp_path / "kept.png")
    (toy_photos / "good 1.png").unlink()
    again()
    shutil.copy2(tmp_path / "kept.png", toy_photos / "good 1.png")
    run, said = again()
    assert "1 photo(s) are back" in said
    assert by_name(run) == before
    assert len(crops(run)) == 7


def test_where_no_photo_is_found_nothing_is_given_up(again, toy_photos):
    run, _ = again()
    before = by_name(run)
    toy_photos.rename(toy_photos.with_name("unplugged"))
    toy_photos.mkdir()
    run, said = again()
    assert "none of the run's photos was found" in said
    assert by_name(run) == before
    assert len(crops(run)) == 7


def test_a_run_of_an_earlier_release_learns_the_stamps_of_its_photos(again, toy_photos):
    import pyarrow.parquet as pq

    run, _ = again()
    older = pq.read_table(run.photos_path).select(["photo_id", "uri", "chunk"])
    pq.write_table(older.replace_schema_metadata(None), run.photos_path)
    run, said = again()
    assert "replaced" not in said
    toys.draw_photo(toy_photos / "good 2.png", age=70)
    assert "1 photo(s) were replaced" in again()[1]
