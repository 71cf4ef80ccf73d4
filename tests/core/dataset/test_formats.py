"""Each format read back by what it is for, and what --captions means to all of them."""

import json
import random
import re
import shutil
import tarfile
import tomllib
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import webdataset
from support import small_run

from text2face_core.dataset.export import FORMATS, ExportSettings, export_dataset

TEXTS = [["Zoë smiles.", "A woman, 34 🙂."], ["Two\nlines, \u2028 one\tcaption."], ["D.", "E.", "F."], ["Late."]]
IDS = [small_run.photo_id(number) for number in range(4)]


@pytest.fixture
def run(tmp_path):
    return small_run.make_run(tmp_path / "out", TEXTS)


def crop(run, number):
    return (run.dataset / "images" / f"{number // 3:05d}" / f"{IDS[number]}.jpg").read_bytes()


def records(folder):
    return [json.loads(line) for line in (folder / "photos.jsonl").read_bytes().splitlines()]


def test_imagefolder_opens_with_datasets(run, tmp_path):
    folder = export_dataset(run, "imagefolder", tmp_path / "alone")
    shutil.rmtree(run.path)  # the export stands without the run
    opened = small_run.load_dataset(tmp_path / "cache", "imagefolder", data_dir=str(folder))
    assert set(opened.column_names) == {"image", "text", "photo_id"}
    assert opened["photo_id"][:] == IDS
    assert opened["text"][:] == TEXTS
    assert opened[3]["image"].size == (96, 96)


class SdScripts:
    """What kohya-ss/sd-scripts makes of a folder, after its docs/config_README-en.md and library/train_util.py."""

    def __init__(self, config):
        general, (dataset,) = config["general"], config["datasets"]
        (subset,) = dataset["subsets"]
        assert dataset["min_bucket_reso"] <= dataset["resolution"] <= dataset["max_bucket_reso"]
        assert dataset["resolution"] % 64 == 0
        self.wildcard, self.extension = general["enable_wildcard"], general["caption_extension"]
        self.folder, self.repeats = Path(subset["image_dir"]), subset["num_repeats"]

    def images(self):
        return sorted(path for path in self.folder.iterdir() if path.suffix == ".jpg")

    def captions(self, image):
        """Every caption that training may see with the image."""
        lines = [line.strip() for line in image.with_suffix(self.extension).read_text("utf-8").split("\n")]
        lines = [line for line in lines if line]
        return [self._chosen(line) for line in lines] if self.wildcard else lines[:1]

    @staticmethod
    def _chosen(line):
        line = line.replace("{{", "\0").replace("}}", "\1")
        line = re.sub(r"\{([^}]+)\}", lambda choice: random.choice(choice[1].split("|")), line)
        return line.replace("\0", "{").replace("\1", "}")


def sd_scripts(folder):
    return SdScripts(tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8")))


def test_kohya_has_a_caption_file_beside_each_picture(run, tmp_path):
    folder = export_dataset(run, "kohya", settings=ExportSettings(repeats=10))
    trainer = sd_scripts(folder)
    assert trainer.folder == folder.resolve() / "10_face"
    assert trainer.repeats == int(trainer.folder.name.partition("_")[0]) == 10
    assert [image.stem for image in trainer.images()] == IDS
    assert [image.read_bytes() for image in trainer.images()] == [crop(run, number) for number in range(4)]
    assert [trainer.captions(image) for image in trainer.images()] == [
        ["Zoë smiles.", "A woman, 34 🙂."],
        ["Two lines, one caption."],
        ["D.", "E.", "F."],
        ["Late."],
    ]
    assert {path.suffix for path in trainer.folder.iterdir()} == {".jpg", ".txt"}


@pytest.mark.parametrize("captions", ["all", "first"])
def test_braces_in_a_caption_are_no_wildcard_to_sd_scripts(tmp_path, captions):
    odd = "a {wide|faint} smile {{really}} } {"
    run = small_run.make_run(tmp_path / "out", [[odd, odd]])
    trainer = sd_scripts(export_dataset(run, "kohya", settings=ExportSettings(captions=captions)))
    assert trainer.captions(trainer.images()[0]) == [odd] * (2 if captions == "all" else 1)


@pytest.mark.parametrize(("size", "resolution"), [(768, 768), (500, 448), (2048, 2048), (40, 64)])
def test_kohya_trains_at_the_size_of_the_crops(run, size, resolution):
    recipe = {**small_run.RECIPE, "dataset": {"size": size}}
    run.write_settings({"seed": 7, "recipe": recipe})
    folder = export_dataset(run, "kohya")
    sd_scripts(folder)
    assert tomllib.loads((folder / "dataset.toml").read_text())["datasets"][0]["resolution"] == resolution


def stored(folder):
    """The photos of a web dataset, shard by shard, as webdataset groups them."""
    shards = []
    for path in sorted(folder.glob("*.tar")):
        with path.open("rb") as file:
            files = webdataset.tariterators.tar_file_expander([{"url": "x", "stream": file}])
            shards.append(list(webdataset.tariterators.group_by_keys(files)))
    return shards


# webdataset leaves it to the garbage collector to close what it has read.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <_io.FileIO:pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_its_tars(run):
    folder = export_dataset(run, "webdataset")
    shards = [str(path) for path in folder.glob("*.tar")]
    opened = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pil"))
    assert [one["__key__"] for one in opened] == IDS
    assert opened[0]["jpg"].size == (96, 96)
    assert opened[2]["txt"] in TEXTS[2]
    assert opened[1]["json"]["text"] == TEXTS[1]
    assert opened[1]["json"]["findings"][:2] == [
        {"name": "age", "value": "21.0", "score": 0.5, "source": "agegender"},
        {"name": "gender", "value": '"female"', "score": 0.75, "source": "agegender"},
    ]
    assert [one["jpg"] for one in stored(folder)[0]] == [crop(run, number) for number in range(4)]


def test_webdataset_opens_with_datasets(run, tmp_path):
    folder = export_dataset(run, "webdataset")
    opened = small_run.load_dataset(tmp_path / "cache", "webdataset", data_files=str(folder / "*.tar"))
    assert opened["__key__"][:] == IDS
    assert opened[0]["jpg"].size == (96, 96)
    assert [row["json"]["text"] for row in opened] == TEXTS
    assert opened[0]["json"]["findings"][2]["value"] == "false"


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [({"shard_count": 3}, [3, 1]), ({"shard_count": 1}, [1] * 4), ({"shard_count": 4}, [4]), ({"shard_mb": 1}, [3, 3])],
)
def test_webdataset_shards_hold_no_more_than_was_asked(tmp_path, limits, sizes):
    run = small_run.make_run(tmp_path / "out", [["A."]] * sum(sizes))
    if "shard_mb" in limits:  # three of these make less than a megabyte, four make more
        for number in range(sum(sizes)):
            path = run.dataset / "images" / f"{number // 3:05d}" / f"{small_run.photo_id(number)}.jpg"
            path.write_bytes(path.read_bytes() + random.Random(number).randbytes(290_000))
    folder = export_dataset(run, "webdataset", settings=ExportSettings(**limits))
    assert [len(shard) for shard in stored(folder)] == sizes
    assert [path.name for path in sorted(folder.glob("*.tar"))] == [f"{number:05d}.tar" for number in range(len(sizes))]


def test_tar_headers_say_nothing_of_who_wrote_them_and_when(run):
    with tarfile.open(export_dataset(run, "webdataset") / "00000.tar") as tar:
        assert {(one.mtime, one.uid, one.gid, one.uname, one.gname) for one in tar} == {(0, 0, 0, "", "")}


def test_parquet_shows_its_pictures_in_datasets(run, tmp_path):
    folder = export_dataset(run, "parquet")
    opened = small_run.load_dataset(tmp_path / "cache", "parquet", data_files=str(folder / "data.parquet"))
    assert opened["photo_id"][:] == IDS
    assert opened["text"][:] == TEXTS
    assert opened[0]["image"].size == (96, 96)
    assert opened[1]["uri"] == "/home/ada/Zoë's 50% #1/a b\nc 日本 [x].jpg"
    assert opened[1]["findings"][0] == {"name": "age", "value": "21.0", "score": 0.5, "source": "agegender"}


def test_parquet_can_do_without_pictures(tmp_path):
    run = small_run.make_run(tmp_path / "out", TEXTS, crops=False)
    table = pq.read_table(export_dataset(run, "parquet", settings=ExportSettings(images=False)) / "data.parquet")
    assert table.column_names == ["photo_id", "text", "uri", "file_name", "findings"]
    assert table["text"].to_pylist() == TEXTS
    assert table["file_name"][3].as_py() == f"images/00001/{IDS[3]}.jpg"


def test_parquet_holds_more_photos_than_one_group_of_rows(tmp_path):
    run = small_run.make_run(tmp_path / "out", [[f"Photo {number}."] for number in range(205)], crops=False)
    file = pq.ParquetFile(export_dataset(run, "parquet", settings=ExportSettings(images=False)) / "data.parquet")
    assert file.num_row_groups == 3
    assert file.read()["text"].to_pylist() == [[f"Photo {number}."] for number in range(205)]
    file.close()


def test_jsonl_says_everything_that_is_known(run):
    first, second = records(export_dataset(run, "jsonl"))[:2]
    assert first["status"] == "ok"
    assert first["face"]["box"] == [70, 40, 120, 100]
    assert len(first["face"]["landmarks"]) == 5
    assert first["findings"][0] == {
        "name": "age",
        "value": 20.0,
        "score": 0.5,
        "source": "agegender",
        "detail": {"spread": 4.5},
    }
    assert first["findings"][2]["value"] is False
    assert [caption["text"] for caption in first["captions"]] == TEXTS[0]
    said = first["captions"][0]
    assert said["bag"][0] == {"name": "age", "value": 34.0, "phrase": "34 years old", "level": "F1"}
    assert (said["fuser"], said["style"], said["tries"]) == ("phrasebook", "short", 1)
    assert (said["mentioned"], said["missed"], said["invented"]) == (["age"], ["emotion"], [])
    assert (run.dataset / first["file_name"]).is_file()
    assert second["uri"] == "/home/ada/Zoë's 50% #1/a b\nc 日本 [x].jpg"


def test_jsonl_holds_the_others_too_when_asked(run):
    assert [record["photo_id"] for record in records(export_dataset(run, "jsonl"))] == IDS
    *captioned, rejected, failed = records(
        export_dataset(run, "jsonl", settings=ExportSettings(everything=True), overwrite=True)
    )
    assert len(captioned) == 4
    assert (rejected["status"], rejected["reason"], rejected["captions"]) == ("rejected", "2 faces", [])
    assert (failed["status"], failed["face"], failed["file_name"]) == ("failed", None, None)


# Which captions.


def texts_of(run, tmp_path, format, **settings):  # noqa: A002
    """The captions that an export gives each photo, whatever the format."""
    folder = export_dataset(run, format, tmp_path / f"{format}", ExportSettings(**settings), overwrite=True)
    if format == "imagefolder":
        return [json.loads(line)["text"] for line in (folder / "metadata.jsonl").read_bytes().splitlines()]
    if format == "kohya":
        trainer = sd_scripts(folder)
        found = [trainer.captions(image) for image in trainer.images()]
        return found if settings["captions"] == "all" else [one for (one,) in found]
    if format == "webdataset":
        return [json.loads(one["json"])["text"] for shard in stored(folder) for one in shard]
    if format == "parquet":
        return pq.read_table(folder / "data.parquet")["text"].to_pylist()
    found = [[caption["text"] for caption in record["captions"]] for record in records(folder)]
    return found if settings["captions"] == "all" else [one for (one,) in found]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_means_the_same_by_its_captions(tmp_path, format):  # noqa: A002
    texts = [[f"Caption {n} of {p}." for n in range(5)] for p in range(8)]
    run = small_run.make_run(tmp_path / "out", texts)
    assert texts_of(run, tmp_path, format, captions="all") == texts
    assert texts_of(run, tmp_path, format, captions="first") == [photo[0] for photo in texts]
    drawn = texts_of(run, tmp_path, format, captions="random")
    assert all(one in photo for one, photo in zip(drawn, texts, strict=True))
    assert len({one.partition(" of")[0] for one in drawn}) > 1
    assert drawn == texts_of(run, tmp_path, format, captions="random", seed=7)  # the run's own seed
    assert drawn != texts_of(run, tmp_path, format, captions="random", seed=8)


def test_what_reads_one_string_gets_one_caption_drawn_at_random(tmp_path):
    texts = [[f"Caption {n} of {p}." for n in range(5)] for p in range(20)]
    run = small_run.make_run(tmp_path / "out", texts)

    def txt(**settings):
        folder = export_dataset(run, "webdataset", tmp_path / "tars", ExportSettings(**settings), overwrite=True)
        return [one["txt"].decode() for shard in stored(folder) for one in shard]

    drawn = txt()
    assert all(one in photo for one, photo in zip(drawn, texts, strict=True))
    assert {one.partition(" of")[0] for one in drawn} == {f"Caption {n}" for n in range(5)}
    assert drawn == txt() == txt(seed=7) == txt(captions="random")
    assert drawn != txt(seed=8)
    assert txt(captions="first") == [photo[0] for photo in texts]


def test_the_caption_drawn_for_a_photo_does_not_depend_on_the_others(tmp_path):
    texts = [[f"Caption {n} of {p}." for n in range(5)] for p in range(6)]
    whole = small_run.make_run(tmp_path / "whole", texts)
    part = small_run.make_run(tmp_path / "part", [[], *texts[1:3], [], *texts[4:]])
    drawn = texts_of(whole, tmp_path, "imagefolder", captions="random")
    expected = [one for number, one in enumerate(drawn) if number not in {0, 3}]
    assert texts_of(part, tmp_path, "imagefolder", captions="random") == expected
