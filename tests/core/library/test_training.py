"""Training from Python: what `t2f train` does."""

import pytest

from text2face_core import Component, Options, Plugins, TrainedModel, Trainer, hookimpl, train
from text2face_core.cli import main
from text2face_core.errors import RecipeError


class CountOptions(Options):
    steps: int = 5
    rank: int = 4


class CountTrainer(Trainer):
    """Counts the lines of metadata.jsonl."""

    def __init__(self, options, runtime):
        self.options, self.runtime = options, runtime

    def train(self, dataset, out, progress):
        progress.start("counting", self.options.steps)
        out.mkdir(parents=True)
        lines = (dataset.imagefolder / "metadata.jsonl").read_text().splitlines()
        (out / "model.txt").write_text(f"{len(lines)} {self.options.steps} {self.options.rank} {self.runtime.seed}")
        progress.finish()
        return TrainedModel(out, {"lines": float(len(lines))})


class Plugin:
    @staticmethod
    @hookimpl
    def t2f_trainers():
        yield Component("count", CountTrainer, CountOptions)


class Second:
    """A plugin whose trainers are none."""

    @staticmethod
    @hookimpl
    def t2f_trainers():
        return ()


@pytest.fixture
def plugins() -> Plugins:
    plugins = Plugins.load(builtin_only=True)
    plugins.register("count", Plugin())
    return plugins


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "metadata.jsonl").write_text('{"file_name": "a.jpg", "text": ["A man."]}\n' * 3)
    return tmp_path / "photos"


def test_a_trainer_is_trained_with_options_settings_and_a_seed(dataset, plugins):
    trained = train(
        dataset, plugins="count", steps=7, settings=["count.rank=2"], seed=11, device="cpu", available=plugins
    )
    assert trained.metrics == {"lines": 3.0}
    assert trained.path.as_posix() == "loras/photos"
    assert (trained.path / "model.txt").read_text() == "3 7 2 11"
    elsewhere = train(dataset, out="here", plugins=["count"], steps=None, device="cpu", available=plugins)
    assert (elsewhere.path / "model.txt").read_text() == "3 5 4 0"


@pytest.mark.parametrize(
    ("given", "words"),
    [({"colour": "red"}, "has no option colour"), ({"steps": "many"}, "steps"), ({"plugins": "phrasebook"}, "trainer")],
)
def test_wrong_options_are_refused(dataset, plugins, given, words):
    plugins.register("second", Second())
    with pytest.raises(RecipeError, match=words):
        train(dataset, **{"plugins": "count", "device": "cpu", "available": plugins, **given})


def test_the_command_refuses_to_resume_and_start_over_at_once(dataset, capsys):
    assert main(["train", str(dataset), "--resume", "--fresh"]) == 2
    assert "give one of them" in capsys.readouterr().err
