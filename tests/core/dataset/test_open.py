"""Data sets: the same samples from whatever holds them, and a plain word where something is wrong."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support import drawn_run, small_run

from text2face_core.dataset import ExportSettings, export_dataset, find_readable, open_dataset, skipped_path
from text2face_core.errors import BadPhoto, SourceError, UsageError
from text2face_core.images import Framing, cut_frame
from text2face_core.run import RunDirectory, read_captions


def picture(path: Path, colour: tuple[int, int, int] = (200, 120, 40), size: tuple[int, int] = (80, 60)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def imagefolder(folder: Path, lines: list[dict | str]) -> Path:
    """metadata.jsonl with these lines; a picture for each name that it gives."""
    folder.mkdir(parents=True, exist_ok=True)
    for line in lines:
        if isinstance(line, dict) and isinstance(name := line.get("file_name"), str) and ".." not in name:
            picture(folder / name.lstrip("/"))
    told = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "metadata.jsonl").write_text(told)
    return folder


def tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def jpeg(colour: tuple[int, int, int] = (10, 90, 200)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (70, 50), colour).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def run(tmp_path) -> Path:
    return small_run.make_run(tmp_path / "run").path


# --- the three forms -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["run", "dataset", "imagefolder", "kohya", "parquet", "webdataset", "one tar"])
def test_a_run_and_its_exports_give_the_same_samples(tmp_path, run, form):
    source = run
    if form == "dataset":
        source = run / "dataset"
    elif form != "run":
        kind = "webdataset" if form == "one tar" else form
        if kind == "webdataset":
            pytest.importorskip("webdataset")
        source = export_dataset(small_run.RunDirectory.open(run), kind, tmp_path / "out")
        source = source / "00000.tar" if form == "one tar" else source
    dataset = open_dataset(source)
    found = {texts: sample for sample in dataset if (texts := tuple(text for text, _ in sample.captions))}
    assert set(found) == {tuple(f"Caption {n} of photo {p}." for n in range(3)) for p in range(4)}
    for number in range(4):
        sample = found[tuple(f"Caption {n} of photo {number}." for n in range(3))]
        crop = Image.open(next((run / "dataset").rglob(f"{small_run.photo_id(number)}.jpg")))
        assert np.array_equal(sample.read(), np.asarray(crop))
        assert small_run.photo_id(number) in sample.key
    styles = {style for sample in dataset for _, style in sample.captions}
    assert styles == ({"short"} if form == "run" else {""})
    assert dataset.fusers == (("phrasebook",) if form == "run" else ())


def test_a_run_without_crops_is_cut_as_the_run_would_have_cut_it(tmp_path):
    made = drawn_run.make_run(tmp_path / "run")
    dataset = open_dataset(made.path)
    assert len(dataset) == 4
    assert [style for _, style in dataset[0].captions] == ["long", "short"]
    first = drawn_run.PHOTOS[0]
    photo = np.asarray(Image.open(tmp_path / "photos" / first.name).convert("RGB"))
    frame = Framing("square", 2.0).frame(*first.size, first.face)
    assert np.array_equal(dataset[0].read(), cut_frame(photo, frame))
    gone = next(sample for sample in dataset if sample.key == f"{3:016x}")
    with pytest.raises(BadPhoto, match="no such file"):
        gone.read()


def stopped_fuse(path: Path, key: str = "another key") -> small_run.RunDirectory:
    """A run after a `t2f fuse` with other settings that was stopped after the first of two chunks."""
    run = small_run.make_run(path)
    settings = {name: value for name, value in run.settings.items() if name != "format"}
    run.write_settings(settings | {"keys": {"analysis": "a key", "captions": key}})
    run.commit_captions(0, read_captions(run.captions_path(0)), "another key")
    return run


def test_after_a_fuse_that_was_stopped_no_two_kinds_of_captions_are_mixed(tmp_path):
    run = stopped_fuse(tmp_path / "run")
    dataset = open_dataset(run.path)
    assert [photo.key for photo in dataset] == [small_run.photo_id(number) for number in range(3)]
    assert dataset.without_captions == 1
    assert [photo.key for photo in dataset] == [row.photo_id for row, captions in run.rows() if captions.captions]


def test_a_run_whose_captions_were_all_made_with_other_settings_gives_none(tmp_path):
    run = stopped_fuse(tmp_path / "run", "a third key")
    with pytest.raises(SourceError, match=r"\(4 have no caption\).*t2f fuse"):
        open_dataset(run.path)


def test_a_crop_that_was_lost_is_cut_again_from_the_photo(tmp_path):
    made = drawn_run.make_run(tmp_path / "run")
    crop = made.dataset / "images" / "00000" / f"{0:016x}.jpg"
    picture(crop, size=(33, 33))
    assert open_dataset(made.path)[0].read().shape == (33, 33, 3)
    crop.write_bytes(b"")  # as a power cut may leave it
    assert open_dataset(made.path)[0].read().shape == (280, 280, 3)


def test_an_imagefolder_takes_a_text_or_a_list_and_styles_where_given(tmp_path):
    folder = imagefolder(
        tmp_path / "set",
        [
            {"file_name": "a.png", "text": " one text "},
            "",
            {"file_name": "sub/b.png", "text": ["first", "", "second"]},
            {"file_name": "c.png", "text": ["s", "l"], "style": ["short", "long"]},
            {"file_name": "none.png", "text": []},
            {"file_name": "blank.png", "text": "  "},
        ],
    )
    dataset = open_dataset(folder)
    assert [sample.captions for sample in dataset] == [
        (("one text", ""),),
        (("first", ""), ("second", "")),
        (("s", "short"), ("l", "long")),
    ]
    assert [sample.key for sample in dataset] == ["a.png", "sub/b.png", "c.png"]
    assert dataset.without_captions == 2
    assert open_dataset(folder / "metadata.jsonl").fingerprint == dataset.fingerprint


def test_shards_as_img2dataset_writes_them(tmp_path):
    about = {"caption": "a face", "url": "https://example.org/1.jpg", "key": "000000000", "status": "success"}
    tar(
        tmp_path / "00000.tar",
        {
            "000000000.jpg": jpeg(),
            "000000000.json": json.dumps(about).encode(),
            "000000000.txt": b"a face",
            "000000001.jpg": jpeg((255, 0, 0)),
            "000000001.txt": "Ein Gesicht, schön\nzweite Zeile\n".encode(),
        },
    )
    tar(
        tmp_path / "00001.tar",
        {
            "dir.v2/7.seg.png": b"a mask, not the picture",
            "dir.v2/7.JPEG": jpeg(),
            "dir.v2/7.json": b"{ broken",
            "dir.v2/7.txt": b"third",
            "8.jpg": jpeg(),  # has no caption
            "9.txt": b"has no picture",
        },
    )
    dataset = open_dataset(tmp_path)
    assert [sample.key for sample in dataset] == [
        "00000.tar/000000000",
        "00000.tar/000000001",
        "00001.tar/dir.v2/7",
    ]
    assert [[text for text, _ in sample.captions] for sample in dataset] == [
        ["a face"],
        ["Ein Gesicht, schön", "zweite Zeile"],
        ["third"],
    ]
    assert dataset.without_captions == 1
    assert np.array_equal(dataset[1].read(), np.asarray(Image.open(io.BytesIO(jpeg((255, 0, 0))))))


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path.parent


def table(folder: Path, columns: dict) -> Path:
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "0.parquet", row_group_size=2)
    return folder


def texts_of(dataset) -> list[list[str]]:
    return [[text for text, _ in photo.captions] for photo in dataset]


def test_jsonl_is_cropped_from_the_photos_as_the_run_would_have_cropped_them(tmp_path):
    made = drawn_run.make_run(tmp_path / "run")
    dataset = open_dataset(export_dataset(made, "jsonl", tmp_path / "out"))
    expected = open_dataset(made.path)
    assert [(photo.key, photo.captions) for photo in dataset] == [(photo.key, photo.captions) for photo in expected]
    assert np.array_equal(dataset[0].read(), expected[0].read())


@pytest.mark.parametrize("crop", [{"crop": "whole"}, {"crop": "free", "scale": 3.0}, {"scale": 1.25}])
def test_jsonl_says_how_the_run_crops(tmp_path, crop):
    made = drawn_run.make_run(tmp_path / "run")
    settings = made.settings
    settings["recipe"]["dataset"] = {**settings["recipe"].get("dataset", {}), **crop}
    made.write_settings({name: value for name, value in settings.items() if name != "format"})
    folder = export_dataset(made, "jsonl", tmp_path / "out")
    shutil.rmtree(made.dataset / "images", ignore_errors=True)  # so that the run is cropped from its photos, too
    dataset, expected = open_dataset(folder), open_dataset(RunDirectory.open(made.path).path)
    assert np.array_equal(dataset[0].read(), expected[0].read())
    rows = [json.loads(line) for line in (folder / "photos.jsonl").read_text("utf-8").splitlines()]
    assert rows[0]["crop"] == {"shape": crop.get("crop", "square"), "scale": crop.get("scale", 2.0)}
    old = [{name: value for name, value in row.items() if name != "crop"} for row in rows]
    written(tmp_path / "old" / "photos.jsonl", "".join(json.dumps(line) + "\n" for line in old))
    before = open_dataset(tmp_path / "old" / "photos.jsonl")[0].read()
    assert before.shape != dataset[0].read().shape  # an export of an earlier release is read as it was


def test_a_kohya_export_gives_the_captions_as_they_were_written(tmp_path):
    run = small_run.make_run(tmp_path / "run", [["A {wide|faint} smile."], ["Two\nlines."]])
    for choice in ("all", "first"):
        settings = ExportSettings(captions=choice, repeats=10)
        folder = export_dataset(run, "kohya", tmp_path / choice, settings)
        moved = folder.rename(tmp_path / f"{choice} moved")
        assert texts_of(open_dataset(moved)) == [["A {wide|faint} smile."], ["Two lines."]]


def test_kohya_folders_of_others(tmp_path):
    for concept, name in (("20_ohwx man", "a"), ("20_ohwx man", "b"), ("10_woman", "c"), ("10_woman", "none")):
        picture(tmp_path / concept / f"{name}.png")
        if name != "none":
            written(tmp_path / concept / f"{name}.txt", f"caption of {name}\n\n{{two}}")
    picture(tmp_path / "samples" / "not a concept.png")
    dataset = open_dataset(tmp_path)
    assert [photo.key for photo in dataset] == [
        "10_woman/c.png", "20_ohwx man/a.png", "20_ohwx man/a.png #2", "20_ohwx man/b.png", "20_ohwx man/b.png #2"
    ]  # fmt: skip
    assert texts_of(dataset)[0] == ["caption of c", "{two}"]
    assert dataset.without_captions == 1
    assert open_dataset(tmp_path / "10_woman").fingerprint != dataset.fingerprint
    assert texts_of(open_dataset(tmp_path / "10_woman")) == [["caption of c", "{two}"]]
    assert dataset[4].read().shape == (60, 80, 3)


def test_a_csv_has_a_row_for_each_caption(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.png")
    rows = '\ufefffile_name,text\r\na.png,"one, two\nthree"\r\nb.png,\r\na.png,Zoë\r\n'
    written(tmp_path / "metadata.csv", rows)
    dataset = open_dataset(tmp_path)
    assert [photo.key for photo in dataset] == ["a.png"]
    assert texts_of(dataset) == [["one, two\nthree", "Zoë"]]
    assert dataset.without_captions == 1
    assert dataset[0].read().shape == (60, 80, 3)


def test_tables_of_others_with_images_in_them(tmp_path):
    images = [{"bytes": jpeg((200, 30 * n, 40)), "path": f"{n}.jpg"} for n in range(5)]
    folder = table(tmp_path / "set", {"image": images, "caption": ["a", "b", "", "d", "e"]})
    dataset = open_dataset(folder)
    assert texts_of(dataset) == [["a"], ["b"], ["d"], ["e"]]
    assert dataset.without_captions == 1
    for photo, number in zip(dataset, (0, 1, 3, 4), strict=True):
        assert np.array_equal(photo.read(), np.asarray(Image.open(io.BytesIO(images[number]["bytes"]))))
    assert len({photo.image.stamp() for photo in dataset}) == 4


def test_a_table_that_names_files(tmp_path):
    picture(tmp_path / "set" / "a.png")
    columns = {"file_name": ["a.png"], "text": [["one", "two"]]}
    pq.write_table(pa.table(columns), tmp_path / "set" / "metadata.parquet")
    dataset = open_dataset(tmp_path / "set")
    assert texts_of(dataset) == [["one", "two"]]
    assert dataset[0].read().shape == (60, 80, 3)


def test_a_table_without_its_images_is_refused(tmp_path, run):
    made = small_run.RunDirectory.open(run)
    folder = export_dataset(made, "parquet", tmp_path / "out", ExportSettings(images=False))
    with pytest.raises(SourceError, match="without --no-images"):
        open_dataset(folder)


# --- cheap, lazy, portable -------------------------------------------------------------------------------------------


def make_folder(path: Path) -> Path:
    return imagefolder(path, [{"file_name": "a.png", "text": "one"}, {"file_name": "b.png", "text": ["two", "three"]}])


def make_tar(path: Path) -> Path:
    return tar(path / "0.tar", {"a.jpg": jpeg(), "a.txt": b"one", "b.jpg": jpeg(), "b.txt": b"two"}).parent


def make_run(path: Path) -> Path:
    return small_run.make_run(path).path


def make_kohya(path: Path) -> Path:
    for name in "ab":
        picture(path / f"{name}.png")
        written(path / f"{name}.txt", name)
    return path


def make_csv(path: Path) -> Path:
    for name in "ab":
        picture(path / f"{name}.png")
    return written(path / "metadata.csv", "file_name,text\na.png,x\nb.png,y\n")


def make_table(path: Path) -> Path:
    return table(path, {"image": [{"bytes": jpeg(), "path": "a"}] * 3, "text": ["x", "y", "z"]})


@pytest.mark.parametrize("make", [make_folder, make_tar, make_run, make_kohya, make_csv, make_table])
def test_a_data_set_can_be_sent_to_a_worker_and_knows_itself(tmp_path, make):
    source = make(tmp_path / "set")
    dataset = open_dataset(source)
    copy = pickle.loads(pickle.dumps(dataset))
    assert [(one.key, one.captions) for one in copy] == [(one.key, one.captions) for one in dataset]
    assert np.array_equal(copy[-1].read(), dataset[len(dataset) - 1].read())
    assert pickle.loads(pickle.dumps(dataset[0])).key == dataset[0].key
    assert open_dataset(source).fingerprint == dataset.fingerprint
    with pytest.raises(IndexError):
        dataset[len(dataset)]


def test_the_fingerprint_changes_with_a_caption(tmp_path):
    before = open_dataset(make_folder(tmp_path / "a")).fingerprint
    metadata = tmp_path / "a" / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("three", "four"))
    assert open_dataset(tmp_path / "a").fingerprint != before


def test_opening_reads_no_picture(tmp_path):
    folder = make_folder(tmp_path / "set")
    (folder / "a.png").write_bytes(b"no picture at all")
    (folder / "b.png").unlink()
    assert len(open_dataset(folder)) == 2


def test_a_data_set_is_found_again_from_another_folder(tmp_path, monkeypatch):
    make_folder(tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    dataset = open_dataset(Path("set"))
    monkeypatch.chdir("/")
    dataset[0].read()


@pytest.mark.parametrize("form", ["imagefolder", "shards"])
@pytest.mark.nightly
def test_many_samples_take_little_memory(tmp_path, form):
    """A million of them at most 200 MB, whatever their captions' length."""
    count, text = 5000, "word " * 100
    if form == "imagefolder":
        lines = (json.dumps({"file_name": f"images/{n:07d}.jpg", "text": [text] * 4}) + "\n" for n in range(count))
        (tmp_path / "metadata.jsonl").write_text("".join(lines))
    else:
        members = {f"{n:09d}.{kind}": text.encode() for n in range(count) for kind in ("jpg", "txt")}
        tar(tmp_path / "0.tar", members)
    open_dataset(tmp_path)  # what is imported now is not counted
    tracemalloc.start(12)
    dataset = open_dataset(tmp_path)
    ours = tracemalloc.Filter(inclusive=True, filename_pattern="*text2face_core*", all_frames=True)  # no other thread's
    # Paths intern their parts; the process's one table of such words grows by leaps, whoever adds to it.
    interned = tracemalloc.Filter(inclusive=False, filename_pattern="*pathlib*", all_frames=True)
    held = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ours, interned]).traces)
    tracemalloc.stop()
    assert len(dataset) == count
    assert held / count < 200


def test_a_stamp_tells_that_a_file_was_replaced(tmp_path):
    folder = make_folder(tmp_path / "set")
    dataset = open_dataset(folder)
    before = [dataset.image(number).stamp() for number in range(2)]
    assert before[0] != before[1]
    os.utime(folder / "a.png", ns=(1, 1))
    assert [dataset.image(number).stamp() == before[number] for number in range(2)] == [False, True]


# --- what cannot be used ---------------------------------------------------------------------------------------------


def test_pictures_that_cannot_be_read_are_named_and_the_others_used(tmp_path):
    folder = imagefolder(tmp_path / "set", [{"file_name": f"{n}.png", "text": "x"} for n in range(5)])
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:50])
    (folder / "2.png").unlink()
    (folder / "3.png").write_bytes(b"")
    dataset = open_dataset(folder)
    assert find_readable(dataset, tmp_path, threads=2).tolist() == [0, 4]
    named = skipped_path(tmp_path, dataset).read_text().splitlines()
    assert named == ["1.png\ttruncated image", "2.png\tunreadable: no such file or directory", "3.png\tempty file"]
    picture(folder / "2.png")
    assert find_readable(dataset, tmp_path).tolist() == [0, 2, 4]  # what was repaired is found


def test_what_was_found_readable_is_not_looked_at_again(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "set")
    first = find_readable(open_dataset(folder), tmp_path).tolist()
    monkeypatch.setattr("text2face_core.dataset.readable._look", None)
    assert find_readable(open_dataset(folder), tmp_path).tolist() == first


def test_a_data_set_of_which_nothing_can_be_read_is_refused(tmp_path):
    folder = make_folder(tmp_path / "set")
    for name in ("a.png", "b.png"):
        (folder / name).write_text("no")
    with pytest.raises(UsageError, match=r"none of the 2 pictures .* can be read; .*skipped-.* says why"):
        find_readable(open_dataset(folder), tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_place_of_a_picture_is_not_waited_for(tmp_path):
    folder = make_folder(tmp_path / "set")
    (folder / "a.png").unlink()
    os.mkfifo(folder / "a.png")
    with pytest.raises(BadPhoto, match="not a file"):
        open_dataset(folder)[0].read()


def empty_run(path: Path) -> None:
    small_run.make_run(path, [[], []])


def unfinished_run(path: Path) -> None:
    small_run.RunDirectory(path).write_settings({"recipe": {}})


def rejected_run(path: Path) -> None:
    small_run.make_run(path, [])


ERRORS = {
    "nothing there": (lambda path: None, "no file or folder is called .*t2f run PHOTOS --out DIR"),
    "another file": (lambda path: path.write_text("x"), "is a file that cannot be trained on"),
    "an empty folder": (lambda path: path.mkdir(), "holds neither run.toml nor metadata.jsonl"),
    "a folder above": (lambda path: make_folder(path / "train"), "did you mean .*train"),
    "a folder above shards": (lambda path: make_tar(path / "part 0"), "did you mean .*part 0"),
    "a broken table": (lambda path: (path.mkdir(), (path / "0.parquet").touch()), "cannot be read as parquet"),
    "a table of other things": (lambda path: table(path, {"prompt": ["x"]}), "needs the columns.*it has: prompt"),
    "a csv of other things": (lambda path: written(path / "metadata.csv", "image,prompt"), "needs the columns.*prompt"),
    "a csv with a name outside": (
        lambda path: written(path / "metadata.csv", "file_name,text\n../a.png,x\n"),
        "line 2 of .* outside the folder",
    ),
    "a configuration of something else": (
        lambda path: written(path / "dataset.toml", "datasets = 1"),
        "not a configuration for sd-scripts",
    ),
    "a configuration whose folder is gone": (
        lambda path: written(path / "dataset.toml", "[[datasets]]\n[[datasets.subsets]]\nimage_dir = '/nowhere'"),
        "missing: .*nowhere",
    ),
    "a run without captions": (empty_run, r"\(2 have no caption\).*t2f fuse"),
    "a run that was stopped early": (unfinished_run, "give its t2f run command again"),
    "a run that accepted nothing": (rejected_run, "None of its 2 photos was accepted.*t2f report"),
    "no text": (lambda path: imagefolder(path, [{"file_name": "a.png"}]), r"\(1 have no caption\).*needs a caption"),
    "no JSON": (
        lambda path: imagefolder(path, [{"file_name": "a.png", "text": "x"}, "{"]),
        "line 2 of .* is not valid JSON",
    ),
    "no name": (lambda path: imagefolder(path, [{"image": "a", "text": "x"}]), "names no picture.*'image', 'text'"),
    "another form of line": (lambda path: imagefolder(path, ["[1]"]), "names no picture"),
    "a name outside": (lambda path: imagefolder(path, [{"file_name": "../a.png", "text": "x"}]), "outside the folder"),
    "an absolute name": (lambda path: imagefolder(path, [{"file_name": "/a.png", "text": "x"}]), "outside the folder"),
    "a broken tar": (lambda path: (path.mkdir(), (path / "0.tar").write_text("x" * 600)), "not a complete .tar file"),
    "a compressed tar": (lambda path: tar(path / "0.tar", {"a.jpg": jpeg()}, "w:gz"), "not a complete .tar file"),
    "a tar without captions": (lambda path: tar(path / "0.tar", {"a.jpg": jpeg()}), r"\(1 have no caption\)"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_is_no_data_set_is_refused_with_the_way_out(tmp_path, case):
    make, message = ERRORS[case]
    make(tmp_path / "source")
    with pytest.raises(SourceError, match=message):
        open_dataset(tmp_path / "source")


def test_a_tar_that_was_cut_off_is_refused(tmp_path):
    path = tar(tmp_path / "0.tar", {"a.jpg": jpeg(), "a.txt": b"x", "b.jpg": jpeg() * 40, "b.txt": b"y"})
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(SourceError, match="is not a complete"):
        open_dataset(path)
