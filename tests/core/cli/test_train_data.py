"""What `t2f train` hands to a trainer: the data set itself, and what a trainer written against 0.1 expects."""

import json

import pytest
from support import small_run
from support.distributions import add_distribution

from text2face_core.cli import main
from text2face_core.run import read_captions

LISTING = """
import json
from text2face_core import Component, Options, Trainer, hookimpl
from text2face_core.contracts import TrainedModel


class ListingTrainer(Trainer):
    def train(self, dataset, out, progress):
        out.mkdir(parents=True)
        folder = dataset.imagefolder  # with `path` all that 0.1 gave
        told = {"path": str(dataset.path), "lines": len((folder / "metadata.jsonl").read_text().splitlines())}
        told["captions"] = [text for photo in dataset for text, _ in photo.captions]
        (out / "listing.json").write_text(json.dumps(told))
        return TrainedModel(out, {})


@hookimpl
def t2f_trainers():
    yield Component("listing", lambda options, runtime: ListingTrainer(), Options)
"""


@pytest.fixture
def train(tmp_path, monkeypatch):
    """`t2f train SOURCE` with a trainer plugin that lists what it is given; returns exit code and list."""
    add_distribution(tmp_path / "site", "listing", "listing = t2f_listing")
    (tmp_path / "site" / "t2f_listing.py").write_text(LISTING)
    monkeypatch.syspath_prepend(tmp_path / "site")

    def run(source, name="lora"):
        arguments = ["train", str(source), "--out", str(tmp_path / name), "--plugins=listing", "--device=cpu"]
        code = main([*arguments, "--dtype=float32"])
        listing = tmp_path / name / "listing.json"
        return code, json.loads(listing.read_text()) if listing.exists() else None

    return run


def test_a_trainer_is_given_the_data_set(train, tmp_path):
    made = small_run.make_run(tmp_path / "run", [["One.", "Two."], ["Three."]])
    code, told = train(made.path)
    assert code == 0
    assert told == {"path": str(made.path), "lines": 2, "captions": ["One.", "Two.", "Three."]}


def test_captions_of_other_settings_than_the_runs_are_not_trained_on(train, tmp_path, capsys):
    made = small_run.make_run(tmp_path / "run", [["One."]])
    settings = {name: value for name, value in made.settings.items() if name != "format"}
    made.write_settings(settings | {"keys": {"analysis": "a key", "captions": "another"}})
    code, told = train(made.path)
    assert (code, told) == (2, None)
    assert "1 have no caption" in capsys.readouterr().err
    made.commit_captions(0, read_captions(made.captions_path(0)), "another")
    assert train(made.path)[1]["captions"] == ["One."]
