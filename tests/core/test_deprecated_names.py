"""Names of text2face 0.1: they work until 0.3, and say what to use instead."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from support.distributions import add_distribution

import text2face_core
from text2face_core import contracts
from text2face_core.cli import main
from text2face_core.contracts import GenerationRequest, ImageGenerator, Trainer
from text2face_core.errors import PluginError

OLD_PLUGIN = """
import numpy as np
from text2face_core import Component, Drawer, DrawRequest, Options, Trainer, hookimpl


class GreyDrawer(Drawer):
    size = (16, 8)

    def draw(self, requests, on_step=None):
        assert all(isinstance(one, DrawRequest) for one in requests)
        return [np.full((one.height, one.width, 3), one.seed, np.uint8) for one in requests]

    def identity(self, request):
        return {"base": "grey"}


class GreyTrainer(Trainer):
    def train(self, dataset, out, progress):
        raise NotImplementedError

    def drawer(self, model):
        return GreyDrawer()


@hookimpl
def t2f_trainers():
    yield Component("grey", lambda options, runtime: GreyTrainer(), Options)
"""


@pytest.fixture
def old_plugin(tmp_path, monkeypatch) -> Path:
    """A distribution written for 0.1, installed as pip leaves it; the folder is where to work."""
    site = tmp_path / "site"
    add_distribution(site, "t2f-grey", "grey = t2f_grey_of_0_1")
    (site / "t2f_grey_of_0_1.py").write_text(OLD_PLUGIN)
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_trainer_written_for_0_1_still_generates_images(old_plugin):
    assert main(["generate", "none", "One.", "--plugins=grey", "--seed=7", "--out=images", "--device=cpu"]) == 0
    (path,) = (old_plugin / "images").glob("*.png")
    with Image.open(path) as image:
        assert image.size == (16, 8)
        assert image.getpixel((0, 0)) == (7, 7, 7)


def test_a_trainer_written_for_0_1_is_warned_of_every_old_name(old_plugin):
    code = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import t2f_grey_of_0_1 as old\n"
        "    old.GreyTrainer().generator(None)\n"
        "for one in caught:\n"
        "    print(one.category.__name__, one.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=old_plugin / "site", capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("DeprecationWarning")]
    for old, new in (("Drawer", "ImageGenerator"), ("DrawRequest", "GenerationRequest"), ("drawer", "generator")):
        assert any(f"{old} is now called" in line and new in line for line in lines)


@pytest.mark.parametrize("module", [text2face_core, contracts])
def test_old_names_are_warned_of_where_they_are_used(module):
    with pytest.warns(DeprecationWarning, match="GenerationRequest") as caught:
        assert module.DrawRequest is GenerationRequest
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="ImageGenerator"):
        assert issubclass(module.Drawer, ImageGenerator)
    assert not {"Drawer", "DrawRequest"} & set(text2face_core.__all__)


def test_the_type_of_roles_has_its_old_name_too():
    with pytest.warns(DeprecationWarning, match="Role"):
        assert contracts.Kind is contracts.Role
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        contracts.nothing_of_this_name  # noqa: B018


class New(ImageGenerator):
    size = (2, 2)

    def generate(self, requests, on_step=None):
        return [request.seed for request in requests]

    def identity(self, request):
        return {}


class NewTrainer(Trainer):
    def train(self, dataset, out, progress):
        raise NotImplementedError

    def generator(self, model):
        return New()


def test_code_written_for_0_1_can_call_new_trainers():
    with pytest.warns(DeprecationWarning, match="generator"):
        generator = NewTrainer().drawer(None)
    with pytest.warns(DeprecationWarning, match="generate"):
        assert generator.draw([GenerationRequest("", 3, 2, 2)]) == [3]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_trainer_without_a_generator_says_so_by_either_name():
    class OnlyTrains(Trainer):
        def train(self, dataset, out, progress):
            raise NotImplementedError

    class AsksItsBase(OnlyTrains):
        def drawer(self, model):
            return super().drawer(model)

    for ask in (OnlyTrains().generator, OnlyTrains().drawer, AsksItsBase().generator, AsksItsBase().drawer):
        with pytest.raises(PluginError, match="cannot generate images"):
            ask("lora")
