"""How `t2f train` and `t2f generate` choose the trainer, the device and threads."""

from __future__ import annotations

import pytest
from support import toy_generator

from text2face_core import Plugins
from text2face_core.cli import main
from text2face_core.errors import RecipeError
from text2face_core.library import default_trainer
from text2face_core.utils import hardware


def test_a_second_trainer_does_not_stop_training():
    plugins = Plugins.load(builtin_only=True)
    assert default_trainer(plugins) == "sd_lora"
    plugins.register("plates", toy_generator)
    assert default_trainer(plugins) == "sd_lora"


def test_the_only_trainer_is_used_and_of_several_others_one_must_be_named():
    plugins = Plugins([])
    with pytest.raises(RecipeError, match="--plugins NAME"):
        default_trainer(plugins)
    plugins.register("plates", toy_generator)
    assert default_trainer(plugins) == "plates"


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps", "tpu"])
@pytest.mark.parametrize("command", [["train"], ["generate", "none", "A man."], ["run"]])
def test_a_device_that_is_missing_stops_every_command(command, device, toy_photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hardware, "_accelerators", lambda kind: 0)
    monkeypatch.chdir(tmp_path)
    source = [] if command[0] == "generate" else [str(toy_photos)]
    out = [] if command[0] == "train" else [f"--out={tmp_path / 'out'}"]
    assert main([*command, *source, *out, f"--device={device}"]) == 2
    assert f"--device {device} " in capsys.readouterr().err
