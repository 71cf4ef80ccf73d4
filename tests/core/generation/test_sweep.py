"""Prompts with placeholders, and sheets of pictures with words around them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from text2face_core.contracts import GenerationRequest
from text2face_core.errors import UsageError
from text2face_core.generation import grids, sweep

LIKE = GenerationRequest("", 5, 32, 32)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age=10,20,30", ("10", "20", "30")),
        ("age=10", ("10",)),
        ("age= 10 , 20 ", ("10", "20")),
        ('age="long, blond", black', ("long, blond", "black")),
        ('age="say ""hi""",x', ('say "hi"', "x")),
        ("age=,with a hat", ("", "with a hat")),
        ("age=a=b,c", ("a=b", "c")),
    ],
)
def test_values_are_lists_with_commas(text, expected):
    assert sweep.parse_values([text]) == {"age": expected}


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["10,20"], "is not a list of values: write name=one,two"),
        (["=10,20"], "is not a list of values"),
        (["age="], "is not a list of values"),
        (["age=1", "age=2"], "values for age are given twice"),
        (["age=1,2,1"], 'the values of age contain "1" twice'),
        (['age="long, blond'], "quotes"),
    ],
)
def test_values_that_are_no_lists_are_refused(texts, words):
    with pytest.raises(UsageError, match=words):
        sweep.parse_values(texts)


@pytest.mark.parametrize(
    ("template", "values", "words"),
    [
        ("A man.", {"age": ["1"]}, "has no placeholder"),
        ("A {age} man with {hair} hair.", {"age": ["1"]}, r"give values for hair too: --values hair=one,two"),
        (
            "A {age} man.",
            {"age": ["1"], "ages": ["2"]},
            r"for ages, which is not in the prompt; .*{age}\. Did you mean",
        ),
        ("A {age} man.", {}, "give values for age"),
        ("A {age man.", {"age": ["1"]}, "braces in .* do not match"),
        ("A age} man.", {"age": ["1"]}, "braces in .* do not match"),
        ("A {} man.", {"age": ["1"]}, "is not a placeholder"),
        ("A {0} man.", {"age": ["1"]}, "is not a placeholder"),
        ("A {age:d} man.", {"age": ["1"]}, "is not a placeholder"),
        ("A {age.x} man.", {"age": ["1"]}, "is not a placeholder"),
        ("A {hair colour} man.", {"age": ["1"]}, "is not a placeholder"),
    ],
)
def test_placeholders_and_values_must_fit(template, values, words):
    with pytest.raises(UsageError, match=words):
        sweep.plan_pages(template, values)


def test_one_list_makes_columns():
    (page,) = sweep.plan_pages("A {age} {{year}} old, {age}.", {"age": ["10", ""]})
    assert (page.rows, page.columns, page.title) == ((), ("age: 10", "age: –"), "")
    assert page.prompts == (("A 10 {year} old, 10.", "A  {year} old, ."),)


def test_two_lists_make_rows_and_columns_in_the_order_given():
    template = "A {age} year old with {hair} hair."
    (page,) = sweep.plan_pages(template, {"hair": ["red", "black"], "age": ["1", "2", "3"]})
    assert (page.rows, page.columns) == (("hair: red", "hair: black"), ("age: 1", "age: 2", "age: 3"))
    assert page.prompts[1] == tuple(f"A {age} year old with black hair." for age in "123")


def test_further_lists_make_pages():
    found = sweep.plan_pages("{a} {b} {c} {d}", {"a": ["1"], "b": ["1", "2"], "c": ["x", "y"], "d": ["p", "q"]})
    assert [page.title for page in found] == ["c: x, d: p", "c: x, d: q", "c: y, d: p", "c: y, d: q"]
    assert found[2].prompts == (("1 1 y p", "1 2 y p"),)


def test_a_sweep_is_of_one_seed_and_several_seeds_make_rows():
    (page,) = sweep.plan_pages("A {age}.", {"age": ["1", "2", "3"]})
    rows, cells = sweep.plan_cells(page, LIKE, [5])
    assert rows == ()
    assert [[one.request.seed for one in row] for row in cells] == [[5, 5, 5]]
    rows, cells = sweep.plan_cells(page, LIKE, [5, 8], first=10)
    assert rows == ("seed 5", "seed 8")
    assert [[one.request.seed for one in row] for row in cells] == [[5] * 3, [8] * 3]
    assert [[(one.prompt, one.number) for one in row] for row in cells][1] == [(10, 1), (11, 1), (12, 1)]
    assert [one.request.prompt for one in cells[1]] == ["A 1.", "A 2.", "A 3."]


# --- sheets ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def plates(tmp_path):
    """Makes files of so many rows and columns, each of one colour."""

    def make(rows: int, columns: int, size=(40, 30)) -> list[list[Path]]:
        cells = [[tmp_path / f"{row}-{column}.png" for column in range(columns)] for row in range(rows)]
        for row, files in enumerate(cells):
            for column, path in enumerate(files):
                Image.new("RGB", size, (20 + 30 * row, 40 + 20 * column, 200)).save(path)
        return cells

    return make


def cut(sheet: grids.Sheet, row: int, column: int) -> np.ndarray:
    return np.asarray(sheet.image.crop(sheet.boxes[row][column]))


def check_cells(sheet, cells):
    for row, files in enumerate(cells):
        for column, path in enumerate(files):
            assert np.array_equal(cut(sheet, row, column), np.asarray(Image.open(path)))


def ink(sheet: grids.Sheet) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of all pixels of words: what is not paper outside of the pictures."""
    pixels = np.asarray(sheet.image.convert("L")).copy()
    for row in sheet.boxes:
        for x0, y0, x1, y1 in row:
            pixels[y0:y1, x0:x1] = 255
    return np.nonzero(pixels < 128)


@pytest.mark.parametrize("size", [(40, 30), (256, 256), (600, 400)])
@pytest.mark.parametrize(("rows", "columns", "wrap"), [(1, 1, 0), (3, 4, 0), (2, 7, 3), (1, 7, 4), (2, 2, 9)])
def test_each_cell_is_the_picture_itself_and_no_word_touches_one(plates, size, rows, columns, wrap):
    cells = plates(rows, columns, size)
    names = [f"age: {column * 10} and some words that are far too long for a column" for column in range(columns)]
    labels = [f"hair: {row}" for row in range(rows)] if rows > 1 else []
    sheet = grids.make_grid(cells, names, labels, "A title. " * 30, size=size, wrap=wrap)
    check_cells(sheet, cells)
    boxes = [box for row in sheet.boxes for box in row]
    assert len(set(boxes)) == rows * columns
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        assert 0 <= x0 < x1 <= sheet.image.width
        assert 0 <= y0 < y1 <= sheet.image.height
        assert all(x1 <= a or b <= x0 or y1 <= c or d <= y0 for a, c, b, d in boxes[number + 1 :])
    y, x = ink(sheet)
    assert y.min() > 0
    assert y.max() < sheet.image.height - 1
    assert x.min() > 0
    assert x.max() < sheet.image.width - 1


def test_a_grid_is_as_large_as_its_pictures_words_and_gaps(plates):
    sheet = grids.make_grid(plates(2, 3, (256, 200)), ["a", "b", "c"], ["one", "two"], size=(256, 200))
    rows = {box[1] for row in sheet.boxes for box in row}
    columns = {box[0] for row in sheet.boxes for box in row}
    assert (len(rows), len(columns)) == (2, 3)
    line = max(rows) - min(rows) - 200  # a gap
    assert 10 < line < 40
    assert sheet.image.height == line + line + line // 2 + 2 * (200 + line)
    assert sheet.image.width == min(columns) + 3 * (256 + line)


def test_smaller_cells_and_missing_pictures(plates):
    cells = [[plates(1, 1, (200, 100))[0][0], None]]
    sheet = grids.make_grid(cells, ["a", "b"], size=(100, 50))
    assert cut(sheet, 0, 0).shape == (50, 100, 3)
    assert (cut(sheet, 0, 0) == (20, 40, 200)).all()
    missing = cut(sheet, 0, 1)
    assert (missing == 216).mean() > 0.6
    assert (missing < 100).any(), "it says that the picture is missing"


def test_labels_in_any_script_are_drawn_where_a_font_has_them(plates):
    def inked(text):
        return ink(grids.make_grid(plates(1, 1, (256, 64)), [text], size=(256, 64)))[0].size

    assert inked("Żółć") != inked("Żółt"), "the letters are drawn, and not a box for each"


@pytest.mark.parametrize("per_row", [1, 2, 5])
def test_pairs_have_their_prompt_below(plates, per_row):
    cells = [tuple(files) for files in plates(3, 2, (64, 64))]
    prompts = ["Short.", "A long prompt with a great many words in it, " * 6, "Last."]
    sheet = grids.make_pairs(prompts, cells, ("base", "loras/mine"), size=(64, 64), per_row=per_row)
    check_cells(sheet, cells)
    y, x = ink(sheet)
    assert y.max() < sheet.image.height - 1
    assert x.max() < sheet.image.width - 1
    for left, right in sheet.boxes:
        assert left[1] == right[1]
        assert left[2] <= right[0]
        under = (y >= left[3]) & (y < left[3] + 40) & (x >= left[0] - 32) & (x < right[2] + 32)
        assert under.any()


def test_words_over_two_pairs_do_not_run_into_each_other():
    painter = grids._Painter((64, 64), grids._font(["x"], (64, 64), None))
    for width in (20, 60, 200):
        for text in ("a bb ccc dddd " * 5, "x" * 90, "one\ntwo\n\nthree", ""):
            lines = painter._lines(text, width)
            assert "".join(lines).replace(" ", "") == "".join(text.split())
            assert all(painter.font.getlength(line) <= width for line in lines)


def test_a_saved_sheet_tells_where_each_picture_is(plates, tmp_path):
    cells = [[*plates(1, 2)[0], None]]
    sheet = grids.make_grid(cells, ["a", "b", "c"], size=(40, 30))
    grids.save_sheet(sheet, tmp_path / "sheets" / "grid.png", cells, {"prompt": "A {x}."})
    with Image.open(tmp_path / "sheets" / "grid.png") as image:
        told = json.loads(image.text["text2face"])
        assert image.size == sheet.image.size
    assert told["prompt"] == "A {x}."
    assert told["cells"] == [
        {"box": list(box), "file": path and path.name} for box, path in zip(sheet.boxes[0], cells[0], strict=True)
    ]


def test_a_font_that_is_none_is_refused(tmp_path, plates):
    (tmp_path / "font.ttf").write_text("no font")
    with pytest.raises(UsageError, match="cannot be read as a font"):
        grids.make_grid(plates(1, 1), ["a"], size=(40, 30), font=tmp_path / "font.ttf")


def test_a_grid_of_real_size_holds_its_pictures_as_they_are(plates):
    cells = plates(6, 7, (768, 768))
    sheet = grids.make_grid(
        cells, [f"age: {age}" for age in range(7)], [f"hair: {one}" for one in range(6)], size=(768, 768)
    )
    assert sheet.image.width > 7 * 768
    check_cells(sheet, cells)
