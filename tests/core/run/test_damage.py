"""Damaged tables: found, named, and made again; never silently other data."""

import json
import os
import random
import re
import tomllib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import small_run

from text2face_core import RunDirectory, caption_photos
from text2face_core.cli import main
from text2face_core.dataset import write_metadata
from text2face_core.errors import DamagedFile, DamagedTable, RunError
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

    def read(*_, **__):
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
    """As when the list of photos was made again, with photos that sort before the earlier ones."""
    made()
    run = RunDirectory.open(tmp_path / "out")
    key = tomllib.loads(run.settings_path.read_text())["keys"]["analysis"]
    assert run.analysis_is_done(0, key)
    tables.write_photos(run.photos_path, run.photos()[1:])
    assert not run.analysis_is_done(0, key)


# --- run.toml ---


def flips(content, count=400):
    """The content with one flipped bit, many times."""
    for place in random.Random(2).sample(range(len(content) * 8), count):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        yield bytes(flipped)


def test_a_flipped_bit_in_run_toml_is_found_named_and_repaired(tmp_path):
    run = small_run.make_run(tmp_path)
    whole = run.settings_path.read_bytes()
    for number, flipped in enumerate(flips(whole, 150)):
        run.settings_path.write_bytes(flipped)
        with pytest.raises(DamagedFile, match=re.escape(f"{run.settings_path} is damaged")) as caught:
            RunDirectory.open(tmp_path).settings  # noqa: B018
        assert f"t2f repair {tmp_path}" in str(caught.value)
        if number % 50 == 0:
            assert main(["repair", str(tmp_path)]) == 0
            assert run.settings_path.read_bytes() == whole
            assert (tmp_path / f"run.toml.damaged{number // 50 + 1}").read_bytes() == flipped


def test_a_flipped_bit_in_the_copy_of_run_toml_stops_nothing_and_is_repaired(tmp_path, capsys):
    run = small_run.make_run(tmp_path)
    before, copy = run.settings, tmp_path / "run.toml.copy"
    for flipped in flips(copy.read_bytes(), 20):
        copy.write_bytes(flipped)
        assert RunDirectory.open(tmp_path).settings == before
        assert main(["repair", str(tmp_path)]) == 0
        assert str(copy) in capsys.readouterr().out
        assert copy.read_bytes() == run.settings_path.read_bytes()


def test_a_run_toml_that_was_changed_by_hand_is_used_with_a_warning_until_it_is_accepted(tmp_path, caplog, capsys):
    run = small_run.make_run(tmp_path)
    whole = run.settings_path.read_text()
    edited = whole.replace("seed = 7", "# mine\nseed = 12", 1)
    run.settings_path.write_text(edited)
    assert RunDirectory.open(tmp_path).settings["seed"] == 12
    assert f"t2f repair {tmp_path} --keep-edits" in caplog.text
    assert main(["repair", str(tmp_path), "--keep-edits"]) == 0
    caplog.clear()
    assert RunDirectory.open(tmp_path).settings["seed"] == 12
    assert not caplog.text
    assert "# mine" in run.settings_path.read_text()
    run.settings_path.write_text(run.settings_path.read_text().replace("seed = 12", "seed = 3000"))
    assert main(["repair", str(tmp_path)]) == 0
    assert RunDirectory.open(tmp_path).settings["seed"] == 12
    assert "by hand" in capsys.readouterr().out


def test_a_change_of_one_bit_that_was_meant_is_accepted_as_the_message_says(tmp_path):
    run = small_run.make_run(tmp_path)
    run.settings_path.write_text(run.settings_path.read_text().replace("seed = 7", "seed = 6", 1))
    with pytest.raises(DamagedFile, match="--keep-edits"):
        RunDirectory.open(tmp_path).settings  # noqa: B018
    assert main(["repair", str(tmp_path), "--keep-edits"]) == 0
    assert RunDirectory.open(tmp_path).settings["seed"] == 6


@pytest.mark.parametrize("content", [b"", b"\0" * 500, b"format = 1\nseed", b"\xff\xfe"])
def test_a_ruined_run_toml_is_restored_from_its_copy(tmp_path, content):
    run = small_run.make_run(tmp_path)
    whole = run.settings_path.read_bytes()
    run.settings_path.write_bytes(content)
    if content:
        with pytest.raises(DamagedFile, match="t2f repair"):
            RunDirectory.open(tmp_path).settings  # noqa: B018
    assert main(["repair", str(tmp_path)]) == 0
    assert run.settings_path.read_bytes() == whole


def test_a_run_toml_of_an_older_release_opens_and_gets_a_checksum_by_repair(tmp_path, caplog):
    run = small_run.make_run(tmp_path)
    before = run.settings
    (tmp_path / "run.toml.copy").unlink()
    run.settings_path.write_text(run.settings_path.read_text().partition("\n")[2])
    assert RunDirectory.open(tmp_path).settings == before
    assert not caplog.text
    assert main(["repair", str(tmp_path)]) == 0
    assert (tmp_path / "run.toml.copy").read_bytes() == run.settings_path.read_bytes()


def test_without_a_copy_a_ruined_run_toml_is_written_again_by_the_same_command(made, tmp_path, capsys):
    before = made().rows
    (tmp_path / "out" / "run.toml.copy").unlink()
    (tmp_path / "out" / "run.toml").write_bytes(b"\0\0")
    assert main(["repair", str(tmp_path / "out")]) == 0
    assert "t2f run command" in capsys.readouterr().out
    assert made().rows == before


# --- what people changed ---


def edited_by_hand(path):
    """A run in whose metadata.jsonl a caption was changed, one removed, one added and a line removed, and all kept."""
    run = small_run.make_run(path)
    lines = [json.loads(line) for line in run.metadata_path.read_text("utf-8").splitlines()]
    lines[0]["text"][1] = "By hand."
    lines[1]["text"] = lines[1]["text"][:2]
    lines[2]["text"].append("And more.")
    del lines[3]
    run.metadata_path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    write_metadata(run)
    return run


@pytest.mark.parametrize("name", ["captions.parquet", "written.parquet"])
def test_a_flipped_bit_in_the_notes_on_edits_is_found_or_changes_nothing(tmp_path, name):
    run = edited_by_hand(tmp_path)
    path, before = tmp_path / "review" / name, list(run.rows())
    os.utime(run.metadata_path, (1_000_000_000, 1_000_000_000))  # so that written.parquet is read whole
    found: list[str] = []
    for flipped in flips(path.read_bytes()):
        path.write_bytes(flipped)
        try:
            assert list(RunDirectory.open(tmp_path).rows()) == before
        except DamagedTable as error:
            found.append(str(error))
    assert len(found) > 200
    assert all(str(path) in message and f"t2f repair {tmp_path}" in message for message in found)


@pytest.mark.parametrize("names", [["captions"], ["written"], ["captions", "written"]])
def test_captions_by_people_are_found_again_in_metadata_jsonl(tmp_path, names, capsys):
    run = edited_by_hand(tmp_path)
    before = [[one.text for one in captions.captions] for _, captions in run.rows()]
    assert sum("By hand." in texts for texts in before) == 1
    for name in names:
        (tmp_path / "review" / f"{name}.parquet").write_bytes(b"PAR1 not any more")
    assert main(["repair", str(tmp_path)]) == 0
    assert str(run.metadata_path) in capsys.readouterr().out
    write_metadata(run)
    assert [[one.text for one in captions.captions] for _, captions in RunDirectory.open(tmp_path).rows()] == before


def test_edits_are_not_guessed_when_metadata_jsonl_is_older_than_the_captions(tmp_path, capsys):
    run = edited_by_hand(tmp_path)
    os.utime(run.metadata_path, (1_000_000_000, 1_000_000_000))
    (tmp_path / "review" / "written.parquet").write_bytes(b"PAR1 not any more")
    content = run.metadata_path.read_bytes()
    corrections = run.corrections_path.read_bytes()
    assert main(["repair", str(tmp_path)]) == 0
    assert "metadata.jsonl.damaged1" in capsys.readouterr().out
    assert (tmp_path / "dataset" / "metadata.jsonl.damaged1").read_bytes() == content
    assert run.corrections_path.read_bytes() == corrections


def test_a_metadata_jsonl_with_a_damaged_line_is_set_aside_and_edits_in_other_lines_stay(tmp_path, capsys):
    run = small_run.make_run(tmp_path)
    first, second, *others = run.metadata_path.read_text("utf-8").splitlines(keepends=True)
    second = second.replace("Caption 0 of", "By hand, caption 0 of")
    run.metadata_path.write_text("".join([first[: len(first) // 2] + "\n", second, *others]), "utf-8")
    with pytest.raises(RunError, match=f"t2f repair {tmp_path}"):
        list(run.rows())
    assert main(["repair", str(tmp_path)]) == 0
    assert "line" in capsys.readouterr().out
    write_metadata(run)
    texts = [one.text for _, captions in run.rows() for one in captions.captions]
    assert len(texts) == 12
    assert sum(text.startswith("By hand") for text in texts) == 1
    assert len(run.metadata_path.read_text("utf-8").splitlines()) == 4
