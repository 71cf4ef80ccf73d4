"""`t2f train`: killed, stopped, on two processes, and what it says."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import time

import pytest
from support.sd_training import command, largest_difference, steps_of

from text2face_core.cli import main

KILLS = 5


@pytest.fixture
def arguments(tiny_base, photos16, shared_cache):
    """The command line of a training into this folder."""

    def make(out, **options):
        return command(tiny_base, photos16, out, **{"cache": shared_cache, **options})

    return make


def test_a_training_that_is_killed_again_and_again_ends_like_an_undisturbed_one(arguments, forks, tmp_path):
    options = {"steps": 12, "batch_size": 1, "checkpoint_every": 2, "held_out": 1, "validate_every": 6}
    calm, disturbed, log = tmp_path / "calm", tmp_path / "disturbed", tmp_path / "log"
    assert forks.run(arguments(calm, **options), log) == 0, log.read_text()
    chance = random.Random(6)
    for kill in range(KILLS):
        number = forks.start(arguments(disturbed, **options), log)
        # Before there is any checkpoint, then at any moment after each next one: in steps, validation, writing.
        wait_for(lambda: newest(disturbed) >= 2 * kill, log)  # noqa: B023  it is called here only
        time.sleep(chance.uniform(0, 0.2))
        os.kill(number, signal.SIGKILL)
        assert forks.wait(number) == -signal.SIGKILL
    assert forks.run(arguments(disturbed, **options), log) == 0, log.read_text()
    for figure in ("loss", "validation_loss"):
        assert steps_of(disturbed, figure) == pytest.approx(steps_of(calm, figure), abs=1e-6)
    assert largest_difference(disturbed, calm) < 1e-6


def newest(out):
    return max((int(path.stem[5:]) for path in (out / "checkpoints").glob("step-*.safetensors")), default=0)


def test_sigterm_leaves_a_checkpoint_of_the_step_that_it_came_in(arguments, forks, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    given = arguments(out, steps=10_000, checkpoint_every=10_000)
    number = forks.start(given, log)
    wait_for(lambda: "training on" in log.read_text(), log)
    time.sleep(1)
    os.kill(number, signal.SIGTERM)
    assert forks.wait(number, 60) == 130, log.read_text()
    assert "t2f: stopped; the same command resumes from here" in log.read_text()
    (checkpoint,) = (out / "checkpoints").iterdir()
    assert len(steps_of(out)) == int(checkpoint.stem[5:]) > 0


def wait_for(what, log):
    until = time.monotonic() + 120
    while not (log.is_file() and what()):
        assert time.monotonic() < until, log.read_text() if log.is_file() else "nothing began"
        time.sleep(0.05)


def test_two_processes_equal_one_with_twice_the_batch(arguments, forks, tmp_path):
    options = {"steps": 4, "accumulation": 2, "held_out": 1, "checkpoint_every": 3}
    one, two, log = tmp_path / "one", tmp_path / "two", tmp_path / "log"
    assert forks.run(arguments(one, batch_size=4, **options), log) == 0, log.read_text()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    given = arguments(two, batch_size=2, **options)
    both = [forks.start(given, tmp_path / f"log {n}", **common, RANK=str(n), LOCAL_RANK=str(n)) for n in range(2)]
    assert [forks.wait(number, 120) for number in both] == [0, 0], (tmp_path / "log 0").read_text()
    assert steps_of(two) == pytest.approx(steps_of(one), abs=1e-5)
    assert steps_of(two, "validation_loss") == pytest.approx(steps_of(one, "validation_loss"), abs=1e-5)
    assert largest_difference(two, one) < 1e-5
    assert str(two) in (tmp_path / "log 0").read_text()
    assert not (tmp_path / "log 1").read_text()


def test_the_command_says_what_it_does_and_prints_the_folder(arguments, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(arguments(out, steps=2)) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    for words in ("v_prediction, 64 px", "48 captions of 16 pictures", "16 photos to train on", "step 2/2", "images/s"):
        assert words in said.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--resolution=100"], "must be a multiple of 64 .*try 128"),
        (["--resume", "--fresh"], "give one of them"),
        (["--set=sd_lora.ranks=4"], "options of sd_lora: .*base, revision"),
        (["--base=/nowhere/at/all"], "neither a folder nor a Hugging Face id"),
        (["--base=nobody/nothing"], r"could not be fetched: it is not on this machine.*--base FOLDER"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(arguments, tmp_path, capsys, more, message):
    assert main([*arguments(tmp_path / "out"), *more]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_an_option_that_the_trainer_lacks_is_named(toy_plugins):
    from text2face_core import Recipe
    from text2face_core.errors import RecipeError
    from text2face_core.library import choose_trainer

    recipe = Recipe.load("starter").model_copy(update={"trainer": "sd_lora"})
    with pytest.raises(RecipeError, match=r"sd_lora has no option colour; it has: .*\bbase,"):
        choose_trainer(recipe, toy_plugins, {"colour": "red"})
