"""`t2f sweep` on a tiny Stable Diffusion: one noise, changing words, and a grid of the pictures themselves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from text2face_core.cli import main

TEMPLATE = "A {age} year old man with {hair} hair."


@pytest.fixture
def sweep(tiny_base, tmp_path, capsys, monkeypatch):
    """Runs `t2f sweep`, and returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def swept(*arguments):
        where = [f"--base={tiny_base}", "--device=cpu", "--threads=1", "--offline"]
        code = main(["sweep", "none", *arguments, *where, "--steps=2"])
        return code, *capsys.readouterr()

    return swept


def told(path) -> dict:
    with Image.open(path) as image:
        return json.loads(image.text["text2face"])


def cells(path) -> list[np.ndarray]:
    with Image.open(path) as image:
        return [np.asarray(image.crop(cell["box"])) for cell in told(path)["cells"]]


def difference(one, other) -> int:
    return int(np.abs(one.astype(int) - other).max())


def test_each_cell_is_the_picture_that_generate_draws_with_the_seed(sweep, tiny_base, tmp_path):
    code, out, _ = sweep(TEMPLATE, "--values=age=10,20", "--values=hair=black,long", "--seed=3", "--out=grid.png")
    assert (code, out) == (0, "grid.png\n")
    found = told(tmp_path / "grid.png")
    assert (found["rows"], found["columns"]) == (["age: 10", "age: 20"], ["hair: black", "hair: long"])
    prompts = [f"A {age} year old man with {hair} hair." for age in (10, 20) for hair in ("black", "long")]
    for number, (prompt, cell) in enumerate(zip(prompts, cells(tmp_path / "grid.png"), strict=True)):
        one = [f"--base={tiny_base}", "--steps=2", "--threads=1", "--device=cpu", "--offline", f"--out={number}"]
        assert main(["generate", "none", prompt, "--seed=3", *one]) == 0
        (single,) = (tmp_path / str(number)).glob("*.png")
        assert difference(cell, np.asarray(Image.open(single))) <= 1
        assert np.array_equal(cell, np.asarray(Image.open(tmp_path / "grid" / found["cells"][number]["file"])))
    assert len({cell.tobytes() for cell in cells(tmp_path / "grid.png")}) == 4


def test_the_grid_is_made_again_without_drawing_again(sweep, tmp_path):
    arguments = ["A man with {hair} hair.", "--values=hair=black,long", "--out=grid.png"]
    sweep(*arguments)
    before = cells(tmp_path / "grid.png")
    (tmp_path / "grid.png").unlink()
    code, _, said = sweep(*arguments, "--cell=32", "--wrap=1")
    assert code == 0
    assert "all 2 image(s)" in said
    assert [cell.shape for cell in cells(tmp_path / "grid.png")] == [(32, 32, 3)] * 2
    assert [cell.shape for cell in before] == [(64, 64, 3)] * 2


def test_one_list_and_several_seeds_make_rows(sweep, tmp_path):
    code, _, _ = sweep("A man with {hair} hair.", "--values=hair=black,long,short", "--seeds=5,6", "--out=grid.png")
    assert code == 0
    assert told(tmp_path / "grid.png")["rows"] == ["seed 5", "seed 6"]
    first = cells(tmp_path / "grid.png")
    sweep("A man with {hair} hair.", "--values=hair=black,long,short", "--seed=6", "--out=row.png")
    for one, other in zip(first[3:], cells(tmp_path / "row.png"), strict=True):
        assert difference(one, other) <= 1


def test_a_third_list_makes_pages(sweep, tmp_path):
    values = ["--values=age=10,20", "--values=hair=black,long", "--values=with=a smile,glasses"]
    code, out, _ = sweep("A {age} year old with {hair} hair and {with}.", *values, "--out=some/grid.png")
    assert (code, out.split()) == (0, ["some/grid-1.png", "some/grid-2.png"])
    assert [told(tmp_path / path)["title"] for path in out.split()] == ["with: a smile", "with: glasses"]
    assert len(list((tmp_path / "some" / "grid").glob("*.png"))) == 8
    assert len({cell.tobytes() for path in out.split() for cell in cells(tmp_path / path)}) == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["A man.", "--values=age=10"], "has no placeholder"),
        ([TEMPLATE, "--values=age=10"], "give values for hair too"),
        ([TEMPLATE, "--values=age=10", "--values=hair=a", "--values=beard=b"], "beard, which is not in the prompt"),
        ([TEMPLATE, "--values=age=10", "--values=hair=a", "--seeds=1,2"], "two lists of values make already"),
        (["A {age}.", "--values=age=10", "--seeds=1,x"], "write whole numbers"),
        (["A {age}.", "--values=age=10", "--seeds=-1"], "seeds"),
        (["A {age}.", "--values=age=10", "--font=missing.ttf"], "cannot be read as a font"),
    ],
)
def test_what_cannot_be_swept_is_said_before_anything_is_drawn(arguments, words, sweep, tmp_path):
    code, _, said = sweep(*arguments)
    assert code == 2
    assert words in said
    assert not list(tmp_path.rglob("*.png"))
