"""Captions from Python: run directories, captions written again, exports and checks."""

import json
import sys

import pytest

from text2face_core import Bag, caption_again, caption_photos, check_captions, collect_stats, diagnose, export
from text2face_core.cli import main
from text2face_core.errors import PluginError, RunError
from text2face_core.library import Silent, override
from text2face_core.records import BagItem
from text2face_core.run.directory import RunDirectory


class Said(Silent):
    def __init__(self):
        self.lines = []

    def say(self, message):
        self.lines.append(message)


@pytest.fixture
def finished(tmp_path, toy_plugins, toy_recipe, toy_photos):
    return caption_photos(toy_photos, toy_recipe, available=toy_plugins, out=tmp_path / "out").out


def test_a_run_directory_has_all_that_the_command_line_leaves(finished):
    names = {path.name for path in finished.iterdir()}
    assert {"run.toml", "photos.parquet", "analysis", "captions", "dataset", "report.html", "stats.json"} <= names
    assert (
        json.loads((finished / "stats.json").read_text())["photos"]
        == collect_stats(RunDirectory.open(finished).rows())["photos"]
    )


def test_the_report_can_be_left_out(tmp_path, toy_plugins, toy_recipe, toy_photos):
    out = caption_photos(toy_photos, toy_recipe, available=toy_plugins, out=tmp_path / "out", report=False).out
    assert (out / "stats.json").is_file()
    assert not (out / "report.html").exists()


def test_captions_are_written_again_and_the_analysis_stays(finished, toy_plugins):
    before = (finished / "analysis" / "00000.parquet").read_bytes()
    result = caption_again(finished, settings=["captions.per_photo=2"], seed=3, available=toy_plugins)
    assert [len(captions) for row, captions in result if row.status == "ok"] == [2] * 7
    assert (finished / "analysis" / "00000.parquet").read_bytes() == before
    assert json.loads((finished / "dataset" / "metadata.jsonl").read_text().splitlines()[0])["text"] == [
        caption.text for caption in next(captions for _, captions in result if captions)
    ]


def test_captioning_again_cannot_change_the_analysis(finished, toy_plugins, tmp_path):
    with pytest.raises(RunError, match="changes captions only"):
        caption_again(finished, settings=["toy.shade.factor=2"], available=toy_plugins)
    with pytest.raises(RunError, match="no run"):
        caption_again(tmp_path / "nothing here", available=toy_plugins)
    assert not (tmp_path / "nothing here").exists()


def test_what_is_left_out_stays_left_out_until_it_is_undone(finished, toy_plugins):
    def mentioned(**given):
        said = Said()
        rows = caption_again(finished, available=toy_plugins, progress=said, **given).rows
        return {name for _, captions in rows for one in captions for name in one.bag.names}, said.lines

    assert mentioned()[0] == {"age", "gender"}
    assert mentioned(leave_out="age") == ({"gender"}, [])
    names, lines = mentioned(seed=5)
    assert names == {"gender"}
    assert any("age" in line and "--leave-out" in line for line in lines), "it says that this is still left out"
    assert mentioned(leave_out="") == ({"age", "gender"}, [])


def test_exports_are_made_from_python(finished):
    folder = export(finished, "jsonl", everything=True)
    assert folder == finished / "export-jsonl"
    assert sum(bool(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()) == 11
    with pytest.raises(RunError, match="--overwrite"):
        export(str(finished), "jsonl")
    assert export(finished, "kohya", finished.parent / "kohya", captions="first").name == "kohya"


def test_captions_of_any_program_are_checked():
    bag = Bag((BagItem("gender", "female", "woman", "F1"), BagItem("smiling", True, "smiling", "F2")))
    texts = ["A smiling woman.", "A woman.", "A smiling woman with a hat."]
    found = list(check_captions((text, bag) for text in texts))
    assert [one.fidelity.missed for one in found] == [(), ("smiling",), ()]
    assert [bool(one.fidelity.invented) for one in found] == [False, False, True]
    with pytest.raises(PluginError, match="vicunna"):
        check_captions([], plugins="vicunna")


def test_the_installation_is_diagnosed_as_the_doctor_does(capsys):
    found = diagnose()
    main(["doctor", "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert found.problems == shown["problems"]
    assert found.facts["plugins"] == shown["plugins"]
    assert found.facts["system"]["python"] == sys.version.split()[0]


def test_caption_is_another_name_of_fuse(capsys):
    shown = []
    for verb in ("fuse", "caption"):
        assert main([verb, "--help"]) == 0
        shown.append(capsys.readouterr().out.partition("\n")[2])
    assert shown[0] == shown[1] != ""
    assert main(["--help"]) == 0
    assert "caption" in capsys.readouterr().out
    assert main(["caption", "nothing-here"]) == 2
    assert "holds no run" in capsys.readouterr().err


# --- sets of plugins: names, +names and -names ---


@pytest.mark.parametrize(
    ("names", "extractors", "filters"),
    [
        ("+resmasknet", ("people", "starter", "photo", "resmasknet"), ("photo.sharp",)),
        ("-photo", ("people", "starter"), ()),
        ("+resmasknet,-photo", ("people", "starter", "resmasknet"), ()),
        ("photo", ("photo",), ("photo.sharp",)),
        ("photo,+toy", ("photo", "toy.shade"), ("photo.sharp", "toy.left")),
        ("+photo", ("people", "starter", "photo"), ("photo.sharp",)),
        ("-photo,-starter,-people", (), ()),
        ("+toy.left", ("people", "starter", "photo"), ("photo.sharp", "toy.left")),
    ],
)
def test_plus_adds_to_the_recipes_set_and_minus_takes_from_it(toy_plugins, names, extractors, filters):
    from text2face_core import Recipe

    starter = Recipe.load("starter")
    if "toy" in names and "toy.left" not in names:
        toy_plugins.register("toy", OnlySets())
    chosen = override(starter, toy_plugins, names=names)
    assert chosen.extractors == extractors
    assert chosen.filters == tuple(filters)
    assert (chosen.detector, chosen.fuser) == (starter.detector, starter.fuser)


class OnlySets:
    """The toy's filter and extractor."""

    from support.toys import t2f_extractors, t2f_filters

    t2f_extractors = staticmethod(t2f_extractors)
    t2f_filters = staticmethod(t2f_filters)


@pytest.mark.parametrize(
    ("names", "words"),
    [("-clip", "people, starter, photo"), ("+phrasebook", "fuser"), ("+vicunna", "vicunna")],
)
def test_what_cannot_be_added_or_removed_is_said(toy_plugins, names, words):
    from text2face_core import Recipe

    with pytest.raises(PluginError, match=words):
        override(Recipe.load("starter"), toy_plugins, names=names)


def test_a_run_says_what_the_set_became_and_what_is_no_longer_observed(toy_plugins):
    from text2face_core import Recipe

    starter = Recipe.load("starter")
    lines = override(starter, toy_plugins, names="photo").changes(starter, toy_plugins)
    assert any("extractors: photo" in line and "people, starter, photo" in line for line in lines)
    assert any("no longer observed" in line and "age" in line and "gender" in line for line in lines)
    assert starter.changes(starter, toy_plugins) == []
    (line,) = override(starter, toy_plugins, names="+resmasknet").changes(starter, toy_plugins)
    assert "people, starter, photo, resmasknet" in line
