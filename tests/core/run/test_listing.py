"""The list of a run's photos, in one table or in many, and what is known of shards without reading them."""

import pytest

from text2face_core.errors import RunError
from text2face_core.records import AnalysisRow, PhotoRef
from text2face_core.run import RunDirectory, listing
from text2face_core.run.listing import PhotoList, digest_of_ids


@pytest.fixture(autouse=True)
def _small_tables(monkeypatch):
    monkeypatch.setattr(listing, "PER_TABLE", 10)


def photos(count, chunk=3):
    return [PhotoRef(f"{number:016x}", f"zip:{number}", number // chunk) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 10, 11, 31, 100])
def test_photos_are_read_as_they_were_written(tmp_path, count):
    written = PhotoList(tmp_path)
    written.write(iter(photos(count)), "a stamp")
    read = PhotoList(tmp_path)
    assert list(read) == photos(count)
    assert len(read) == count
    assert read.stamp == "a stamp"
    assert (tmp_path / "photos.parquet").is_file() is (count <= 10)
    assert [chunk.number for chunk in read.chunks()] == list(range(-(-count // 3)))
    for chunk, found in read.by_chunk():
        assert found == read.of(chunk) == photos(count)[3 * chunk : 3 * chunk + 3]
    for chunk in read.chunks():
        assert chunk.count == len(read.of(chunk.number))
        assert chunk.ids == digest_of_ids(photo.photo_id for photo in read.of(chunk.number))
    assert read.of(1000) == []
    assert [chunk for chunk, _ in read.by_chunk({1, 7})] == [one for one in (1, 7) if one < -(-count // 3)]


def test_a_list_that_grows_keeps_the_tables_that_do_not_change(tmp_path):
    one = PhotoList(tmp_path)
    one.write(photos(9))
    one.write(photos(100))
    assert not (tmp_path / "photos.parquet").exists()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "photos").glob("*.parquet")}
    one.write(photos(130))
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "photos").glob("*.parquet")}
    assert len([name for name in before if after.get(name) == before[name]]) >= 8
    one.write(photos(5))  # a folder stays one
    assert list(PhotoList(tmp_path)) == photos(5)
    assert len(list((tmp_path / "photos").glob("*.parquet"))) == 1


def test_a_kill_while_a_list_is_written_leaves_the_old_one(tmp_path, monkeypatch):
    one = PhotoList(tmp_path)
    one.write(photos(50))

    def until(count):
        yield from photos(60)[:count]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.write(until(45))
    assert list(PhotoList(tmp_path)) == photos(50)


@pytest.mark.parametrize("damage", [b"{}", b"[]", b"", b'{"checksum": 1, "tables": [], "stamp": ""}', b"\xff"])
def test_a_damaged_index_is_noticed_and_repaired(tmp_path, damage):
    from text2face_core.run import repair_run

    run = RunDirectory(tmp_path)
    run.write_settings({"keys": {}})
    run.list_first(photos(40), 4)
    for chunk, found in run.chunks().items():
        run.commit_analysis(chunk, [AnalysisRow(one.photo_id, one.uri, chunk, "failed", "x") for one in found], "key")
    (tmp_path / "photos" / "index.json").write_bytes(damage)
    with pytest.raises(RunError, match="repair"):
        len(RunDirectory(tmp_path).photos())
    assert repair_run(RunDirectory(tmp_path))
    assert [one.photo_id for one in RunDirectory(tmp_path).photos()] == [one.photo_id for one in photos(40)]


def test_an_index_cannot_name_a_file_elsewhere(tmp_path):
    import json

    one = PhotoList(tmp_path / "run")
    one.write(photos(40))
    index = json.loads((tmp_path / "run" / "photos" / "index.json").read_text())
    del index["checksum"]
    index["tables"][0]["name"] = "../../secret.parquet"
    (tmp_path / "run" / "photos" / "index.json").write_text(json.dumps({**index, "checksum": listing._checksum(index)}))
    with pytest.raises(RunError, match="secret"):
        list(PhotoList(tmp_path / "run"))


def test_sound_shards_are_not_read_again_and_others_are(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path)
    run.write_settings({"keys": {}})
    run.list_first(photos(4), 4)
    rows = [AnalysisRow(one.photo_id, one.uri, 0, "failed", "x") for one in photos(4)]
    run.commit_analysis(0, rows, "key")
    assert run.analysis_is_done(0, "key")
    from text2face_core.run import tables

    read = []
    real = tables.read_analysis
    monkeypatch.setattr(tables, "read_analysis", lambda path: (read.append(path), real(path))[1])
    assert RunDirectory(tmp_path).analysis_is_done(0, "key")
    assert not RunDirectory(tmp_path).analysis_is_done(0, "another key")
    assert read == []
    content = bytearray(run.analysis_path(0).read_bytes())
    content[60:200] = bytes(140)
    run.analysis_path(0).write_bytes(content)
    assert not RunDirectory(tmp_path).analysis_is_done(0, "key")
    run.commit_analysis(0, rows[:2], "key")
    assert not RunDirectory(tmp_path).analysis_is_done(0, "key")
    (tmp_path / ".verified").write_bytes(b"analysis\tx\nanalysis\t0\t1\n\xff\0")  # by another hand
    run.commit_analysis(0, rows, "key")
    assert RunDirectory(tmp_path).analysis_is_done(0, "key")


def test_a_large_run_grows_like_a_small_one(tmp_path):
    old, more = photos(50), [PhotoRef(f"{number:016x}", f"zip:{number}") for number in range(75)]
    for name in ("extended", "updated"):
        RunDirectory(tmp_path / name).list_first(old, 3)
    changes = RunDirectory(tmp_path / "extended").extend_photos(iter(more), 3, "grown")
    assert changes is not None
    assert changes.added == 25
    RunDirectory(tmp_path / "updated").update_photos(more, 3)
    extended = RunDirectory(tmp_path / "extended")
    assert extended.photos() == RunDirectory(tmp_path / "updated").photos()
    assert extended.listing.stamp == "grown"


@pytest.mark.parametrize(
    "listed",
    [
        [PhotoRef(f"{number:016x}", f"zip:{number}") for number in range(49)],  # one is gone
        [PhotoRef(f"{number:016x}", f"zip:{number + (number == 7)}") for number in range(51)],  # one has moved
        [],
    ],
)
def test_a_large_run_that_changed_otherwise_stays_as_it_is(tmp_path, listed):
    run = RunDirectory(tmp_path)
    run.list_first(photos(50), 3, "before")
    assert run.extend_photos(iter(listed), 3, "after") is None
    assert RunDirectory(tmp_path).photos() == photos(50)
    assert RunDirectory(tmp_path).listing.stamp == "before"


def test_photos_in_files_are_compared_in_full(tmp_path):
    run = RunDirectory(tmp_path / "run")
    (tmp_path / "a.jpg").write_bytes(b"1")
    run.list_first([PhotoRef("0" * 16, str(tmp_path / "a.jpg"))], 3)
    assert run.extend_photos([], 3) is None
