"""`t2f generate`, `sweep` and `compare` with a trainer plugin from elsewhere, which brings its own image generator."""

import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from support.distributions import add_distribution
from support.paths import ROOT
from support.toy_generator import plate

from text2face_core.cli import main
from text2face_core.cli.compare import compare
from text2face_core.cli.generate import generate
from text2face_core.cli.sweep import sweep
from text2face_core.contracts import CaptionedDataset, GenerationRequest, TrainedModel, Trainer
from text2face_core.errors import PluginError
from text2face_core.generation.generate import image_seed
from text2face_core.generation.sweep import parse_values, plan_pages

PLATES = ["--plugins=plates", "--device=cpu", "--dtype=float32", "--steps=3"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The plugin as if it were installed, and an empty folder to work in."""
    add_distribution(tmp_path / "site", "plates", "plates = support.toy_generator")
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_plugin_from_elsewhere_generates_what_is_asked_of_it(here, capsys):
    options = ["--seed=9", "--guidance=2", "--negative=bad", "--lora-scale=0.5", "--resolution=64x32", "--base=other"]
    assert main(["generate", "my/lora", "One.", "Two.", *options, *PLATES]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == "drawings/lora"
    assert "plates of other" in shown.err
    paths = sorted((here / "drawings" / "lora").glob("*.png"))
    for number, (text, path) in enumerate(zip(["One.", "Two."], paths, strict=True)):
        wanted = GenerationRequest(text, image_seed(9, number, 0), 64, 32, "bad", 3, 2.0, 0.5)
        assert np.array_equal(pixels(path), plate(wanted))
        with Image.open(path) as image:
            assert image.text["lora"] == "my/lora"


def test_sizes_are_the_generators_own_unless_asked_for(here):
    main(["generate", "none", "One.", *PLATES])
    main(["generate", "none", "One.", "--resolution=30", *PLATES])
    assert {pixels(path).shape for path in here.glob("drawings/none/*.png")} == {(32, 48, 3), (30, 30, 3)}


@pytest.mark.parametrize("flag", ["--guidance=0.5", "--steps=0", "--resolution=0", "--batch-size=0"])
def test_what_means_nothing_is_refused(here, capsys, flag):
    assert main(["generate", "none", "One.", *PLATES, flag]) == 2
    assert f"Invalid value for '{flag.partition('=')[0]}'" in capsys.readouterr().err
    assert not (here / "drawings").exists()


def test_sweeps_and_comparisons_work_with_it_too(here, capsys):
    assert main(["sweep", "none", "A {x}.", "--values=x=1,2", *PLATES]) == 0
    assert main(["compare", "my/lora", "One.", "Two.", "Three.", "--pairs=3", *PLATES]) == 0
    assert capsys.readouterr().out.split() == ["drawings/none/sweep.png", "drawings/lora/compare/compare.png"]
    with Image.open("drawings/lora/compare/compare.png") as image:
        cells = [np.asarray(image.crop(cell["box"])) for cell in json.loads(image.text["text2face"])["cells"]]
    for number, text in enumerate(["One.", "Two.", "Three."]):
        wanted = GenerationRequest(text, image_seed(0, number, 0), 48, 32, steps=3)
        assert np.array_equal(cells[2 * number + 1], plate(wanted))
        assert not np.array_equal(cells[2 * number], plate(wanted))


def test_what_is_refused_leaves_a_gap_and_exit_code_1(here, capsys):
    refused = ["--set", "plates.refused=A 2", *PLATES]
    assert main(["sweep", "none", "A {x}.", "--values=x=1,2", *refused]) == 1
    assert "it is refused" in capsys.readouterr().err
    with Image.open("drawings/none/sweep.png") as image:
        assert [cell["file"] is None for cell in json.loads(image.text["text2face"])["cells"]] == [False, True]


def test_a_trainer_without_a_generator_says_so():
    class OnlyTrains(Trainer):
        def train(self, dataset: CaptionedDataset, out, progress) -> TrainedModel:
            raise AssertionError("nobody asked for a training")

    with pytest.raises(PluginError, match="OnlyTrains trains, but cannot generate images"):
        OnlyTrains().generator("lora")


def test_the_commands_are_described_without_torch_numpy_or_pillow():
    code = (
        "import sys\nfrom text2face_core.cli import main\n"
        "for verb in ('generate', 'sweep', 'compare'): assert main([verb, '--help']) == 0\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert modules.isdisjoint({"torch", "numpy", "PIL", "pydantic", "pyarrow", "diffusers"})


EXAMPLE = re.compile(r"^ *t2f (?:generate|sweep|compare) .*?[^\\\n](?=\n)", re.MULTILINE | re.DOTALL)


def examples() -> list[str]:
    """The command lines in the documentation and in the helps."""
    texts = [(ROOT / "docs" / "drawing.md").read_text(encoding="utf-8")]
    texts += [command.help for command in (generate, sweep, compare)]
    return [" ".join(found.replace("\\\n", " ").split()) for text in texts for found in EXAMPLE.findall(text)]


@pytest.mark.parametrize("line", examples())
def test_the_commands_that_are_shown_can_be_given(line, here):
    _, verb, *arguments = shlex.split(line)
    context = {"generate": generate, "sweep": sweep, "compare": compare}[verb].make_context(verb, arguments)
    assert context.params["model"]
    if verb == "sweep":
        assert plan_pages(context.params["prompt"], parse_values(context.params["values"]))


def test_each_command_is_shown():
    assert len(examples()) >= 12
