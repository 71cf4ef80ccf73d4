"""Damaged tables: found, named, and made again; never silently other data."""

import random
import tomllib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import small_run

from text2face_core import RunDirectory, caption_photos
from text2face_core.cli import main
from text2face_core.errors import DamagedTable, RunError
from text2face_core.run import tables

READERS = {
    "photos.parquet": tables.read_photos,
    "analysis/00000.parquet": tables.read_analysis,
    "captions/00000.parquet": tables.read_captions,
}


@pytest.mark.parametrize("table", READERS)
def test_a_flipped_bit_is_found_or_changes_nothing(tmp_path, table):
    run = small_run.make_run(tmp_path)
    path, read = run.path / table, READERS[table]
    whole, rows, metadata = path.read_bytes(), read(path), tables.read_metadata(path)
    found: list[str] = []
    for place in random.Random(1).sample(range(len(whole) * 8), 400):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert read(path) == rows
            assert tables.read_metadata(path) == metadata
        except DamagedTable as error:
            found.append(str(error))
    assert len(found) > 200
    assert all(str(path) in message and "t2f repair" in message for message in found)


def test_a_table_of_an_older_release_opens_without_a_checksum(tmp_path):
    run = small_run.make_run(tmp_path)
    before = list(run.rows())
    for path in tmp_path.rglob("*.parquet"):
        table = pq.read_table(path)
        kept = {key: value for key, value in table.schema.metadata.items() if key.startswith(b"text2face.")}
        pq.write_table(table.replace_schema_metadata(kept), path)
    assert list(RunDirectory.open(tmp_path).rows()) == before


def test_a_lack_of_memory_is_not_called_damage(tmp_path, monkeypatch):
    run = small_run.make_run(tmp_path)

    def read(*_):
        raise pa.ArrowMemoryError("malloc of size 64 failed")

    monkeypatch.setattr(pq.ParquetFile, "read", read)
    with pytest.raises(RunError, match="memory") as caught:
        run.photos()
    assert not isinstance(caught.value, DamagedTable)


@pytest.fixture
def made(tmp_path, toy_photos, toy_recipe, toy_plugins):
    def make():
        return caption_photos(toy_photos, toy_recipe, out=tmp_path / "out", available=toy_plugins)

    return make


def damage(path):
    content = bytearray(path.read_bytes())
    content[20:60] = bytes(40)  # within the first page
    path.write_bytes(content)


@pytest.mark.parametrize("damaged", [("analysis",), ("captions",), ("photos",), ("analysis", "photos", "captions")])
def test_a_damaged_run_is_repaired_and_ends_as_it_was(made, tmp_path, damaged, capsys):
    before = made().rows
    places = {name: tmp_path / "out" / name / "00000.parquet" for name in ("analysis", "captions")}
    places["photos"] = tmp_path / "out" / "photos.parquet"
    for name in damaged:
        damage(places[name])
    assert main(["repair", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    for name in damaged:
        assert str(places[name]) in shown
        assert list(places[name].parent.glob("*.damaged1"))
    after = {row.photo_id: (row.findings, row.status, captions) for row, captions in made().rows}
    assert after == {row.photo_id: (row.findings, row.status, captions) for row, captions in before}
    assert main(["repair", str(tmp_path / "out")]) == 0
    assert "nothing is damaged" in capsys.readouterr().out


def test_a_damaged_shard_is_made_again_by_the_same_command(made, tmp_path, caplog):
    before = made().rows
    damage(tmp_path / "out" / "analysis" / "00000.parquet")
    assert [row for row, _ in made().rows] == [row for row, _ in before]


def test_a_shard_that_holds_other_photos_than_its_chunk_is_not_done(made, tmp_path):
    """As when the list of photos was made anew, with photos that sort before the earlier ones."""
    made()
    run = RunDirectory.open(tmp_path / "out")
    key = tomllib.loads(run.settings_path.read_text())["keys"]["analysis"]
    assert run.analysis_is_done(0, key)
    tables.write_photos(run.photos_path, run.photos()[1:])
    assert not run.analysis_is_done(0, key)
